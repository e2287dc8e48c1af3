"""Begin to re-embed, with the live encoder, the items that other versions embedded."""

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from registry.audit.services.record import record
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.errors import ConflictError, InvalidInputError, noting_refusal
from registry.galleries.models import Backfill, Gallery
from registry.galleries.selectors import to_backfill, with_inputs
from registry.galleries.services.holding import require_vectors_here

GROUP_ROWS = 2000
"""Items of one step, at most (chosen): a step costs about a second beside the embedding itself,
and what a killed worker has to do again is one step."""

LOWEST_RATE, HIGHEST_RATE = 0.01, 1e6


def start_backfill(
    *,
    gallery: Gallery,
    actor: AbstractUser,
    order: str = Backfill.Order.RANDOM,
    rate_limit_per_s: float | None = None,
) -> Backfill:
    """Open a backfill to the encoder that is live now and queue its first step.

    Raises:
        InvalidInputError: an unknown order, or a rate out of range.
        ConflictError: the gallery is attached, a backfill is open (``backfill_open``), the encoder
            has no weights, there is nothing to move, or what there is has no stored inputs.
    """
    noting = noting_refusal("gallery.backfill_start", f"gallery:{gallery.name}", order=order)
    with noting, transaction.atomic():
        _require_sane(order, rate_limit_per_s)
        require_vectors_here(gallery)
        locked = Gallery.objects.select_for_update(of=("self",)).get(pk=gallery.pk)
        encoder = locked.live_view.encoder
        if locked.backfills.filter(state__in=["running", "paused"]).exists():
            raise ConflictError(f"{gallery} has an open backfill", code="backfill_open")
        if encoder.artifact_id is None:
            raise ConflictError(
                f"{encoder} is recorded outputs: it embeds nothing", code="encoder_without_weights"
            )
        pending = to_backfill(locked)
        total = with_inputs(pending).count()
        if not total:
            _refuse_for_want_of_items(locked, pending.count())
        backfill = Backfill.objects.create(
            gallery=locked,
            encoder=encoder,
            epoch=locked.epoch,
            order=order,
            rate_limit_per_s=rate_limit_per_s,
            group_rows=GROUP_ROWS,
            total=total,
            created_by=actor,
            created_at=timezone.now(),
        )
        record(
            actor=actor.get_username(),
            action="gallery.backfill_start",
            subject=f"gallery:{gallery.name}",
            backfill=backfill.pk,
            encoder=str(encoder),
            order=order,
            rate_limit_per_s=rate_limit_per_s,
            items=total,
        )
        send_on_commit(TaskName.BACKFILL, backfill.pk)
    return backfill


def _require_sane(order: str, rate_limit_per_s: float | None) -> None:
    if order not in Backfill.Order.values:
        raise InvalidInputError(f"{order!r} is no order of a backfill")
    if rate_limit_per_s is not None and not LOWEST_RATE <= rate_limit_per_s <= HIGHEST_RATE:
        raise InvalidInputError(
            f"a rate is from {LOWEST_RATE} to {HIGHEST_RATE:.0f} items a second",
            code="invalid_rate",
        )


def _refuse_for_want_of_items(gallery: Gallery, without_inputs: int) -> None:
    if without_inputs:
        raise ConflictError(
            f"{without_inputs} items of {gallery} came as vectors: without their inputs nothing "
            "can embed them again",
            code="inputs_missing",
        )
    raise ConflictError(
        f"every item of {gallery} is of its live encoder", code="nothing_to_backfill"
    )
