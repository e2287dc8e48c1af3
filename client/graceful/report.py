"""A verdict as a pipeline is told about it, whatever the format."""

from dataclasses import dataclass

from graceful.answers import Check, Decisions, Outcome, RuleResult, Step, Upgrade
from graceful.standing import Standing, standing_of, standing_of_check
from graceful.text import printable

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
    waived_rules: tuple[str, ...] = ()
    check: int = 0
    error: str = ""

    @property
    def subject(self) -> str:
        """What the report is about, as the registry numbers it."""
        return f"check {self.check}" if self.check else f"upgrade {self.upgrade}"

    @property
    def exceptions(self) -> str:
        """The waivers in force in one sentence, or nothing."""
        if not self.waived_rules:
            return ""
        return f"waivers are in force for: {', '.join(self.waived_rules)}"

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        against = f" against {self.incumbent}" if self.incumbent else ""
        blocking = sum(line.blocks for line in self.lines)
        why = f": {blocking} of {len(self.lines)} rules stand against it" if blocking else ""
        why = f": {self.error}" if self.error else why
        return f"{self.candidate} for {self.alias}{against} is {self.standing}{why}"


def report_on(upgrade: Upgrade, url: str, decisions: Decisions | None = None) -> Report:
    """Return the report on an upgrade; rules of a verdict that is being made again are left out.

    Waivers are told beside the verdict and never change how it stands.
    """
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
        waived_rules=_waived(decisions) if decisions else (),
    )


def report_on_check(check: Check, file_name: str, url: str) -> Report:
    """Return the report on a check of the outputs in a file."""
    error = check["error"]
    return Report(
        standing=standing_of_check(check),
        state=check["work_state"],
        alias=check["alias"],
        candidate=printable(file_name),
        incumbent=check["incumbent"] or "",
        policy=check["policy"],
        kind="check",
        upgrade=0,
        url=f"{url}/api/v1/compatibility/{check['id']}",
        lines=tuple(_line(result) for result in check["results"]),
        steps=(),
        check=check["id"],
        error=f"{error['code']}: {error['detail']}" if error else "",
    )


def _waived(decisions: Decisions) -> tuple[str, ...]:
    in_force = set(decisions["waivers_in_force"])
    rules = (w["rules"] for w in decisions["waivers"] if w["id"] in in_force)
    return tuple(sorted({rule for named in rules for rule in named}))


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
