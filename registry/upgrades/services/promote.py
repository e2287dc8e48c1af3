"""Move an alias to a candidate that passed, and every gallery that follows it, as one act."""

from dataclasses import dataclass

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from compat.verdict import Outcome
from registry.audit.services.record import record
from registry.catalog.models import Alias, AliasMove, ModelVersion
from registry.catalog.services.move_alias import move_alias
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.errors import GateNotPassedError, UnknownObjectError, noting_refusal
from registry.galleries.models import Cutover, Gallery
from registry.galleries.services.cutover import Dual, cut_over, plan_for
from registry.galleries.services.drift_alarm import require_no_drift
from registry.galleries.services.twins import begin_probation, end_probation
from registry.notify.services.publish import publish
from registry.upgrades.models import Upgrade
from registry.upgrades.services.advance import is_stale
from registry.upgrades.services.coverage import stored_evidence
from registry.upgrades.services.decide import require_approvals
from registry.upgrades.services.dual_query import own_queries
from registry.upgrades.services.situation import Situation, situation_of
from registry.upgrades.services.waivers import outcome_now, standing_waivers
from registry.upgrades.states import State, next_state


@dataclass(frozen=True)
class Promotion:
    """What a promotion moved, or would move."""

    upgrade: Upgrade
    move: AliasMove
    cutovers: tuple[Cutover, ...]


def promote(
    *,
    upgrade_id: int,
    actor: AbstractUser,
    reason: str = "",
    dry_run: bool = False,
    dual_query: bool = False,
) -> Promotion:
    """Let the alias name the candidate and cut its galleries over, in one transaction.

    Locks are taken in the order alias, galleries by id, ledger head; everything is decided after
    the alias is locked, so of concurrent promotions exactly one wins. A dry run does it all and
    rolls back. With ``dual_query`` the stored vectors go on to be queried by the versions that made
    them, so that what the verdict says of their coverage does not matter.

    Raises:
        UnknownObjectError: there is no such upgrade.
        IllegalTransitionError: it is not judged.
        GateNotPassedError: its verdict is not a pass (``gate_not_passed``), is stale
            (``verdict_stale``), or leaves vectors uncovered (``gallery_not_covered``); or the
            vectors of a gallery seem to be of another encoder (``gallery_drifted``).
    """
    if dry_run:
        with transaction.atomic():
            promotion = _promote(upgrade_id, actor, reason, dual_query)
            transaction.set_rollback(True)
            return promotion
    with noting_refusal("upgrade.promote", f"upgrade:{upgrade_id}"), transaction.atomic():
        return _promote(upgrade_id, actor, reason, dual_query)


def _promote(upgrade_id: int, actor: AbstractUser, reason: str, dual_query: bool) -> Promotion:
    alias_id = Upgrade.objects.filter(pk=upgrade_id).values_list("alias", flat=True).first()
    if alias_id is None:
        raise UnknownObjectError(f"no upgrade {upgrade_id}", code="unknown_upgrade")
    galleries = lock(alias_id)
    upgrade = (
        Upgrade.objects.select_for_update(of=("self",))
        .select_related("candidate__model", "alias__model")
        .get(pk=upgrade_id)
    )
    state = next_state(State(upgrade.state), "promote")
    situation = situation_of(upgrade)
    _require_pass(upgrade, situation, dual_query)
    require_no_drift(galleries)
    evidence = covering_evidence(upgrade, situation)
    dual = (
        own_queries(situation.pins, upgrade.candidate, situation.producers) if dual_query else None
    )
    move = move_alias(
        alias=situation.alias,
        to_version=upgrade.candidate,
        kind=AliasMove.Kind.PROMOTE,
        actor=actor,
        reason=reason,
        evidence=f"verdict:{upgrade.verdict_id}",
    )
    cutovers = [
        _cut_over(gallery, upgrade.candidate, evidence, dual, move.epoch) for gallery in galleries
    ]
    _begin_probations(galleries, upgrade.candidate, situation)
    _replace_former(upgrade)
    upgrade.state, upgrade.changed_at = state, timezone.now()
    upgrade.save(update_fields=["state", "changed_at"])
    note_move("upgrade.promote", upgrade, move, cutovers, actor, dual_query)
    return Promotion(upgrade, move, tuple(cutovers))


