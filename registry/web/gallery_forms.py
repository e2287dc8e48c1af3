"""Forms of galleries: a new one, an index of another team, canaries, drift, items, search."""

from typing import Any

from django import forms

from compat.drift import LEAST_TOLERANCE, MOST_TOLERANCE, TOLERANCE
from registry.catalog.models import ModelVersion
from registry.galleries.canaries import MOST_CANARIES
from registry.galleries.engines import configured_engines
from registry.galleries.models import Gallery
from registry.galleries.services.attach import LONGEST_LOCATION, MOST_ITEMS
from registry.web.json_fields import read_json
from registry.web.number_fields import WholeNumberField
from registry.web.version_fields import VersionField

HELD_ROWS = 4


class GalleryForm(forms.Form):
    """A new gallery; where an attached one is, is asked only of those.

    What is to search an embedded one is asked only where there is a choice.
    """

    name = forms.CharField(
        max_length=100, help_text="Letters, digits, hyphens, underscores; it never changes."
    )
    alias = forms.ChoiceField(help_text="The gallery follows this alias whenever it moves.")
    description = forms.CharField(max_length=300, required=False)
    kind = forms.ChoiceField(
        choices=Gallery.Kind.choices, required=False, initial=Gallery.Kind.EMBEDDED
    )
    engine = forms.ChoiceField(
        required=False,
        label="Searched by",
        help_text="What searches its large segments. It never changes.",
    )
    location = forms.CharField(
        max_length=LONGEST_LOCATION,
        required=False,
        label="Where the index is",
        help_text="For people to read, such as opensearch://search-eu/faces; nothing connects to "
        "it.",
    )

    def __init__(self, aliases: list[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["alias"].choices = [(name, name) for name in aliases]
        there = configured_engines()
        self.fields["engine"].choices = [
            (value, label) for value, label in Gallery.Engine.choices if value in there
        ]
        self.offers_engines = len(there) > 1

    @property
    def chosen_engine(self) -> str:
        """What was chosen to search it; files, where nothing was asked."""
        chosen = "" if self.is_attached else self.cleaned_data.get("engine")
        return chosen or Gallery.Engine.FILES.value

    @property
    def is_attached(self) -> bool:
        """Whether the index of another team was chosen."""
        return self.cleaned_data.get("kind") == Gallery.Kind.ATTACHED

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.is_attached and not cleaned.get("location") and "location" not in self.errors:
            self.add_error("location", "Say where the index is.")
        return cleaned


class HeldForm(forms.Form):
    """How many vectors of an attached index one version made."""

    producer = VersionField(required=False)
    items = WholeNumberField(required=False, min_value=1, max_value=MOST_ITEMS, label="Items")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "producer" in cleaned and "items" in cleaned:
            if cleaned["producer"] and not cleaned["items"]:
                raise forms.ValidationError("Say how many items it made.")
            if cleaned["items"] and not cleaned["producer"]:
                raise forms.ValidationError("Say which version made them.")
        return cleaned


class _Held(forms.BaseFormSet):
    """What an attached index holds; rows left empty say nothing."""

    def held(self) -> list[tuple[ModelVersion, int]]:
        """Return the versions with their counts."""
        return [
            (form.cleaned_data["producer"], form.cleaned_data["items"])
            for form in self.forms
            if form.cleaned_data.get("producer")
        ]


class DeclaredForm(forms.Form):
    """How many items a segment of an attached gallery holds now."""

    segment = forms.TypedChoiceField(
        coerce=int, label="Segment", widget=forms.Select(attrs={"class": "form-select"})
    )
    items = WholeNumberField(min_value=0, max_value=MOST_ITEMS, label="Items it holds now")

    def __init__(self, gallery: Gallery, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        live = gallery.segments.filter(pk__in=gallery.live_view.entries.values("segment"))
        self.fields["segment"].choices = _segment_choices(live)


HeldFormSet = forms.formset_factory(HeldForm, formset=_Held, extra=HELD_ROWS)


class CanariesForm(forms.Form):
    """Canaries of one segment of an attached gallery."""

    segment = forms.TypedChoiceField(
        coerce=int, label="Segment", widget=forms.Select(attrs={"class": "form-select"})
    )
    file = forms.FileField(
        label="NPZ or Parquet file",
        help_text=f"At most {MOST_CANARIES} rows: id, input or image, and vector as it lies in "
        "the index, in float32.",
    )
    tolerance = forms.FloatField(
        min_value=LEAST_TOLERANCE,
        max_value=MOST_TOLERANCE,
        initial=f"{TOLERANCE:g}",
        help_text="Greatest drift that counts as the same vector. Other hardware, float16 and a "
        "byte a number stay below 0.0001.",
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )

    def __init__(self, gallery: Gallery, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["segment"].choices = _segment_choices(gallery.segments)


def _segment_choices(segments: Any) -> list[tuple[int, str]]:
    found = segments.select_related("producer__model").order_by("-number")
    return [(s.number, f"{s.number}, made by {s.producer}, {s.live_items:,} items") for s in found]


class AcknowledgementForm(forms.Form):
    """Why the drift of a gallery is no harm."""

    reason = forms.CharField(
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="The ledger keeps it with your name. Promotions may then cut the gallery over.",
    )


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
        return read_json(text)

    def body(self) -> dict[str, Any]:
        """Return what the search process is asked."""
        given = {key: self.cleaned_data[key] for key in ("item_id", "input")}
        return {"k": self.cleaned_data["k"]} | {k: v for k, v in given.items() if v}
