"""Carry an upgrade as far as the evidence goes: ask for what is missing, judge what is there."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from compat.policy import Level
from compat.verdict import Evidence, Outcome, assess, assess_coverage, worst
from compat.verdict import Verdict as Judgement
from registry.audit.services.record import record
from registry.catalog.models import ModelVersion
from registry.evaluation.models import SetRevision
from registry.notify.services.publish import publish
from registry.upgrades.models import Upgrade, Verdict
from registry.upgrades.services.locked import locked_upgrades
from registry.upgrades.services.situation import Asked, Situation, ask, situation_of
from registry.upgrades.states import OPEN, State, next_state

ENGINE = "registry"
"""The actor of what follows from the evidence alone."""


def advance_all() -> int:
    """Advance every open upgrade; return how many there are."""
    ids = list(Upgrade.objects.filter(state__in=OPEN).order_by("pk").values_list("pk", flat=True))
    for pk in ids:
        advance(upgrade_id=pk)
    return len(ids)


@transaction.atomic
def advance(*, upgrade_id: int) -> Upgrade:
    """Bring one upgrade up to date and return it.

    A verdict whose fingerprint no longer stands is stale: the upgrade is reopened, missing outputs
    and comparisons are asked for, and it is judged again when they are all there.
    """
    upgrade = locked_upgrades().get(pk=upgrade_id)
    if upgrade.state not in OPEN or upgrade.candidate.state == ModelVersion.State.INSPECTING:
        return upgrade
    if upgrade.candidate.state == ModelVersion.State.REFUSED:
        return _move(upgrade, "refuse", reason=upgrade.candidate.error_code)
    situation = situation_of(upgrade)
    if upgrade.state == State.JUDGED and not is_stale(upgrade, situation):
        return upgrade
    _lock_sets(situation)
    if upgrade.state == State.JUDGED:
        _move(upgrade, "reopen", reason="stale", moved=_moved(upgrade, situation))
    asked = _ask_all(situation)
    if not any(one.waiting for one in asked.everything):
        _judge(upgrade, situation, asked)
    return upgrade


def _lock_sets(situation: Situation) -> None:
    """Lock the sets that judge, which count their verdicts: always before the ledger head."""
    pinned = SetRevision.objects.filter(pk__in=[pin.pk for pin in situation.pins])
    list(pinned.select_for_update(of=("self",), no_key=True).order_by("pk"))


def is_stale(upgrade: Upgrade, situation: Situation) -> bool:
    """Whether the verdict was made for another situation than the present one."""
    return (
        upgrade.verdict is None
        or upgrade.verdict.fingerprint_sha256 != situation.fingerprint_sha256
    )


@dataclass(frozen=True)
class _AskedFor:
    """The comparisons behind one verdict: with the incumbent, with what still stands, coverage."""

    main: Sequence[Asked]
    standing: Mapping[ModelVersion, Sequence[Asked]]
    covering: Mapping[ModelVersion, tuple[Sequence[Asked], Sequence[str]]]

    @property
    def everything(self) -> list[Asked]:
        """Each of them."""
        groups = [*self.standing.values(), *(found for found, _ in self.covering.values())]
        return [*self.main, *(one for group in groups for one in group)]

    def evidence(self) -> list[Evidence]:
        """Return what the rules are held against."""
        held = [one.as_evidence() for one in self.main]
        for version, found in self.standing.items():
            held += [one.as_evidence(against=str(version)) for one in found]
        return held


def _ask_all(situation: Situation) -> _AskedFor:
    candidate, pins = situation.candidate, situation.pins
    old = situation.incumbent or candidate
    asks = situation.policy.asks
    main = [ask(pin, old, candidate, chain=situation.chain, asks=asks) for pin in pins]
    standing = {
        version: [ask(pin, version, candidate, asks=asks) for pin in pins]
        for version in situation.standing
    }
    return _AskedFor(main, standing, _ask_coverage(situation, main))


def _ask_coverage(
    situation: Situation, main: Sequence[Asked]
) -> dict[ModelVersion, tuple[Sequence[Asked], Sequence[str]]]:
    """Ask, for each producer held in a gallery, for the pair (candidate, producer).

    At level ``none`` nothing is covered: such a gallery moves by backfill only.
    """
    candidate, incumbent = situation.candidate, situation.incumbent
    asked: dict[ModelVersion, tuple[Sequence[Asked], Sequence[str]]] = {}
    if situation.policy.level is Level.NONE:
        return asked
    for producer in situation.producers:
        if incumbent is None or producer.digest == candidate.digest == incumbent.digest:
            continue
        if producer.digest == incumbent.digest:
            asked[producer] = main, ["new_old_minus_old_old"]
        elif producer.digest == candidate.digest:
            asked[producer] = main, ["new_new_minus_old_new"]
        else:
            found = [ask(pin, incumbent, candidate, producer) for pin in situation.pins]
            asked[producer] = (
                found,
                ["new_producer_minus_old_producer", "new_producer_minus_producer_producer"],
            )
    return asked


def _judge(upgrade: Upgrade, situation: Situation, asked: _AskedFor) -> None:
    policy = situation.policy
    first = situation.incumbent is None
    judgement = assess(policy, asked.evidence(), first_version=first)
    coverage = {
        producer: assess_coverage(
            policy.coverage, policy.confidence, [one.as_evidence() for one in found], differences
        )
        for producer, (found, differences) in asked.covering.items()
        if policy.coverage is not None
    }
    outcome = worst([judgement.outcome, *(c.outcome for c in coverage.values())])
    verdict = Verdict.objects.create(
        upgrade=upgrade,
        number=upgrade.verdicts.count() + 1,
        kind=Verdict.Kind.FIRST_VERSION if first else Verdict.Kind.COMPARISON,
        outcome=outcome,
        incumbent=situation.incumbent,
        policy_revision=situation.effective.revision,
        policy=situation.effective.as_json(),
        fingerprint=situation.fingerprint,
        fingerprint_sha256=situation.fingerprint_sha256,
        results=_plain(judgement),
        coverage=[
            {
                "producer": str(producer),
                "producer_digest": producer.digest,
                "outcome": one.outcome,
                "results": _plain(one),
            }
            for producer, one in coverage.items()
        ],
        comparisons=sorted({one.comparison.pk for one in asked.everything if one.comparison}),
        created_at=timezone.now(),
    )
    SetRevision.objects.filter(pk__in=[pin.pk for pin in situation.pins]).update(
        times_judged=F("times_judged") + 1
    )
    upgrade.verdict = verdict
    upgrade.save(update_fields=["verdict"])
    _move(upgrade, "judge", verdict=verdict.number, outcome=outcome, reason=_reason(judgement))
    publish(
        kind="upgrade.judged",
        subject=f"upgrade:{upgrade.pk}",
        candidate=str(situation.candidate),
        outcome=outcome,
    )


def _plain(judgement: Judgement) -> list[dict[str, Any]]:
    return [asdict(result) for result in judgement.results]


def _reason(judgement: Judgement) -> str:
    against = [r for r in judgement.results if r.outcome != Outcome.PASSED and not r.advisory]
    return "; ".join(f"{r.rule}: {r.reason}" for r in against)[:1000]


def _moved(upgrade: Upgrade, situation: Situation) -> list[str]:
    before = upgrade.verdict.fingerprint if upgrade.verdict else {}
    now = situation.fingerprint
    return sorted(key for key in now if before.get(key) != now[key])


def _move(upgrade: Upgrade, action: str, **body: Any) -> Upgrade:
    upgrade.state = next_state(State(upgrade.state), action)
    upgrade.changed_at = timezone.now()
    upgrade.save(update_fields=["state", "changed_at"])
    record(
        actor=ENGINE,
        action=f"upgrade.{action}",
        subject=f"upgrade:{upgrade.pk}",
        candidate=str(upgrade.candidate),
        **body,
    )
    return upgrade
