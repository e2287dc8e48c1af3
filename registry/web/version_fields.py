"""Versions that people type."""

from typing import Any

from django import forms

from registry.catalog.models import ModelVersion
from registry.catalog.selectors import resolve
from registry.core.errors import RegistryError


class VersionField(forms.CharField):
    """A reference such as ``faces:3`` or ``faces@production``; becomes what it names."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(label="Version", max_length=200, **kwargs)

    def clean(self, value: Any) -> ModelVersion | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            return resolve(text)
        except RegistryError as exc:
            raise forms.ValidationError(str(exc), code=exc.code) from None
