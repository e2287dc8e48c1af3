"""Forms of an alias: what guards it, and the way back."""

from typing import Any

from django import forms
from django.contrib.auth import get_user_model

from registry.catalog.models import RegisteredModel
from registry.evaluation.models import SetRevision
from registry.upgrades.models import PolicyRevision
from registry.web.forms import SELECT, ReasonForm, ready_revisions
from registry.web.number_fields import WholeNumberField


class PolicyChoiceForm(forms.Form):
    """The policy revision that shall guard an alias."""

    policy = forms.ModelChoiceField(
        PolicyRevision.objects.none(), widget=SELECT, empty_label="choose a policy"
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
        widget=SELECT,
        empty_label="choose a revision",
    )

    def __init__(self, model: RegisteredModel, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["revision"].queryset = ready_revisions(model)


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
