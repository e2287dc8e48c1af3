"""Numbers that people type the way pages write them."""

import re
from typing import Any

from django import forms

_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+")


class WholeNumberField(forms.IntegerField):
    """A whole number, with or without the separators that pages show: 12500 or 12,500."""

    widget = forms.TextInput

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.widget.attrs |= {"inputmode": "numeric", "autocomplete": "off"}

    def to_python(self, value: Any) -> int | None:
        if isinstance(value, str) and _GROUPED.fullmatch(value.strip()):
            value = value.replace(",", "")
        return super().to_python(value)
