"""Reads of safeguards: which promotion each could undo now, and what that would come to."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from registry.catalog.models import Alias, AliasMove
from registry.upgrades.models import Safeguard, Signal
from registry.upgrades.services.roll_back import RollbackPlan, plan_rollback

Reaction = Signal.Reaction

STATES = ("armed", "refused", "rolled_back", "idle")
"""Where a safeguard may stand; ``idle`` waits for the next promotion."""


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
        """One of ``STATES``; a refusal and a rollback stand until the next promotion."""
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


class WaysBack:
    """What undoing a promotion would mean: planned once, however many safeguards ask."""

    def __init__(self, alias: Alias, move: AliasMove) -> None:
        self._alias, self._move = alias, move

    @cached_property
    def _plain(self) -> RollbackPlan:
        return plan_rollback(alias=self._alias, target=self._move.from_version)

    @cached_property
    def _dual(self) -> RollbackPlan:
        return plan_rollback(alias=self._alias, target=self._move.from_version, dual_query=True)

    def by(self, safeguard: Safeguard) -> tuple[RollbackPlan, bool]:
        """Return the plan by the terms of a safeguard, and whether it takes a dual query.

        That is taken only where it is allowed and items would be found no longer without it.
        """
        if not self._plain.unsearchable_items or not safeguard.dual_query:
            return self._plain, False
        return self._dual, True


def live_safeguards(alias: Alias) -> QuerySet[Safeguard]:
    """Return what is declared for an alias now, by signal."""
    return Safeguard.objects.select_related("declared_by", "alias__model").filter(
        alias=alias, withdrawn_at=None
    )


def guarded(alias: Alias, safeguards: Iterable[Safeguard]) -> list[Guarded]:
    """Return each safeguard of one alias with what it watches over."""
    safeguards = list(safeguards)
    if not safeguards:
        return []
    move = promotion_at(alias.pk, alias.epoch)
    last = {one.safeguard_id: one for one in signals_with_a_reaction(alias, safeguards)}
    if move is None:
        return [Guarded(one, None, None, None, False, last.get(one.pk)) for one in safeguards]
    ways = WaysBack(alias, move)
    return [
        Guarded(one, move, armed_until(one, move), *ways.by(one), last.get(one.pk))
        for one in safeguards
    ]


def signals_with_a_reaction(alias: Alias, safeguards: Iterable[Safeguard]) -> QuerySet[Signal]:
    """Return what signals led to, oldest first, without reading those that led to nothing.

    It is asked as the two indexes of such signals are: the others may be millions.
    """
    rolled_back = Q(alias=alias, reaction=Reaction.ROLLED_BACK)
    refused = Q(safeguard__in=safeguards, reaction=Reaction.REFUSED)
    return Signal.objects.filter(rolled_back | refused).select_related("move").order_by("pk")


def undoing(alias: Alias) -> tuple[AliasMove, RollbackPlan] | None:
    """Return the promotion that a signal would undo now, with what going back would mean."""
    move = promotion_at(alias.pk, alias.epoch)
    if move is None:
        return None
    return move, plan_rollback(alias=alias, target=move.from_version)


def refused_now() -> QuerySet[Signal]:
    """Return the signals whose rollback was refused and that a person still has to answer."""
    return (
        Signal.objects.select_related("safeguard", "alias__model", "alias__version__model")
        .filter(reaction=Reaction.REFUSED, safeguard__withdrawn_at=None)
        .filter(epoch=F("alias__epoch"))
        .order_by("-pk")
    )


def signals_of(alias: Alias) -> QuerySet[Signal]:
    """Return the signals that came for an alias, newest first."""
    return (
        Signal.objects.select_related(
            "safeguard", "alias__model", "sent_by", "move__to_version__model"
        )
        .filter(alias=alias)
        .order_by("-pk")
    )
