"""What people type about promotions that are done later, and about safeguards."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from registry.upgrades.services.drift_signals import DRIFT
from registry.upgrades.services.safeguards import LONGEST_H, MOST_ITEMS
from registry.upgrades.services.schedule import FURTHEST, MOST_QUERIES, WINDOW, ShadowCondition
from registry.web.forms import ReasonForm
from registry.web.number_fields import WholeNumberField

_NUMBER = {"inputmode": "decimal", "autocomplete": "off"}
_HOURS = int(WINDOW.total_seconds() // 3600)


class LaterForm(ReasonForm):
    """When to promote, on what condition, and how long that may take."""

    not_before = forms.DateTimeField(
        required=False,
        label="Not before (UTC)",
        help_text="Left empty: as soon as the shadow has shown enough.",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    hours = forms.IntegerField(
        min_value=1,
        max_value=FURTHEST.days * 24,
        initial=_HOURS,
        label="Within so many hours from then",
        help_text="What was not done by then expires.",
        widget=forms.TextInput(attrs=_NUMBER),
    )
    shadow_queries = WholeNumberField(
        required=False,
        min_value=2,
        max_value=MOST_QUERIES,
        label="Shadow: compared queries",
        help_text="At least; left empty, it waits for no shadow.",
    )
    shadow_overlap = forms.FloatField(
        required=False,
        min_value=0,
        max_value=1,
        label="Shadow: mean overlap@10",
        help_text="At least, by the lower end of its interval: 0.9, say.",
        widget=forms.TextInput(attrs=_NUMBER),
    )
    field_order = ["not_before", "hours", "shadow_queries", "shadow_overlap", "reason"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label="Why it is scheduled", **kwargs)

    def clean_not_before(self) -> datetime | None:
        moment = self.cleaned_data["not_before"]
        if moment is not None and moment > timezone.now() + FURTHEST:
            raise forms.ValidationError(f"It ends within {FURTHEST.days} days.")
        return moment

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        given = [cleaned.get(key) is not None for key in ("shadow_queries", "shadow_overlap")]
        if any(given) != all(given):
            self.add_error("shadow_overlap", "Give both the queries and the overlap, or neither.")
        return cleaned

    def asked(self, now: Any) -> dict[str, Any]:
        """Return what the service is asked; the window is counted from ``now`` without a moment."""
        found = self.cleaned_data
        begin = found["not_before"]
        condition = None
        if found["shadow_queries"] is not None:
            condition = ShadowCondition(found["shadow_queries"], found["shadow_overlap"])
        return {
            "not_before": begin,
            "not_after": (begin or now) + timedelta(hours=found["hours"]),
            "after_shadow": condition,
            "reason": found["reason"],
        }


class SafeguardForm(ReasonForm):
    """A signal, for how long it rolls back, and what that may cost."""

    signal = forms.SlugField(
        max_length=64,
        help_text="As monitoring names it: error-rate, say. The registry itself sends "
        f"{DRIFT} when canaries of a gallery drift.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    armed_hours = forms.IntegerField(
        min_value=1,
        max_value=LONGEST_H,
        initial=24,
        label="Hours after a promotion",
        widget=forms.TextInput(attrs=_NUMBER),
    )
    at_most_unsearchable = WholeNumberField(
        min_value=0,
        max_value=MOST_ITEMS,
        initial=0,
        label="Items that may become unsearchable",
        help_text="Where it would be more, nothing is rolled back, and a person is told.",
    )
    dual_query = forms.BooleanField(
        required=False,
        label="Where items would be lost, let each version query its own vectors instead",
    )
    field_order = ["signal", "armed_hours", "at_most_unsearchable", "dual_query", "reason"]
