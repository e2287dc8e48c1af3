"""Ask for a promotion beforehand, or no longer."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractUser
from django.db import IntegrityError, transaction
from django.utils import timezone

from registry.audit.services.record import record
from registry.core.errors import (
    ConflictError,
    DuplicateError,
    InvalidInputError,
    UnknownObjectError,
    noting_refusal,
)
from registry.notify.services.publish import publish
from registry.upgrades.models import ScheduledPromotion, Upgrade
from registry.upgrades.services.promote import promote
from registry.upgrades.services.withdraw import KEPT_OPEN

WINDOW = timedelta(days=1)
"""How long after its moment a promotion may still be done unless it is said (chosen)."""

FURTHEST = KEPT_OPEN
"""A schedule ends before its upgrade could be closed because nothing happened to it."""

MOST_QUERIES = 1_000_000_000

State = ScheduledPromotion.State


@dataclass(frozen=True)
class ShadowCondition:
    """So many compared queries, with the lower bound of their mean overlap at this or above."""

    queries: int
    overlap: float


def schedule(
    *,
    upgrade_id: int,
    actor: AbstractUser,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
    after_shadow: ShadowCondition | None = None,
    dual_query: bool = False,
    reason: str = "",
) -> ScheduledPromotion:
    """Have a candidate promoted at a moment, or once its shadow has shown enough, by ``actor``.

    The gate is asked now, so that what is hopeless is told at once, and anew at that moment.
    Approvals may still be given meanwhile.

    Args:
        not_before: now unless told, which takes a condition to wait for.
        not_after: a day later unless told; then the schedule expires.

    Raises:
        InvalidInputError: the moments or the condition make no sense.
        UnknownObjectError: there is no such upgrade.
        IllegalTransitionError: it is not judged.
        GateNotPassedError: the gate would refuse it now.
        DuplicateError: it has an open schedule.
    """
    with noting_refusal("schedule.create", f"upgrade:{upgrade_id}"), transaction.atomic():
        begin, end = _window(not_before, not_after, after_shadow)
        _require_sense(after_shadow)
        _require_gate_open(upgrade_id, actor, dual_query)
        upgrade = Upgrade.objects.select_for_update(no_key=True).get(pk=upgrade_id)
        try:
            with transaction.atomic():
                made = ScheduledPromotion.objects.create(
                    upgrade=upgrade,
                    not_before=begin,
                    not_after=end,
                    shadow_queries=after_shadow.queries if after_shadow else None,
                    shadow_overlap=after_shadow.overlap if after_shadow else None,
                    dual_query=dual_query,
                    reason=reason,
                    created_by=actor,
                    created_at=timezone.now(),
                )
        except IntegrityError:
            raise DuplicateError(
                f"{upgrade} has an open schedule", code="duplicate_schedule"
            ) from None
        upgrade.changed_at = timezone.now()
        upgrade.save(update_fields=["changed_at"])
        note(made, "schedule.create", actor.get_username(), **terms_of(made))
        return made


def cancel(*, schedule_id: int, actor: AbstractUser, reason: str = "") -> ScheduledPromotion:
    """End an open schedule without a promotion.

    Raises:
        UnknownObjectError: there is no such schedule.
        ConflictError: it has ended already.
    """
    about = ScheduledPromotion.objects.filter(pk=schedule_id).values_list("upgrade", flat=True)
    upgrade_id = about.first()
    if upgrade_id is None:
        raise UnknownObjectError(f"no schedule {schedule_id}", code="unknown_schedule")
    refusal = noting_refusal("schedule.cancel", f"upgrade:{upgrade_id}", schedule=schedule_id)
    with refusal, transaction.atomic():
        held = ScheduledPromotion.objects.select_for_update().get(pk=schedule_id)
        if held.state != State.OPEN:
            raise ConflictError(f"the schedule is {held.state}", code="schedule_ended")
        who = actor.get_username()
        detail = f"by {who}: {reason}" if reason else f"by {who}"
        return end(held, State.CANCELLED, actor=who, code="cancelled", detail=detail)


def end(
    held: ScheduledPromotion, state: str, *, actor: str, code: str, detail: str
) -> ScheduledPromotion:
    """End a schedule that is locked and open without a promotion, and say why."""
    held.state, held.code, held.detail, held.ended_at = state, code, detail, timezone.now()
    held.save(update_fields=["state", "code", "detail", "ended_at"])
    action = "schedule.cancel" if state == State.CANCELLED else f"schedule.{state}"
    refused = {"refused": code} if state == State.REFUSED else {"code": code}
    note(held, action, actor, **refused, detail=detail)
    return held


def note(held: ScheduledPromotion, action: str, actor: str, **facts: object) -> None:
    """Write the ledger entry and the event of what became of a schedule."""
    upgrade = Upgrade.objects.select_related("alias__model", "candidate__model").get(
        pk=held.upgrade_id
    )
    said = {
        "schedule": held.pk,
        "alias": str(upgrade.alias),
        "candidate": str(upgrade.candidate),
        **facts,
    }
    subject = f"upgrade:{upgrade.pk}"
    record(actor=actor, action=action, subject=subject, **said)
    publish(kind=action, subject=subject, **said)


def terms_of(held: ScheduledPromotion) -> dict[str, object]:
    """Return what was asked for, as plain data."""
    return {
        "not_before": held.not_before.isoformat(),
        "not_after": held.not_after.isoformat(),
        "shadow_queries": held.shadow_queries,
        "shadow_overlap": held.shadow_overlap,
        "dual_query": held.dual_query,
        "reason": held.reason,
    }


def _window(
    not_before: datetime | None, not_after: datetime | None, condition: ShadowCondition | None
) -> tuple[datetime, datetime]:
    now = timezone.now()
    if not_before is None and condition is None:
        raise _senseless("say when, or what to wait for")
    if not_before is not None and not_before <= now:
        raise _senseless("the moment has passed")
    begin = not_before or now
    if begin > now + FURTHEST:  # before anything is added to it: there is a last moment
        raise _senseless(f"it ends within {FURTHEST.days} days")
    end = not_after or begin + WINDOW
    if end <= begin:
        raise _senseless("it ends after it begins")
    if end > now + FURTHEST:
        raise _senseless(f"it ends within {FURTHEST.days} days")
    return begin, end


def _require_sense(condition: ShadowCondition | None) -> None:
    if condition is None:
        return
    if not (2 <= condition.queries <= MOST_QUERIES and 0 < condition.overlap <= 1):
        raise InvalidInputError(
            "a shadow condition is at least 2 queries and an overlap above 0, at most 1",
            code="invalid_condition",
        )


def _require_gate_open(upgrade_id: int, actor: AbstractUser, dual_query: bool) -> None:
    try:
        promote(upgrade_id=upgrade_id, actor=actor, dry_run=True, dual_query=dual_query)
    except ConflictError as exc:
        if exc.code != "approvals_missing":
            raise


def _senseless(detail: str) -> InvalidInputError:
    return InvalidInputError(detail, code="invalid_schedule")
