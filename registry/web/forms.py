"""What people type: checked for shape here, for meaning by the services."""

import json
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.utils import timezone

from compat.policy import Task
from registry.accounts.models import Scope
from registry.catalog.models import LineageEdge, ModelVersion, RegisteredModel
from registry.catalog.selectors import resolve
from registry.catalog.services.register_version import Parent
from registry.core.errors import RegistryError
from registry.evaluation.models import SetRevision
from registry.upgrades.models import AdapterFit, EvaluationPin, PolicyRevision, Upgrade
from registry.upgrades.repairs import fitting_sets
from registry.upgrades.selectors import other_open_upgrades
from registry.web.number_fields import WholeNumberField

TASKS = [(task.value, task.value) for task in Task]
PARENT_ROWS = 3
_SELECT = forms.Select(attrs={"class": "form-select"})
OVERLAPS = [("0", "at once: it has leaked"), ("24", "in a day"), ("168", "in a week")]
LIFETIMES = [("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("365", "365 days")]


class JsonTextField(forms.CharField):
    """A JSON object in a text area; numbers that JSON does not know are refused."""

    widget = forms.Textarea(attrs={"rows": 16, "class": "font-monospace", "spellcheck": "false"})

    def clean(self, value: Any) -> dict[str, Any] | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            document = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError) as exc:
            raise forms.ValidationError(f"not JSON: {exc}", code="invalid_json") from None
        if not isinstance(document, dict):
            raise forms.ValidationError("must be a JSON object", code="invalid_json")
        return document


class ModelForm(forms.Form):
    """A new registered model."""

    name = forms.CharField(
        max_length=100, help_text="Letters, digits, hyphens, underscores; it never changes."
    )
    task = forms.ChoiceField(choices=TASKS)
    description = forms.CharField(max_length=300, required=False)
    card = forms.CharField(
        required=False, widget=forms.Textarea(attrs={"rows": 8}), help_text="Markdown."
    )


class CandidateForm(forms.Form):
    """A candidate: graph or recorded outputs, its manifest, its card."""

    file = forms.FileField(
        required=False,
        label="ONNX file",
        help_text="Left empty for recorded outputs: those are uploaded afterwards, set by set.",
    )
    manifest = JsonTextField()
    card = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text="Markdown: what changed, and why.",
    )


class ParentForm(forms.Form):
    """One version that the candidate came from."""

    reference = forms.CharField(required=False, label="Version", max_length=200)
    relation = forms.ChoiceField(
        choices=[(r.value, r.value.replace("_", " ")) for r in LineageEdge.Relation]
    )

    def clean_reference(self) -> ModelVersion | None:
        text = self.cleaned_data["reference"].strip()
        if not text:
            return None
        try:
            return resolve(text)
        except RegistryError as exc:
            raise forms.ValidationError(str(exc), code=exc.code) from None


class _Parents(forms.BaseFormSet):
    """The parents of a candidate; rows without a reference say nothing."""

    def parents(self) -> list[Parent]:
        """Return the parents that were named."""
        return [
            Parent(form.cleaned_data["reference"].pk, form.cleaned_data["relation"])
            for form in self.forms
            if form.cleaned_data.get("reference")
        ]


ParentFormSet = forms.formset_factory(ParentForm, formset=_Parents, extra=PARENT_ROWS)


