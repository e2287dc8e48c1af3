"""Forms of evaluation sets, and of outputs that they judge."""

from typing import Any

from django import forms

from registry.upgrades.models import EvaluationPin
from registry.web.forms import TASKS
from registry.web.json_fields import JsonTextField


class CheckForm(forms.Form):
    """Outputs to be judged, and what by; nothing is registered."""

    pin = forms.ModelChoiceField(
        EvaluationPin.objects.none(),
        label="Judge as a candidate of",
        empty_label="choose an alias and its evaluation set",
        error_messages={"invalid_choice": "It no longer judges that alias. Choose again."},
    )
    file = forms.FileField(
        label="NPZ or Parquet file",
        help_text="One row for each sample id of the set, in any order.",
    )
    manifest = JsonTextField(
        required=False,
        label="How to read them",
        help_text="Left empty: as the outputs of the version that the alias names.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["pin"].queryset = judging_pins()
        self.fields["pin"].label_from_instance = _alias_and_set
        self.fields["manifest"].widget.attrs["rows"] = 8


class EvaluationSetForm(forms.Form):
    """A revision of an evaluation set, the first of which opens the set."""

    name = forms.CharField(
        max_length=100, help_text="The name of a set that is there adds a revision to it."
    )
    task = forms.ChoiceField(choices=TASKS)
    description = forms.CharField(max_length=300, required=False)
    file = forms.FileField(label="Parquet or NPZ file")


def judging_pins() -> Any:
    """Return which set judges the candidates of which alias, by the name of the alias."""
    return EvaluationPin.objects.select_related(
        "gate__alias__model", "set_revision__evaluation_set"
    ).order_by("gate__alias__model__name", "gate__alias__name", "evaluation_set__name")


def _alias_and_set(pin: EvaluationPin) -> str:
    return f"{pin.gate.alias} on {pin.set_revision}"
