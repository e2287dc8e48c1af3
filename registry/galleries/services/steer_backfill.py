"""Pause, resume and stop a backfill: three verbs over one table, hence one file."""

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from registry.audit.services.record import record
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.errors import IllegalTransitionError, noting_refusal
from registry.core.leases import requeue
from registry.galleries.models import Backfill, Gallery

State = Backfill.State

TRANSITIONS: dict[str, dict[str, str]] = {
    "pause": {State.RUNNING: State.PAUSED},
    "resume": {State.PAUSED: State.RUNNING},
    "stop": {State.RUNNING: State.STOPPED, State.PAUSED: State.STOPPED},
}


def pause_backfill(*, backfill: Backfill, actor: AbstractUser, reason: str = "") -> Backfill:
    """Begin no further step; one that is under way may still be recorded."""
    return _steer(backfill, "pause", actor, reason)


def resume_backfill(*, backfill: Backfill, actor: AbstractUser, reason: str = "") -> Backfill:
    """Go on where it stopped, after a failure too."""
    return _steer(backfill, "resume", actor, reason)


def stop_backfill(*, backfill: Backfill, actor: AbstractUser, reason: str = "") -> Backfill:
    """End it: what was moved stays moved, and nothing else will be."""
    return _steer(backfill, "stop", actor, reason)


def _steer(backfill: Backfill, verb: str, actor: AbstractUser, reason: str) -> Backfill:
    """Do one step of the table under the lock of the gallery, as everything that moves items."""
    subject = f"gallery:{backfill.gallery.name}"
    noting = noting_refusal(f"gallery.backfill_{verb}", subject, backfill=backfill.pk)
    with noting, transaction.atomic():
        Gallery.objects.select_for_update(of=("self",)).get(pk=backfill.gallery_id)
        held = Backfill.objects.select_related("gallery", "encoder__model", "created_by")
        held = held.select_for_update(of=("self",)).get(pk=backfill.pk)
        target = TRANSITIONS[verb].get(held.state)
        if target is None:
            raise IllegalTransitionError(f"a backfill that is {held.state} cannot {verb}")
        held.state = target
        if not held.is_open:
            held.finished_at = timezone.now()
        held.save(update_fields=["state", "finished_at"])
        record(
            actor=actor.get_username(),
            action=f"gallery.backfill_{verb}",
            subject=subject,
            backfill=held.pk,
            moved=held.moved,
            skipped=held.skipped,
            failed=held.failed,
            total=held.total,
            reason=reason,
        )
        if verb == "resume":
            requeue(Backfill, held.pk)
            send_on_commit(TaskName.BACKFILL, held.pk)
        held.refresh_from_db(fields=["work_state", "error_code", "error_detail"])
    return held


def supersede_backfill(gallery: Gallery) -> None:
    """End an open backfill of a gallery that is being cut over: its encoder is live no more."""
    held = gallery.backfills.filter(state__in=[State.RUNNING, State.PAUSED]).first()
    if held is None:
        return
    Backfill.objects.filter(pk=held.pk).update(state=State.SUPERSEDED, finished_at=timezone.now())
    record(
        actor="registry",
        action="gallery.backfill_supersede",
        subject=f"gallery:{gallery.name}",
        backfill=held.pk,
        moved=held.moved,
        skipped=held.skipped,
        failed=held.failed,
        total=held.total,
    )
