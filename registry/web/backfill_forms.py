"""What people type about backfills and what they cost."""

from typing import Any

from django import forms

from registry.catalog.models import ModelVersion
from registry.galleries.models import Backfill
from registry.galleries.services.start_backfill import HIGHEST_RATE, LOWEST_RATE
from registry.galleries.services.twins import LONGEST_PROBATION_HOURS
from registry.web.number_fields import WholeNumberField

ORDERS = [
    (Backfill.Order.RANDOM, "random"),
    (Backfill.Order.OLDEST, "oldest first"),
    (Backfill.Order.PREDICTED_GAIN, "greatest predicted gain first"),
]
_NUMBER = {"inputmode": "decimal", "autocomplete": "off"}


class BackfillForm(forms.Form):
    """How to re-embed."""

    order = forms.ChoiceField(choices=ORDERS, initial=Backfill.Order.RANDOM, label="Order")
    rate_limit_per_s = forms.FloatField(
        required=False,
        min_value=LOWEST_RATE,
        max_value=HIGHEST_RATE,
        label="Items a second, at most",
        help_text="Left empty: as fast as a worker can.",
        widget=forms.TextInput(attrs=_NUMBER),
    )


class ProbationForm(forms.Form):
    """How long after a promotion items are embedded twice."""

    hours = WholeNumberField(
        min_value=0,
        max_value=LONGEST_PROBATION_HOURS,
        label="Hours of probation",
        help_text="Each costs one more run of an encoder for what is inserted meanwhile. "
        "0: there is none.",
    )


class PriceForm(forms.Form):
    """What an hour of a worker costs."""

    price_per_hour = forms.FloatField(
        required=False,
        min_value=0,
        label="Price per hour",
        help_text="Of one worker, in any currency.",
        widget=forms.TextInput(attrs=_NUMBER),
    )


class EconomicsForm(PriceForm):
    """What quality is worth, and what an unconstrained model would reach."""

    value_per_point_month = forms.FloatField(
        required=False,
        min_value=0,
        label="Value of +0.01 mAP a month",
        help_text="In the same currency.",
        widget=forms.TextInput(attrs=_NUMBER),
    )
    paragon = forms.ModelChoiceField(
        ModelVersion.objects.none(),
        required=False,
        label="Trained without the constraint",
        empty_label="no such version",
        help_text="Compared on the same set; the tax is read from its self-test.",
    )

    def __init__(self, paragons: list[ModelVersion], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = ModelVersion.objects.select_related("model")
        self.fields["paragon"].queryset = known.filter(pk__in=[p.pk for p in paragons])
