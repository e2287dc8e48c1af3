"""Do the promotions that were asked for beforehand, once each, when their moment has come."""

from django.db import transaction
from django.db.models import BooleanField, ExpressionWrapper, Q
from django.db.models.functions import Now
from django.utils import timezone

from registry.catalog.rewriting import meets_rewritten
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.errors import NotPermittedError, RegistryError
from registry.upgrades.models import ScheduledPromotion, Upgrade
from registry.upgrades.rewritings import preparations_of
from registry.upgrades.services.advance import ENGINE
from registry.upgrades.services.promote import lock, promote
from registry.upgrades.services.schedule import State, end, note
from registry.upgrades.shadows import shadow_result
from registry.upgrades.states import OPEN

DUE = Q(state=State.OPEN, not_before__lte=Now())
"""By the database's clock: a worker with another one promotes nothing too early."""


@transaction.atomic
def sweep() -> int:
    """Ask for every open schedule whose moment has come, or whose upgrade is closed."""
    wanted = ScheduledPromotion.objects.filter(
        DUE | (Q(state=State.OPEN) & ~Q(upgrade__state__in=OPEN))
    )
    ids = list(wanted.order_by("pk").values_list("pk", flat=True))
    for pk in ids:
        send_on_commit(TaskName.CARRY_OUT, pk)
    return len(ids)


def carry_out(*, schedule_id: int) -> ScheduledPromotion | None:
    """Promote what a schedule is about, if it is due; return it, or None where nothing is to do.

    The promotion and the end of the schedule are one transaction: whoever comes second finds it
    done, and what dies before the commit leaves it open. A refusal ends it as well.
    """
    try:
        with transaction.atomic():
            return _carry_out(schedule_id)
    except RegistryError as exc:
        return _refuse(schedule_id, exc)


def waits_for(held: ScheduledPromotion) -> str:
    """Return what a schedule still lacks, or nothing: its condition, or items to be rewritten.

    What was inserted a moment ago is rewritten in the next: no reason to end a schedule. A query
    that the candidate did not answer counts as one whose hits are all others.
    """
    return _waits_for_shadow(held) or _waits_for_rewriting(held)


def _waits_for_rewriting(held: ScheduledPromotion) -> str:
    upgrade = Upgrade.objects.select_related("candidate").get(pk=held.upgrade_id)
    if held.dual_query or not meets_rewritten(upgrade.candidate):
        return ""
    waiting = sum(one.waiting for one in preparations_of(upgrade) if one.is_under_way)
    return f"{waiting} items are not rewritten yet" if waiting else ""


def _waits_for_shadow(held: ScheduledPromotion) -> str:
    if held.shadow_queries is None or held.shadow_overlap is None:
        return ""
    upgrade = Upgrade.objects.select_related("alias").get(pk=held.upgrade_id)
    found = shadow_result(upgrade)
    wanted = f"the shadow waits for {held.shadow_queries:,} compared queries"
    if found is None:
        return f"{wanted}; there is no shadow of this candidate beside what serves now"
    if found.queries < held.shadow_queries:
        return f"{wanted}; {found.queries:,} so far"
    if found.overlap_lower is None:
        return f"the overlap of {found.queries:,} queries has no interval"
    lower = found.overlap_lower * found.queries / (found.queries + found.failed)
    if not lower >= held.shadow_overlap:
        return f"the overlap is at least {lower:.4f}, not {held.shadow_overlap:g}"
    return ""


def _carry_out(schedule_id: int) -> ScheduledPromotion | None:
    found = ScheduledPromotion.objects.filter(pk=schedule_id)
    alias_id = found.values_list("upgrade__alias", flat=True).first()
    if alias_id is None:
        return None
    lock(alias_id)
    held = _held(schedule_id)
    if held is None:
        return None
    state = Upgrade.objects.values_list("state", flat=True).get(pk=held.upgrade_id)
    if state not in OPEN:
        detail = f"the upgrade is {state}"
        return end(held, State.CANCELLED, actor=ENGINE, code="upgrade_closed", detail=detail)
    if not held.is_due:
        return None
    waiting = waits_for(held)
    if held.is_late:
        detail = waiting or "it was not done in time"
        return end(held, State.EXPIRED, actor=ENGINE, code="window_passed", detail=detail)
    return held if waiting else _promote(held)


def _held(schedule_id: int) -> ScheduledPromotion | None:
    """Lock a schedule that is open, and say by the database's clock where it is in its window."""
    return (
        ScheduledPromotion.objects.select_for_update(of=("self",))
        .annotate(
            is_due=ExpressionWrapper(Q(not_before__lte=Now()), BooleanField()),
            is_late=ExpressionWrapper(Q(not_after__lte=Now()), BooleanField()),
        )
        .filter(pk=schedule_id, state=State.OPEN)
        .first()
    )


def _promote(held: ScheduledPromotion) -> ScheduledPromotion:
    actor = held.created_by
    if not actor.is_active:
        raise NotPermittedError(f"the account {actor} is closed", code="account_inactive")
    promotion = promote(
        upgrade_id=held.upgrade_id,
        actor=actor,
        reason=held.reason,
        dual_query=held.dual_query,
    )
    held.state, held.move, held.ended_at = State.DONE, promotion.move, timezone.now()
    held.save(update_fields=["state", "move", "ended_at"])
    note(held, "schedule.done", ENGINE, epoch=promotion.move.epoch)
    return held


@transaction.atomic
def _refuse(schedule_id: int, exc: RegistryError) -> ScheduledPromotion | None:
    """End a schedule with what refused its promotion, after that has rolled back."""
    held = _held(schedule_id)
    if held is None:
        return None
    return end(held, State.REFUSED, actor=ENGINE, code=exc.code, detail=str(exc))
