"""What people type about policies."""

from typing import Any

from django import forms

from registry.catalog.models import RegisteredModel
from registry.upgrades.policy_scopes import Place
from registry.web.policy_places import offered_places, place_named

NOWHERE = ("", "nowhere: read it by itself")


class PlaceField(forms.ChoiceField):
    """A scope that a policy can be set for."""

    def clean(self, value: Any) -> Place | None:
        option = super().clean(value)
        return place_named(option) if option else None


class SetPolicyForm(forms.Form):
    """Where a revision shall be set."""

    place = PlaceField(widget=forms.Select(attrs={"class": "form-select"}), label="Set it for")

    def __init__(self, task: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["place"].choices = [("", "choose a scope"), *offered_places(task)]


class PolicyTextForm(forms.Form):
    """The text of a policy, its name where it has none yet, and where to look at it."""

    name = forms.CharField(
        max_length=100, help_text="Letters, digits, hyphens, underscores; it never changes."
    )
    text = forms.CharField(
        strip=False,
        required=False,
        label="Policy",
        widget=forms.Textarea(
            attrs={"rows": 30, "spellcheck": "false", "autocapitalize": "off", "wrap": "off"}
        ),
    )
    place = PlaceField(
        required=False,
        label="As it would hold for",
        widget=forms.Select(attrs={"class": "form-select"}),
    )

    def __init__(self, name: str, task: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if name:
            del self.fields["name"]
        self.fields["place"].choices = [NOWHERE, *offered_places(task)]

    def clean_text(self) -> str:
        """Return the text with the line ends that it has outside of forms."""
        return self.cleaned_data["text"].replace("\r\n", "\n")


class GroupForm(forms.Form):
    """The group that a model belongs to."""

    group = forms.CharField(
        max_length=100,
        required=False,
        help_text="The model inherits what is set for its group. Empty: it has none.",
        widget=forms.TextInput(attrs={"list": "groups", "autocomplete": "off"}),
    )


def groups_of(task: str) -> list[str]:
    """Return the groups that models of a task belong to."""
    named = RegisteredModel.objects.filter(task=task).exclude(group="")
    return sorted(set(named.values_list("group", flat=True)))
