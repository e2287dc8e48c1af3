"""Attached galleries: another team's index; the registry keeps where it is and what it holds."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.db.models import F, Sum

from registry.audit.services.record import record
from registry.catalog.models import ModelVersion
from registry.core.errors import (
    ConflictError,
    InvalidInputError,
    UnknownObjectError,
    noting_refusal,
)
from registry.core.leases import WorkState
from registry.galleries.models import Gallery, Segment

MOST_ITEMS = 2_000_000_000
"""Declared items of one gallery: what the counts of views and cutovers can hold (chosen)."""

LONGEST_LOCATION = 500


@dataclass(frozen=True)
class Attachment:
    """What the owner says of an index: where it is, and how many vectors each version made."""

    location: str
    held: Sequence[tuple[ModelVersion, int]] = ()


def require_sane(attachment: Attachment, model_id: int) -> None:
    """Refuse a declaration that no gallery of the model can have.

    Raises:
        InvalidInputError: no location, a version of another model, one named twice, or counts
            out of range.
        ConflictError: a version that is not ready.
    """
    if not 0 < len(attachment.location.strip()) <= LONGEST_LOCATION:
        raise InvalidInputError(
            f"an attached gallery says in 1 to {LONGEST_LOCATION} characters where it is",
            code="invalid_location",
        )
    for version, items in attachment.held:
        if version.model_id != model_id:
            raise InvalidInputError(f"{version} is of another model", code="other_model")
        if version.state != ModelVersion.State.READY:
            raise ConflictError(f"{version} is {version.state}", code="version_not_ready")
        if items < 1:
            raise InvalidInputError(f"{items:,} items of {version}: at least one, or name it not")
    versions = [version.pk for version, _ in attachment.held]
    if len(set(versions)) != len(versions):
        raise InvalidInputError("a version is named twice", code="duplicate_producer")
    _require_total(sum(items for _, items in attachment.held))


def add_held_segments(
    gallery: Gallery, attachment: Attachment, encoder: ModelVersion
) -> dict[str, int]:
    """Write a segment for each version that is not the encoder; return what was declared."""
    others = [(version, items) for version, items in attachment.held if version != encoder]
    for number, (version, items) in enumerate(others, start=1):
        output = version.manifest["output"]
        Segment.objects.create(
            gallery=gallery,
            number=number,
            producer=version,
            dimension=output["dimension"],
            distance=output["distance"],
            state=Segment.State.SEALED,
            live_items=items,
            work_state=WorkState.DONE,
        )
    return {str(version): items for version, items in attachment.held}


def count_own_items(gallery: Gallery, attachment: Attachment, encoder: ModelVersion) -> None:
    """Write down how many items the encoder itself has made, in the segment that grows."""
    own = sum(items for version, items in attachment.held if version == encoder)
    gallery.segments.filter(state=Segment.State.INSERT).update(live_items=own)


def declare_items(*, gallery: Gallery, number: int, items: int, actor: AbstractUser) -> Segment:
    """Take the owner's word for how many items a segment of an attached gallery holds.

    The gallery is locked, so that no cutover passes between the count and the view that is made
    for it. Told the same again, nothing is written.

    Raises:
        UnknownObjectError: there is no such segment.
        ConflictError: the gallery counts its own items (``gallery_embedded``), or no live view
            names the segment (``segment_not_live``).
        InvalidInputError: a count out of range.
    """
    facts = {"segment": number, "items": items}
    noting = noting_refusal("gallery.declare", f"gallery:{gallery.name}", **facts)
    with noting, transaction.atomic():
        locked = Gallery.objects.select_for_update(of=("self",)).get(pk=gallery.pk)
        segment = locked.segments.filter(number=number).first()
        if segment is None:
            raise UnknownObjectError(f"{gallery} has no segment {number}", code="unknown_segment")
        _require_declarable(locked, segment, items)
        if segment.live_items != items:
            replaced, segment.live_items = segment.live_items, items
            Segment.objects.filter(pk=segment.pk).update(
                live_items=items, revision=F("revision") + 1
            )
            record(
                actor=actor.get_username(),
                action="gallery.declare",
                subject=f"gallery:{gallery.name}",
                **facts,
                replaced=replaced,
            )
    return segment


def _require_declarable(gallery: Gallery, segment: Segment, items: int) -> None:
    if not gallery.is_attached:
        raise ConflictError(f"{gallery} counts its own items", code="gallery_embedded")
    if items < 0:
        raise InvalidInputError("a count is not below 0")
    others = gallery.segments.exclude(pk=segment.pk).aggregate(total=Sum("live_items"))["total"]
    _require_total((others or 0) + items)
    if items and not gallery.live_view.entries.filter(segment=segment).exists():
        raise ConflictError(
            f"segment {segment.number} of {gallery} was empty at a cutover: no query meets it",
            code="segment_not_live",
        )


def _require_total(items: int) -> None:
    if items > MOST_ITEMS:
        raise InvalidInputError(f"{items:,} items: a gallery declares at most {MOST_ITEMS:,}")
