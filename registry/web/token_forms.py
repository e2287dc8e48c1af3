"""The form of a service token."""

from datetime import timedelta

from django import forms

from registry.accounts.models import Scope

LIFETIMES = [("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("365", "365 days")]


class TokenForm(forms.Form):
    """A new service token."""

    name = forms.CharField(max_length=100, help_text="What will use it.")
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, widget=forms.CheckboxSelectMultiple, initial=[Scope.READ]
    )
    lifetime = forms.ChoiceField(choices=LIFETIMES, initial="90")

    def clean_lifetime(self) -> timedelta:
        return timedelta(days=int(self.cleaned_data["lifetime"]))
