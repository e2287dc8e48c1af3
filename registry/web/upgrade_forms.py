"""Forms of an upgrade: decisions, waivers, adapters, another in its place."""

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone

from registry.evaluation.models import SetRevision
from registry.upgrades.models import AdapterFit, Upgrade
from registry.upgrades.repairs import fitting_sets
from registry.upgrades.selectors import other_open_upgrades
from registry.web.forms import SELECT, ReasonForm


class AdapterForm(forms.Form):
    """What an adapter for a candidate shall be fitted on, and what it maps."""

    side = forms.ChoiceField(choices=AdapterFit.Side.choices, required=False)
    revision = forms.ModelChoiceField(
        SetRevision.objects.none(),
        label="Fit on",
        widget=SELECT,
        empty_label="choose a set that judges nothing here",
        help_text="Of its items only the two vectors are used, never the labels.",
    )

    def __init__(self, upgrade: Upgrade, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["revision"].queryset = fitting_sets(upgrade)


class _OtherUpgrade(forms.ModelChoiceField):
    """Upgrades by number and candidate."""

    def label_from_instance(self, obj: Upgrade) -> str:
        return f"#{obj.pk}, {obj.candidate}"


class SupersedeForm(ReasonForm):
    """The open upgrade that takes the place of another, and why."""

    by = _OtherUpgrade(
        Upgrade.objects.none(), label="In favour of", widget=SELECT, empty_label=None
    )
    field_order = ["by", "reason"]

    def __init__(self, upgrade: Upgrade, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label="Why it gives way", **kwargs)
        self.fields["by"].queryset = other_open_upgrades(upgrade)


class DecisionForm(forms.Form):
    """A yes or a no to a candidate; a no says why."""

    decision = forms.ChoiceField(choices=[("approve", "approve"), ("reject", "reject")])
    comment = forms.CharField(
        max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 2})
    )


class WaiverForm(forms.Form):
    """An exception to rules that block now, for a time."""

    rules = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple)
    reason = forms.CharField(
        max_length=2000, label="Why they are excepted", widget=forms.Textarea(attrs={"rows": 2})
    )
    days = forms.IntegerField(
        min_value=1, max_value=366, initial=14, label="Ends after so many days"
    )
    sample_ids = forms.CharField(
        required=False,
        label="Only while these samples flip",
        widget=forms.Textarea(attrs={"rows": 2, "class": "font-monospace"}),
        help_text="Ids, one a line. Left empty, the waiver holds whatever flips.",
    )

    def __init__(self, rules: list[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["rules"].choices = [(rule, rule) for rule in rules]

    def clean_sample_ids(self) -> list[str]:
        return self.cleaned_data["sample_ids"].split()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        days = cleaned.pop("days", None)
        if days is not None:
            cleaned["expires_at"] = timezone.now() + timedelta(days=days)
        return cleaned
