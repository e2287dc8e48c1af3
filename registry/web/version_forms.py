"""Forms of registered models and their versions."""

from typing import Any

from django import forms

from registry.catalog.models import LineageEdge, ModelVersion
from registry.catalog.services.register_version import Parent
from registry.evaluation.models import SetRevision
from registry.web.forms import TASKS, ready_revisions
from registry.web.json_fields import JsonTextField
from registry.web.version_fields import VersionField

PARENT_ROWS = 3


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

    reference = VersionField(required=False)
    relation = forms.ChoiceField(
        choices=[(r.value, r.value.replace("_", " ")) for r in LineageEdge.Relation]
    )


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
