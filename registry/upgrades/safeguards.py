"""Reads of safeguards: which promotion each could undo now, and what that would come to."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from registry.catalog.models import Alias, AliasMove
from registry.core.errors import RegistryError
from registry.upgrades.models import Safeguard, Signal
from registry.upgrades.services.roll_back import RollbackPlan, plan_rollback

Reaction = Signal.Reaction


@dataclass(frozen=True)
class Guarded:
    """A safeguard, the promotion that it watches over, and what its signal would do now.

    Attributes:
        move: the promotion that it could undo; None before there is one, and after a rollback.
        until: when it is no longer armed for that promotion.
        plan: what going back would mean; None where nothing can be undone.
        dual_query: whether going back would let each version query its own vectors.
        last: the last signal that rolled back, or whose rollback was refused.
    """

    safeguard: Safeguard
    move: AliasMove | None
    until: datetime | None
    plan: RollbackPlan | None
    dual_query: bool
    last: Signal | None

    @property
    def state(self) -> str:
        """``armed``, ``refused`` (for this promotion), ``rolled_back`` (since then none), or idle.

        ``idle`` waits for the next promotion.
        """
        refused = self.last is not None and self.last.reaction == Reaction.REFUSED
        if self.move is not None and refused and self.last.epoch == self.move.epoch:
            return "refused"
        if self.move is not None and self.until is not None and self.until > timezone.now():
            return "armed"
        undone = self.last is not None and self.last.move_id is not None
        if undone and self.last.move.epoch == self.safeguard.alias.epoch:
            return "rolled_back"
        return "idle"

    @property
    def would_refuse(self) -> bool:
        """Whether the signal would be refused now: too many items would be found no longer."""
        allowed = self.safeguard.at_most_unsearchable
        return self.plan is not None and self.plan.unsearchable_items > allowed


def promotion_at(alias_id: int, epoch: int) -> AliasMove | None:
    """Return the move that led to an epoch if it was a promotion from another version."""
    return (
        AliasMove.objects.select_related("from_version__model", "to_version__model")
        .filter(alias=alias_id, epoch=epoch, kind=AliasMove.Kind.PROMOTE)
        .exclude(from_version=None)
        .first()
    )


def armed_until(safeguard: Safeguard, move: AliasMove) -> datetime:
    """Return when a safeguard is no longer armed for a promotion."""
    return move.at + timedelta(hours=safeguard.armed_hours)


def way_back(safeguard: Safeguard, alias: Alias, move: AliasMove) -> tuple[RollbackPlan, bool]:
    """Return what undoing a promotion means by a safeguard, and whether by a dual query.

    A dual query is taken only where it is allowed and items would be found no longer without it.

    Raises:
        ConflictError: the alias names the former version now.
    """
    plan = plan_rollback(alias=alias, target=move.from_version)
    if not plan.unsearchable_items or not safeguard.dual_query:
        return plan, False
    return plan_rollback(alias=alias, target=move.from_version, dual_query=True), True


def live_safeguards(alias: Alias) -> QuerySet[Safeguard]:
    """Return what is declared for an alias now, by signal."""
    return Safeguard.objects.select_related("declared_by", "alias__model").filter(
        alias=alias, withdrawn_at=None
    )


def guarded(alias: Alias, safeguards: Iterable[Safeguard]) -> list[Guarded]:
    """Return each safeguard of one alias with what it watches over."""
    move = promotion_at(alias.pk, alias.epoch)
    return [_guarded(alias, one, move) for one in safeguards]


def signals_of(alias: Alias) -> QuerySet[Signal]:
    """Return the signals that came for an alias, newest first."""
    return (
        Signal.objects.select_related(
            "safeguard", "alias__model", "sent_by", "move__to_version__model"
        )
        .filter(alias=alias)
        .order_by("-pk")
    )


def _guarded(alias: Alias, safeguard: Safeguard, move: AliasMove | None) -> Guarded:
    acted = safeguard.signals.exclude(reaction=Reaction.NONE).select_related("move")
    last = acted.order_by("-pk").first()
    if move is None:
        return Guarded(safeguard, None, None, None, False, last)
    until = armed_until(safeguard, move)
    try:
        plan, dual = way_back(safeguard, alias, move)
    except RegistryError:
        plan, dual = None, False
    return Guarded(safeguard, move, until, plan, dual, last)
