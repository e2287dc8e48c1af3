"""Move a gallery's live pointer: rows only, no vector is touched, whatever its size."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from compat.calibration import Calibration
from compat.plan import CutoverPlan, SegmentPlan, plan_cutover
from registry.catalog.models import ModelVersion
from registry.catalog.rewriting import rewriter_of
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.errors import ConflictError
from registry.core.leases import WorkState
from registry.galleries.models import Cutover, Gallery, Segment, View, ViewSegment
from registry.galleries.notices import announce_cutover
from registry.galleries.services.rewrite import want_again
from registry.galleries.services.steer_backfill import supersede_backfill
from registry.galleries.services.twins import held_segments, twin_what_is_missing


@dataclass(frozen=True)
class OwnQuery:
    """What lets a producer go on to query its own vectors beside another encoder.

    Attributes:
        reference: the comparison that both calibrations come from.
        producer: how the producer's queries score on its own vectors.
        encoder: how the other encoder's queries score on its own.
    """

    reference: str
    producer: Calibration
    encoder: Calibration


Dual = Mapping[int, OwnQuery]
"""By producer id: empty unless each segment is to be queried by its own version."""


def plan_for(
    gallery: Gallery,
    encoder: ModelVersion,
    evidence: Mapping[int, str],
    dual: Dual | None = None,
    *,
    returning: bool = False,
) -> CutoverPlan:
    """Plan which segments ``encoder`` may query; reads rows of segments and twins, no live item.

    Args:
        returning: ``encoder`` is to embed afterwards what is neither covered nor a twin.
    """
    segments = held_segments(gallery, encoder, returning=returning)
    references = {producer: own.reference for producer, own in (dual or {}).items()}
    return plan_cutover(segments, encoder.pk, evidence, references)


@transaction.atomic
def cut_over(
    *,
    gallery: Gallery,
    encoder: ModelVersion,
    evidence: Mapping[int, str],
    alias_epoch: int,
    dual: Dual | None = None,
    returning: bool = False,
) -> Cutover:
    """Switch the gallery to ``encoder``: seal the insert segment, open one, move the pointer.

    The caller holds the alias and the gallery locked, and has decided that it may be done.

    Args:
        evidence: for each covered producer (its id), the reference of what covers it.
        returning: have ``encoder`` embed what it would not find otherwise, as far as inputs go.
    """
    supersede_backfill(gallery)
    sealed = gallery.segments.filter(state=Segment.State.INSERT).first()
    if sealed is not None:
        has_rows = sealed.batches.exists()
        Segment.objects.filter(pk=sealed.pk).update(
            state=Segment.State.SEALED,
            work_state=WorkState.QUEUED if has_rows else WorkState.DONE,
        )
        if has_rows:
            send_on_commit(TaskName.SEAL_SEGMENT, sealed.pk)
    return open_view(
        gallery,
        encoder=encoder,
        evidence=evidence,
        alias_epoch=alias_epoch,
        dual=dual,
        returning=returning,
    )


def open_view(
    gallery: Gallery,
    *,
    encoder: ModelVersion,
    evidence: Mapping[int, str],
    alias_epoch: int,
    dual: Dual | None = None,
    returning: bool = False,
) -> Cutover:
    """Write a new view with an empty insert segment and point the gallery at it.

    Raises:
        ConflictError: the live pointer has moved meanwhile.
    """
    plan, dual = plan_for(gallery, encoder, evidence, dual, returning=returning), dual or {}
    output = encoder.manifest["output"]
    number = gallery.segments.count() + 1
    insert = Segment.objects.create(
        gallery=gallery,
        number=number,
        producer=encoder,
        dimension=output["dimension"],
        distance=output["distance"],
        work_state=WorkState.DONE,
    )
    view = View.objects.create(
        gallery=gallery,
        number=gallery.views.count() + 1,
        encoder=encoder,
        insert_segment=insert,
        created_at=timezone.now(),
    )
    entries = [
        ViewSegment(
            view=view,
            segment_id=planned.segment,
            encoder_id=planned.queried_by,
            searchable=planned.searchable,
            twins_by_id=planned.twins_by,
            evidence=planned.evidence,
            calibration=_calibration(planned, encoder, dual),
        )
        for planned in plan.segments
    ]
    entries.append(
        ViewSegment(
            view=view,
            segment=insert,
            encoder=encoder,
            searchable=True,
            evidence="self",
            calibration=_own_calibration(dual),
        )
    )
    ViewSegment.objects.bulk_create(entries)
    from_view, epoch = gallery.live_view, gallery.epoch
    pointer = Gallery.objects.filter(pk=gallery.pk, epoch=epoch, live_view=from_view)
    if pointer.update(epoch=epoch + 1, live_view=view) != 1:
        raise ConflictError(f"{gallery} has been cut over meanwhile", code="epoch_moved")
    announce_cutover()
    gallery.epoch, gallery.live_view = epoch + 1, view
    if returning:
        by_twins = [planned.segment for planned in plan.segments if planned.twins_by == encoder.pk]
        twin_what_is_missing(gallery, encoder, by_twins)
        if any(planned.twins_by not in {None, encoder.pk} for planned in plan.segments):
            want_again(gallery, rewriter_of(encoder))
    return Cutover.objects.create(
        gallery=gallery,
        epoch=gallery.epoch,
        from_view=from_view,
        to_view=view,
        alias_epoch=alias_epoch,
        unsearchable_items=plan.unsearchable_items,
        at=timezone.now(),
    )


def _calibration(planned: SegmentPlan, encoder: ModelVersion, dual: Dual) -> dict[str, Any]:
    if encoder.pk in {planned.producer, planned.twins_by}:
        return _own_calibration(dual)
    own = dual.get(planned.producer)
    return asdict(own.producer) if own else {}


def _own_calibration(dual: Dual) -> dict[str, Any]:
    """Return how the encoder scores on its own vectors, the same whatever it was compared with."""
    return next((asdict(own.encoder) for own in dual.values()), {})
