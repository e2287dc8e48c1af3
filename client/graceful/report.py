"""A verdict as a pipeline is told about it, whatever the format."""

from dataclasses import dataclass

from graceful.answers import Outcome, RuleResult, Step, Upgrade
from graceful.standing import Standing, standing_of

ASKED = {"at_most": "at most", "at_least": "at least", "above": "above"}


@dataclass(frozen=True)
class Line:
    """How one rule came out, on one evaluation set or for one producer's vectors."""

    rule: str
    judged_on: str
    producer: str
    outcome: Outcome
    advisory: bool
    reason: str
    measurement: str
    asked: str
    value: float | None
    lower: float | None
    upper: float | None
    support: int
    settles_at: int | None

    @property
    def holds(self) -> bool:
        """Whether the rule passed."""
        return self.outcome == "passed"

    @property
    def blocks(self) -> bool:
        """Whether the line stands against a promotion."""
        return not self.holds and not self.advisory

    @property
    def name(self) -> str:
        """The rule, and whose vectors it is about."""
        return f"{self.rule} ({self.producer})" if self.producer else self.rule


@dataclass(frozen=True)
class Report:
    """Where a candidate stands, and why."""

    standing: Standing
    state: str
    alias: str
    candidate: str
    incumbent: str
    policy: str
    kind: str
    upgrade: int
    url: str
    lines: tuple[Line, ...]
    steps: tuple[Step, ...]

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        against = f" against {self.incumbent}" if self.incumbent else ""
        blocking = sum(line.blocks for line in self.lines)
        why = f": {blocking} of {len(self.lines)} rules stand against it" if blocking else ""
        return f"{self.candidate} for {self.alias}{against} is {self.standing}{why}"


def report_on(upgrade: Upgrade, url: str) -> Report:
    """Return the report on an upgrade; rules of a verdict that is being made again are left out."""
    standing = standing_of(upgrade)
    verdict = upgrade["verdict"]
    stands = verdict is not None and standing is not Standing.PENDING
    return Report(
        standing=standing,
        state=upgrade["state"],
        alias=f"{upgrade['model']}@{upgrade['alias']}",
        candidate=upgrade["candidate"],
        incumbent=upgrade["incumbent"] or "",
        policy=verdict["policy"] if verdict else "",
        kind=verdict["kind"] if verdict else "",
        upgrade=upgrade["id"],
        url=f"{url}/upgrades/{upgrade['id']}/",
        lines=_lines(upgrade) if stands else (),
        steps=tuple(upgrade["progress"]) if standing is Standing.PENDING else (),
    )


def _lines(upgrade: Upgrade) -> tuple[Line, ...]:
    verdict = upgrade["verdict"]
    if verdict is None:
        return ()
    lines = [_line(result) for result in verdict["results"]]
    for covered in verdict["coverage"]:
        lines += [_line(result, covered["producer"]) for result in covered["results"]]
    return tuple(lines)


def _line(result: RuleResult, producer: str = "") -> Line:
    return Line(
        rule=result["rule"],
        judged_on=result["evaluation_set"],
        producer=producer,
        outcome=result["outcome"],
        advisory=result["advisory"],
        reason=result["reason"],
        measurement=result["measurement"],
        asked=_asked(result),
        value=result["value"],
        lower=result["lower"],
        upper=result["upper"],
        support=result["support"],
        settles_at=result["settles_at"],
    )


def _asked(result: RuleResult) -> str:
    if result["threshold"] is None:
        return ""
    return f"{ASKED.get(result['bound'], result['bound'])} {result['threshold']:g}"
