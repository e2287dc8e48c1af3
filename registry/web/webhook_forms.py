"""Forms of webhooks."""

from django import forms

OVERLAPS = [("0", "at once: it has leaked"), ("24", "in a day"), ("168", "in a week")]


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
