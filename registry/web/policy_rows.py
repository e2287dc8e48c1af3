"""Policies as rows of tables: each rule in words, what it does at its level, where it is from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compat.policy import Across, Basis, Correction, Coverage, Level, Promise, Rule
from registry.upgrades.effective_policies import EffectivePolicy
from registry.upgrades.effective_rules import Effect, effective_parts, effective_rules
from registry.upgrades.models import PolicyChoice
from registry.web import figures

PROMISES: Mapping[Promise, str] = {
    Promise.ALWAYS: "at every level",
    Promise.BACKWARD: "backward",
    Promise.FORWARD: "forward",
    Promise.MIXED: "mixed",
    Promise.CUMULATIVE: "the whole chain",
}
"""What a rule vouches for, after the word *promises*."""

LEVELS: Mapping[Level, str] = {
    Level.NONE: "nothing blocks but the rules for a first version",
    Level.BACKWARD: "whoever used the incumbent can use the candidate",
    Level.FORWARD: "whoever reads the incumbent's answers can read the candidate's",
    Level.FULL: "backward, forward, and at every stage of a backfill",
    Level.BACKWARD_TRANSITIVE: "against every version whose promise stands",
    Level.FORWARD_TRANSITIVE: "against every version whose promise stands",
    Level.FULL_TRANSITIVE: "against every version whose promise stands",
}

PARTS = {"rules": "Against an incumbent", "first_version": "Of a first version"}

_CORRECTIONS = {
    Correction.HOLM: "Holm",
    Correction.BENJAMINI_HOCHBERG: "Benjamini\N{EN DASH}Hochberg",
}


@dataclass(frozen=True)
class AskedRule:
    """A rule of a policy in words; effect and source are None where only a layer is known."""

    part: str
    name: str
    measured: str
    asked: str
    slices: tuple[str, ...]
    across: str
    is_estimate: bool
    promise: str
    min_support: int
    advisory: bool
    owner: str
    rationale: str
    effect: str | None = None
    source: PolicyChoice | None = None


@dataclass(frozen=True)
class AskedPart:
    """A part of a policy beside its rules, in words."""

    name: str
    value: str
    source: PolicyChoice | None = None


def asked_rules(parts: Mapping[str, Any]) -> list[AskedRule]:
    """Return the rules among the parts of a document in words."""
    return [_row(part, rule) for part in PARTS for rule in parts.get(part, ())]


def asked_parts(parts: Mapping[str, Any]) -> list[AskedPart]:
    """Return the other parts of a document in words."""
    others = ((name, value) for name, value in parts.items() if name not in {*PARTS, "task"})
    return [AskedPart(name.replace("_", "-"), _in_words(name, value)) for name, value in others]


def effective_rows(policy: EffectivePolicy) -> list[AskedRule]:
    """Return the rules that hold somewhere, with what they do there and where they are from."""
    return [_row(e.part, e.rule, e.effect, e.source) for e in effective_rules(policy)]


def effective_part_rows(policy: EffectivePolicy) -> list[AskedPart]:
    """Return the other parts that hold somewhere, with where they are from."""
    return [
        AskedPart(name.replace("_", "-"), _in_words(name, value), source)
        for name, value, source in effective_parts(policy)
        if value not in (None, {})
    ]


def _row(
    part: str, rule: Rule, effect: Effect | None = None, source: PolicyChoice | None = None
) -> AskedRule:
    return AskedRule(
        PARTS[part],
        rule.name,
        figures.name_of(rule.measurement),
        figures.threshold(rule.measurement, rule.bound, rule.threshold),
        rule.slices,
        _across(rule) if rule.slices else "",
        rule.basis is Basis.ESTIMATE,
        PROMISES[rule.promise] if part == "rules" else "",
        rule.min_support,
        rule.advisory,
        rule.owner,
        rule.rationale,
        effect,
        source,
    )


def _across(rule: Rule) -> str:
    if rule.across is Across.ANY:
        return f"an alert where any regressed, {_CORRECTIONS[rule.correction]} corrected"
    return "each must hold" if _is_many(rule.slices) else ""


def _is_many(slices: Sequence[str]) -> bool:
    return len(slices) > 1 or any("*" in pattern for pattern in slices)


def _in_words(name: str, value: Any) -> str:
    if isinstance(value, Coverage):
        margin = figures.number(value.measure, value.margin, 1000)
        return (
            f"{figures.name_of(value.measure)} loses at most {margin} "
            f"on at least {figures.count(value.min_support)} queries"
        )
    if name == "level":
        return f"{value.replace('_', ' ')}: {LEVELS[value]}"
    if name == "confidence":
        return f"{value * 100:g}{figures.SPACE}%, each end of an interval"
    if name == "promotions":
        return f"a promise stands over {value} past promotions"
    if name == "severity":
        return ", ".join(
            f"{cls} \N{MULTIPLICATION SIGN} {weight:g}" for cls, weight in value.items()
        )
    return "none" if value is None else str(value)
