"""A gallery, its segments, and who follows it."""

from collections.abc import Iterable

from django.db.models import F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from registry.catalog.models import Alias, ModelVersion
from registry.core.errors import UnknownObjectError
from registry.galleries.models import Acknowledgement, Cutover, Gallery, Segment


def gallery_to_search(name: str) -> Gallery:
    """Return what has to be known to pass a search on, or raise UnknownObjectError."""
    found = Gallery.objects.only("name", "kind").filter(name=name).first()
    if found is None:
        raise UnknownObjectError(f"no gallery {name}", code="unknown_gallery")
    return found


def gallery_named(name: str) -> Gallery:
    """Return the gallery with its live pointer, or raise UnknownObjectError."""
    found = (
        Gallery.objects.select_related(
            "alias__model",
            "live_view__encoder__model",
            "live_view__insert_segment",
            "probation_encoder__model",
        )
        .filter(name=name)
        .first()
    )
    if found is None:
        raise UnknownObjectError(f"no gallery {name}", code="unknown_gallery")
    return found


def galleries() -> QuerySet[Gallery]:
    """Return galleries by name, with what they follow and how many items they hold."""
    return (
        Gallery.objects.select_related("alias__model", "live_view__encoder__model", "created_by")
        .annotate(item_count=Coalesce(Sum("segments__live_items"), 0))
        .order_by("name")
    )


def segments_of(gallery: Gallery) -> QuerySet[Segment]:
    """Return the segments of a gallery in their order."""
    return gallery.segments.select_related("producer__model").order_by("number")


def segments_by_id(ids: Iterable[int]) -> dict[int, Segment]:
    """Return segments with their producers, by id."""
    found = Segment.objects.select_related("producer__model").filter(pk__in=list(ids))
    return {segment.pk: segment for segment in found}


def acknowledgements_of(gallery: Gallery) -> QuerySet[Acknowledgement]:
    """Return the consumers of a gallery: how many epochs each is behind, and since when."""
    missed = Cutover.objects.filter(gallery=OuterRef("gallery"), epoch=OuterRef("epoch") + 1)
    return (
        gallery.acknowledgements.select_related("acknowledged_by")
        .annotate(
            behind=F("gallery__epoch") - F("epoch"), behind_since=Subquery(missed.values("at"))
        )
        .order_by("consumer")
    )


def index_digests() -> dict[int, str]:
    """Return the index of every segment that has one, by the segment's id."""
    return dict(Segment.objects.exclude(index_digest="").values_list("pk", "index_digest"))


def producers_held(alias: Alias) -> dict[int, ModelVersion]:
    """Return the distinct producers with at least one live item in galleries of ``alias``."""
    held = (
        Segment.objects.filter(gallery__alias=alias, live_items__gt=0)
        .select_related("producer__model")
        .order_by("pk")
    )
    return {segment.producer_id: segment.producer for segment in held}