def covering_evidence(upgrade: Upgrade, situation: Situation) -> dict[int, str]:
    """Return, for each producer that the verdict covers, the reference to it."""
    passed = {
        entry["producer_digest"]
        for entry in (upgrade.verdict.coverage if upgrade.verdict else [])
        if entry["outcome"] == Outcome.PASSED
    }
    reference = f"verdict:{upgrade.verdict_id}"
    return {p.pk: reference for p in situation.producers if p.digest in passed}


def lock(alias_id: int) -> list[Gallery]:
    """Lock an alias and the galleries that follow it, in the one order; return the galleries."""
    Alias.objects.select_for_update(no_key=True).get(pk=alias_id)
    return list(Gallery.objects.select_for_update().filter(alias=alias_id).order_by("pk"))


def note_move(
    action: str,
    upgrade: Upgrade,
    move: AliasMove,
    cutovers: list[Cutover],
    actor: AbstractUser,
    dual_query: bool,
    agent: str = "",
) -> None:
    """Write the ledger entry and the event of a move, and have the other upgrades looked at.

    Where something acted on the actor's behalf, the ledger shows that ``agent``, and both.
    """
    facts = {
        "alias": str(upgrade.alias),
        "epoch": move.epoch,
        "from": str(move.from_version) if move.from_version else None,
        "to": str(move.to_version),
        "digest": move.to_version.digest,
        "reason": move.reason,
        "evidence": move.evidence,
        "dual_query": dual_query,
        "waivers": [waiver.pk for waiver in standing_waivers(upgrade)],
        "galleries": [
            {"gallery": c.gallery.name, "epoch": c.epoch, "unsearchable": c.unsearchable_items}
            for c in cutovers
        ],
    }
    if agent:
        facts["on_behalf_of"] = actor.get_username()
    who = agent or actor.get_username()
    record(actor=who, action=action, subject=f"upgrade:{upgrade.pk}", **facts)
    publish(kind="alias.moved", subject=f"alias:{upgrade.alias}", **facts)
    send_on_commit(TaskName.ADVANCE_UPGRADES)


def _require_pass(upgrade: Upgrade, situation: Situation, dual_query: bool) -> None:
    if upgrade.verdict is None or is_stale(upgrade, situation):
        raise GateNotPassedError(
            f"the verdict on {upgrade.candidate} was made for another situation",
            code="verdict_stale",
        )
    outcome = outcome_now(upgrade, with_coverage=not dual_query)
    if outcome != Outcome.PASSED:
        raise GateNotPassedError(f"the verdict on {upgrade.candidate} is {upgrade.verdict.outcome}")
    require_approvals(upgrade)


def _cut_over(
    gallery: Gallery,
    encoder: ModelVersion,
    evidence: dict[int, str],
    dual: Dual | None,
    alias_epoch: int,
) -> Cutover:
    plan = plan_for(gallery, encoder, evidence, dual)
    if not plan.covers_everything:
        why = "holds vectors that the evidence does not cover"
        if plan.unwritten_items:
            why = f"holds {plan.unwritten_items:,} items that are not rewritten yet"
        raise GateNotPassedError(f"gallery {gallery} {why}", code="gallery_not_covered")
    return cut_over(
        gallery=gallery, encoder=encoder, evidence=evidence, alias_epoch=alias_epoch, dual=dual
    )


def _begin_probations(
    galleries: list[Gallery], candidate: ModelVersion, situation: Situation
) -> None:
    """Have the former encoder embed new items as well, unless it may query the candidate's."""
    former = situation.incumbent
    if former is None or candidate.pk in stored_evidence(
        situation.policy, situation.pins, former, [candidate]
    ):
        for gallery in galleries:
            end_probation(gallery)
        return
    for gallery in galleries:
        begin_probation(gallery, former)


def _replace_former(upgrade: Upgrade) -> None:
    former = Upgrade.objects.select_for_update().filter(
        alias=upgrade.alias_id, state=State.PROMOTED
    )
    for one in former:
        one.state, one.changed_at = next_state(State(one.state), "replace"), timezone.now()
        one.save(update_fields=["state", "changed_at"])
