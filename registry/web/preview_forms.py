"""What people type to try a query, or to start a shadow."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from registry.galleries.models import Gallery
from registry.upgrades.services.start_shadow import MOST_QUERIES
from registry.web.number_fields import WholeNumberField

_NUMBER = {"inputmode": "decimal", "autocomplete": "off"}


class TryForm(forms.Form):
    """A query to try under two encoders: an item, one query of a set, or a draw of queries."""

    gallery = forms.ChoiceField()
    item_id = forms.CharField(required=False, max_length=200, strip=False)
    evaluation_set = forms.ChoiceField(required=False)
    row = forms.IntegerField(required=False, min_value=0)
    seed = forms.IntegerField(required=False, min_value=0, max_value=2**31 - 1)
    labels_from = forms.ChoiceField(required=False)

    def __init__(
        self,
        galleries: Sequence[Gallery],
        sets: Sequence[str],
        labelled: Sequence[str],
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["gallery"].choices = [(g.name, g.name) for g in galleries]
        self.fields["evaluation_set"].choices = [("", "none")] + [(s, s) for s in sets]
        default = ("", "the sets that judge the alias")
        self.fields["labels_from"].choices = [default] + [(s, s) for s in labelled]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if not self.errors and bool(given["item_id"]) == bool(given["evaluation_set"]):
            raise forms.ValidationError("Give either an item or a set.")
        return given


class ShadowForm(forms.Form):
    """How many live queries a candidate shall answer too, and for how long."""

    percent = forms.FloatField(
        label="Share of queries, in %",
        initial=10,
        min_value=0.01,
        max_value=100,
        widget=forms.TextInput(attrs=_NUMBER),
    )
    hours = forms.FloatField(
        label="Ends after so many hours",
        required=False,
        min_value=0.01,
        max_value=24 * 366,
        widget=forms.TextInput(attrs=_NUMBER),
    )
    most_queries = WholeNumberField(
        label="or after so many queries",
        required=False,
        min_value=1,
        max_value=MOST_QUERIES,
        help_text="Whichever comes first. Both left empty, it goes on until somebody stops it or "
        "the upgrade is closed.",
    )

    def ends_at(self) -> datetime | None:
        """Return the moment that was asked for, if any."""
        hours = self.cleaned_data["hours"]
        return timezone.now() + timedelta(hours=hours) if hours else None
