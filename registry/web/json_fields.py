"""JSON that people type."""

import json
from typing import Any

from django import forms


class JsonTextField(forms.CharField):
    """A JSON object in a text area; numbers that JSON does not know are refused."""

    widget = forms.Textarea(attrs={"rows": 16, "class": "font-monospace", "spellcheck": "false"})

    def clean(self, value: Any) -> dict[str, Any] | None:
        text = super().clean(value)
        if not text:
            return None
        document = read_json(text)
        if not isinstance(document, dict):
            raise forms.ValidationError("must be a JSON object", code="invalid_json")
        return document


def read_json(text: str) -> Any:
    """Return what a text says in JSON.

    Raises:
        ValidationError: it is none, or has a number that JSON does not know.
    """
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as exc:
        raise forms.ValidationError(f"not JSON: {exc}", code="invalid_json") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
