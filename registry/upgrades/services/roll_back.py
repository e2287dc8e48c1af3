"""Move an alias back to a version that was promoted before: the same movement the other way."""

from dataclasses import dataclass

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from compat.plan import CutoverPlan
from registry.catalog.models import Alias, AliasMove, ModelVersion
from registry.catalog.services.move_alias import move_alias
from registry.core.errors import ConflictError, GateNotPassedError, noting_refusal
from registry.galleries.models import Gallery
from registry.galleries.services.cutover import Dual, cut_over, plan_for
from registry.galleries.services.twins import end_probation
from registry.upgrades.models import Upgrade
from registry.upgrades.services.coverage import stored_evidence
from registry.upgrades.services.dual_query import own_queries
from registry.upgrades.services.promote import Promotion, lock, note_move
from registry.upgrades.services.situation import situation_of
from registry.upgrades.states import State, next_state


@dataclass(frozen=True)
class RollbackPlan:
    """What going back to ``target`` would mean for each gallery of the alias."""

    target: ModelVersion
    galleries: tuple[tuple[Gallery, CutoverPlan], ...]

    @property
    def unsearchable_items(self) -> int:
        """Items, over all galleries, that no query would reach at once."""
        return sum(plan.unsearchable_items for _, plan in self.galleries)

    @property
    def returning_items(self) -> int:
        """Those of them that ``target`` would embed afterwards, in the background."""
        return sum(plan.returning_items for _, plan in self.galleries)


def plan_rollback(*, alias: Alias, target: ModelVersion, dual_query: bool = False) -> RollbackPlan:
    """State beforehand what rolling ``alias`` back to ``target`` would make unsearchable.

    Raises:
        ConflictError: the alias names it now, or it was never promoted there.
    """
    upgrade = _promoted_before(alias, target)
    evidence, dual = _support(upgrade, dual_query)
    galleries = Gallery.objects.filter(alias=alias).order_by("pk")
    plans = ((g, plan_for(g, target, evidence, dual, returning=True)) for g in galleries)
    return RollbackPlan(target, tuple(plans))


def roll_back(
    *,
    alias: Alias,
    target: ModelVersion,
    actor: AbstractUser,
    reason: str,
    confirm_unsearchable: int = 0,
    dual_query: bool = False,
    agent: str = "",
) -> Promotion:
    """Let ``alias`` name ``target`` again and cut its galleries over, in one transaction.

    What was written since is found where stored evidence covers it or ``target`` has embedded it as
    well, during the probation. Of the rest the caller confirms the exact number; what has stored
    inputs is embedded by ``target`` from now on, in the background. Or each version goes on to
    query its own vectors (``dual_query``).

    Args:
        agent: what acts on the actor's behalf, as the ledger shows it.

    Raises:
        ConflictError: the alias names it now, or it was never promoted there.
        GateNotPassedError: another number of items would become unsearchable than was confirmed.
    """
    with (
        noting_refusal("upgrade.roll_back", f"alias:{alias}", target=str(target)),
        transaction.atomic(),
    ):
        return _roll_back(alias.pk, target, actor, reason, confirm_unsearchable, dual_query, agent)


def _roll_back(
    alias_id: int,
    target: ModelVersion,
    actor: AbstractUser,
    reason: str,
    confirmed: int,
    dual_query: bool,
    agent: str,
) -> Promotion:
    galleries = lock(alias_id)
    alias = Alias.objects.select_related("model", "version__model").get(pk=alias_id)
    plan = plan_rollback(alias=alias, target=target, dual_query=dual_query)
    if plan.unsearchable_items != confirmed:
        raise GateNotPassedError(
            f"{plan.unsearchable_items:,} items would become unsearchable; "
            f"confirm exactly that number (confirmed: {confirmed})",
            code="unsearchable_items",
        )
    upgrade = _promoted_before(alias, target)
    evidence, dual = _support(upgrade, dual_query)
    move = move_alias(
        alias=alias,
        to_version=target,
        kind=AliasMove.Kind.ROLL_BACK,
        actor=actor,
        reason=reason,
        evidence=f"verdict:{upgrade.verdict_id}",
    )
    cutovers = [
        cut_over(
            gallery=gallery,
            encoder=target,
            evidence=evidence,
            alias_epoch=move.epoch,
            dual=dual,
            returning=True,
        )
        for gallery in galleries
    ]
    for gallery in galleries:
        end_probation(gallery)
    _swap_states(alias, upgrade)
    note_move("upgrade.roll_back", upgrade, move, cutovers, actor, dual_query, agent)
    return Promotion(upgrade, move, tuple(cutovers))


def _promoted_before(alias: Alias, target: ModelVersion) -> Upgrade:
    if alias.version_id == target.pk:
        raise ConflictError(f"{alias} names {target} already", code="already_serving")
    if not alias.moves.filter(to_version=target).exists():
        raise ConflictError(f"{target} was never promoted to {alias}", code="never_promoted")
    return Upgrade.objects.select_related("candidate__model", "verdict", "alias__model").get(
        alias=alias, candidate=target
    )


def _support(upgrade: Upgrade, dual_query: bool) -> tuple[dict[int, str], Dual | None]:
    """Return what covers the vectors that are stored, and who goes on to query its own."""
    situation = situation_of(upgrade)
    target, producers = upgrade.candidate, list(situation.producers)
    evidence = stored_evidence(situation.policy, situation.pins, target, producers)
    return evidence, own_queries(situation.pins, target, producers) if dual_query else None


def _swap_states(alias: Alias, back_to: Upgrade) -> None:
    """The serving upgrade is rolled back; the target's is promoted again, whatever it was."""
    now = timezone.now()
    for one in Upgrade.objects.select_for_update().filter(alias=alias, state=State.PROMOTED):
        one.state, one.changed_at = next_state(State(one.state), "roll_back"), now
        one.save(update_fields=["state", "changed_at"])
    back_to.state, back_to.changed_at = next_state(State(back_to.state), "return"), now
    back_to.superseded_by = None
    back_to.save(update_fields=["state", "changed_at", "superseded_by"])
