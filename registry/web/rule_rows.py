"""The results of a verdict as rows of a table, with their words and drawings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString

from compat.policy import Bound
from compat.verdict import BUILT_IN, Outcome
from registry.upgrades.models import Verdict
from registry.web import figures
from registry.web.drawings.interval import Interval, draw_interval


@dataclass(frozen=True)
class RuleRow:
    """One rule on one evaluation set, as it is shown."""

    rule: str
    evaluation_set: str
    outcome: str
    reason: str
    advisory: bool
    rationale: str
    measurement: str
    measured: str
    value: str
    interval: str
    asked: str
    support: int
    settles_at: int | None
    drawing: SafeString | None


def rule_rows(results: Sequence[Mapping[str, Any]]) -> list[RuleRow]:
    """Return the rules of a verdict, without what every gate tests of itself."""
    return [_row(result) for result in results if result["rule"] not in BUILT_IN]


def null_rows(results: Sequence[Mapping[str, Any]]) -> list[RuleRow]:
    """Return what the gate tested of itself: the null test and what was planted, a set."""
    return [_row(result) for result in results if result["rule"] in BUILT_IN]


@dataclass(frozen=True)
class CoverageRow:
    """Whether the candidate may query the vectors of one producer."""

    producer: str
    outcome: str
    rows: list[RuleRow]
    null_tests: list[RuleRow]


def coverage_rows(coverage: Sequence[Mapping[str, Any]]) -> list[CoverageRow]:
    """Return the coverage of each producer that a gallery holds."""
    return [
        CoverageRow(
            entry["producer"],
            entry["outcome"],
            rule_rows(entry["results"]),
            null_rows(entry["results"]),
        )
        for entry in coverage
    ]


def blocking_rules(verdict: Verdict | None) -> list[str]:
    """Return the rules that a waiver could except: those that failed or are inconclusive."""
    waivable = {Outcome.FAILED, Outcome.INCONCLUSIVE}
    results = verdict.results if verdict else []
    names = [
        result["rule"]
        for result in results
        if result["outcome"] in waivable
        and result["rule"] not in BUILT_IN
        and not result["advisory"]
    ]
    return list(dict.fromkeys(names))


def why(verdict: Verdict) -> str:
    """Return one sentence: what the outcome of a verdict rests on."""
    covered = [r for entry in verdict.coverage for r in entry["results"]]
    return reason_of(verdict.outcome, [*verdict.results, *covered])


def reason_of(outcome: str, results: Sequence[Mapping[str, Any]]) -> str:
    """Return one sentence: which of the results make up the outcome."""
    blocking = [r for r in results if not r["advisory"]]
    against = [r for r in blocking if r["outcome"] == outcome]
    sets = len({r["evaluation_set"] for r in blocking})
    if outcome == Outcome.PASSED:
        rules = len({r["rule"] for r in blocking} - BUILT_IN)
        return (
            f"Every blocking rule holds: {rules} of {rules}, on "
            f"{sets} evaluation {'set' if sets == 1 else 'sets'}."
        )
    if not against:
        return "There is no evidence to judge by."
    first = _row(against[0])
    more = f" {len(against) - 1} more below." if len(against) > 1 else ""
    return f"{_sentence(first)}{more}"


_COVERAGE_RULES: Mapping[str, str] = {
    "coverage new_old_minus_old_old": "no worse than the incumbent on its own vectors",
    "coverage new_new_minus_old_new": "no worse than the incumbent on these vectors",
    "coverage new_producer_minus_old_producer": "no worse than the incumbent on these vectors",
    "coverage new_producer_minus_producer_producer": "no worse than the vectors' own self-test",
}


def _sentence(row: RuleRow) -> str:
    where = f" on {row.evaluation_set}" if row.evaluation_set else ""
    if not row.asked or row.value == figures.number("", None, 0):
        return f"{row.rule.capitalize()}{where}: {row.reason}."
    spread = f" ({row.interval})" if row.interval else ""
    settled = ""
    if row.outcome == Outcome.INCONCLUSIVE:
        settled = f" {row.reason.capitalize()}."
    return (
        f"{row.rule.capitalize()}{where}: {row.measured} is {row.value}{spread}, "
        f"asked for {row.asked}.{settled}"
    )


@dataclass(frozen=True)
class PairedRow:
    """One rule on one evaluation set, as two candidates met it; None where one was not judged."""

    head: RuleRow
    sides: tuple[RuleRow | None, RuleRow | None]


def paired_rows(
    first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]
) -> list[PairedRow]:
    """Return the rules of two verdicts side by side, last what every gate tests of itself.

    Both drawings of a rule have one scale.
    """
    one, two = ({_identity(result): result for result in side} for side in (first, second))
    pairs = []
    for key in sorted(one | two, key=lambda key: key[0] in BUILT_IN):
        found = [side.get(key) for side in (one, two)]
        marks = [mark for result in found if result for mark in _marks(result)]
        rows = [_row(result, marks) if result else None for result in found]
        pairs.append(PairedRow(next(filter(None, rows)), (rows[0], rows[1])))
    return pairs


def _identity(result: Mapping[str, Any]) -> tuple[str, ...]:
    where = (result.get(key, "") for key in ("slice", "against"))
    return (result["rule"], result["evaluation_set"], *where)


def _marks(result: Mapping[str, Any]) -> list[float]:
    held = (result[key] for key in ("value", "lower", "upper", "threshold"))
    return [mark for mark in held if mark is not None]


def _row(result: Mapping[str, Any], marks: Sequence[float] = ()) -> RuleRow:
    name, support = result["measurement"], result["support"]
    measured = figures.name_of(name)
    value = figures.number(name, result["value"], support)
    interval = figures.interval(name, result["lower"], result["upper"], support)
    asked = figures.threshold(name, result["bound"], result["threshold"])
    words = f"{measured} {value}, interval {interval}, asked for {asked}: {result['outcome']}"
    return RuleRow(
        rule=_COVERAGE_RULES.get(result["rule"], result["rule"]),
        evaluation_set=" · ".join(
            filter(
                None,
                [result["evaluation_set"], result.get("slice", ""), _against(result)],
            )
        ),
        outcome=result["outcome"],
        reason=result["reason"],
        advisory=result["advisory"],
        rationale=_rationale(result),
        measurement=name,
        measured=measured,
        value=value,
        interval=interval,
        asked=asked,
        support=support,
        settles_at=result["settles_at"],
        drawing=_drawing(result, words, marks) if interval else None,
    )


def _rationale(result: Mapping[str, Any]) -> str:
    """Return why the rule is there, and whose it is."""
    owner = result.get("owner", "")
    return " ".join(filter(None, [result["rationale"], f"Owner: {owner}." if owner else ""]))


def _against(result: Mapping[str, Any]) -> str:
    return f"against {result['against']}" if result.get("against") else ""


def _drawing(result: Mapping[str, Any], words: str, marks: Sequence[float]) -> SafeString | None:
    if result["threshold"] is None or result["value"] is None:
        return None
    return draw_interval(
        Interval(
            result["value"],
            result["lower"],
            result["upper"],
            result["threshold"],
            Bound(result["bound"]),
            result["outcome"],
            words,
            tuple(marks),
        )
    )