class RecordingForm(forms.Form):
    """Recorded outputs of one version on one evaluation set."""

    revision = forms.ModelChoiceField(SetRevision.objects.none(), label="Evaluation set")
    file = forms.FileField(label="NPZ or Parquet file")

    def __init__(self, version: ModelVersion, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["revision"].queryset = ready_revisions(version.model)


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


class PolicyChoiceForm(forms.Form):
    """The policy revision that shall guard an alias."""

    policy = forms.ModelChoiceField(
        PolicyRevision.objects.none(), widget=_SELECT, empty_label="choose a policy"
    )

    def __init__(self, model: RegisteredModel, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["policy"].queryset = PolicyRevision.objects.select_related("policy").filter(
            policy__task=model.task
        )


class PinForm(forms.Form):
    """An evaluation-set revision that shall judge the candidates of an alias."""

    revision = forms.ModelChoiceField(
        SetRevision.objects.none(),
        label="Evaluation set",
        widget=_SELECT,
        empty_label="choose a revision",
    )

    def __init__(self, model: RegisteredModel, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["revision"].queryset = ready_revisions(model)


class AdapterForm(forms.Form):
    """What an adapter for a candidate shall be fitted on, and what it maps."""

    side = forms.ChoiceField(choices=AdapterFit.Side.choices, required=False)
    revision = forms.ModelChoiceField(
        SetRevision.objects.none(),
        label="Fit on",
        widget=_SELECT,
        empty_label="choose a set that judges nothing here",
        help_text="Of its items only the two vectors are used, never the labels.",
    )

    def __init__(self, upgrade: Upgrade, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["revision"].queryset = fitting_sets(upgrade)


class ReasonForm(forms.Form):
    """Why somebody does something; the ledger keeps it.

    Where a page asks for several reasons, each says by its ``label`` what it is the reason for.
    """

    reason = forms.CharField(
        max_length=500, required=False, widget=forms.Textarea(attrs={"rows": 2})
    )

    def __init__(self, *args: Any, label: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].label = label


class _OtherUpgrade(forms.ModelChoiceField):
    """Upgrades by number and candidate."""

    def label_from_instance(self, obj: Upgrade) -> str:
        return f"#{obj.pk}, {obj.candidate}"


class SupersedeForm(ReasonForm):
    """The open upgrade that takes the place of another, and why."""

    by = _OtherUpgrade(
        Upgrade.objects.none(), label="In favour of", widget=_SELECT, empty_label=None
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


class ApprovalsForm(forms.Form):
    """How many people approve a candidate of an alias, and who they may be."""

    needed = forms.IntegerField(min_value=0, max_value=100, label="Approvals needed")
    approvers = forms.ModelMultipleChoiceField(
        get_user_model().objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Nobody chosen: every account may approve.",
    )
    uploader_may_approve = forms.BooleanField(
        required=False, label="Who uploaded a candidate may approve it"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = get_user_model().objects.filter(is_active=True).order_by("username")
        self.fields["approvers"].queryset = people


class RollBackForm(ReasonForm):
    """Why, and the exact number of items that become unsearchable."""

    confirm_unsearchable = WholeNumberField(
        min_value=0, required=False, label="Items that become unsearchable"
    )

    def clean_confirm_unsearchable(self) -> int:
        return self.cleaned_data["confirm_unsearchable"] or 0


class ItemsForm(forms.Form):
    """Items to put into a gallery."""

    file = forms.FileField(label="NPZ or Parquet file", help_text="Columns id and input or image.")


class SearchForm(forms.Form):
    """What is looked for in a gallery: an item, or one input for the live encoder."""

    item_id = forms.CharField(required=False, max_length=200, label="Item")
    input = forms.CharField(required=False, label="Input", widget=forms.Textarea)
    k = forms.IntegerField(min_value=1, max_value=100, initial=10, label="Hits")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if bool(cleaned.get("item_id")) == bool(cleaned.get("input")):
            raise forms.ValidationError("Name an item, or give an input; one of the two.")
        return cleaned

    def clean_input(self) -> Any:
        text = self.cleaned_data["input"].strip()
        if not text:
            return None
        try:
            return json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError) as exc:
            raise forms.ValidationError(f"not JSON: {exc}", code="invalid_json") from None

    def body(self) -> dict[str, Any]:
        """Return what the search process is asked."""
        given = {key: self.cleaned_data[key] for key in ("item_id", "input")}
        return {"k": self.cleaned_data["k"]} | {k: v for k, v in given.items() if v}


class TokenForm(forms.Form):
    """A new service token."""

    name = forms.CharField(max_length=100, help_text="What will use it.")
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, widget=forms.CheckboxSelectMultiple, initial=[Scope.READ]
    )
    lifetime = forms.ChoiceField(choices=LIFETIMES, initial="90")

    def clean_lifetime(self) -> timedelta:
        return timedelta(days=int(self.cleaned_data["lifetime"]))


class WebhookForm(forms.Form):
    """A new webhook."""

    url = forms.CharField(
        max_length=500,
        label="URL",
        strip=False,
        help_text="https://… on the public internet; redirects are not followed.",
        widget=forms.URLInput(attrs={"placeholder": "https://hooks.example.com/registry"}),
    )
    kinds = forms.CharField(
        max_length=1000,
        initial="*",
        label="Events",
        help_text="Kinds with commas, such as alias.moved, upgrade.*; * is everything.",
    )
    description = forms.CharField(max_length=200, required=False)

    def clean_kinds(self) -> list[str]:
        return self.cleaned_data["kinds"].replace(",", " ").split()


class RotationForm(forms.Form):
    """When the old secret of a webhook ends."""

    keep_old_hours = forms.TypedChoiceField(
        choices=OVERLAPS, coerce=int, initial="24", label="The old secret ends"
    )


def ready_revisions(model: RegisteredModel) -> Any:
    """Return the evaluation-set revisions that can judge versions of ``model``."""
    return SetRevision.objects.select_related("evaluation_set").filter(
        evaluation_set__task=model.task, state=SetRevision.State.READY
    )


def judging_pins() -> Any:
    """Return which set judges the candidates of which alias, by the name of the alias."""
    return EvaluationPin.objects.select_related(
        "gate__alias__model", "set_revision__evaluation_set"
    ).order_by("gate__alias__model__name", "gate__alias__name", "evaluation_set__name")


def _alias_and_set(pin: EvaluationPin) -> str:
    return f"{pin.gate.alias} on {pin.set_revision}"


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
