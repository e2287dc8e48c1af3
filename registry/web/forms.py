"""What forms of several areas share."""

from typing import Any

from django import forms

from compat.policy import Task
from registry.catalog.models import RegisteredModel
from registry.evaluation.models import SetRevision

TASKS = [(task.value, task.value) for task in Task]

SELECT = forms.Select(attrs={"class": "form-select"})


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


def ready_revisions(model: RegisteredModel) -> Any:
    """Return the evaluation-set revisions that can judge versions of ``model``."""
    return SetRevision.objects.select_related("evaluation_set").filter(
        evaluation_set__task=model.task, state=SetRevision.State.READY
    )
