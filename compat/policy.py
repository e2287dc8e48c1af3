"""Policies as data: what is asked of a candidate, with documented defaults for each task."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from compat.errors import PolicyError
from compat.measurement import LEVELS


class Task(StrEnum):
    """What the versions of a registered model do."""

    CLASSIFICATION = "classification"
    EMBEDDING = "embedding"


class Bound(StrEnum):
    """Which side of the threshold is the good one; ``ABOVE`` is strict."""

    AT_MOST = "at_most"
    AT_LEAST = "at_least"
    ABOVE = "above"


class Basis(StrEnum):
    """What is held against the threshold: the confidence bound, or the estimate alone."""

    BOUND = "bound"
    ESTIMATE = "estimate"


@dataclass(frozen=True)
class Rule:
    """One requirement on one measurement, on every pinned evaluation set.

    ``slices`` names what it is held against instead of the whole set: ``column=value``,
    ``column=*`` for each value of a column, or ``*`` for each slice. Each must hold by itself.
    """

    name: str
    measurement: str
    bound: Bound
    threshold: float
    basis: Basis = Basis.BOUND
    min_support: int = 1
    slices: tuple[str, ...] = ()
    advisory: bool = False
    rationale: str = ""


@dataclass(frozen=True)
class Coverage:
    """When a query encoder may meet the vectors of another version in a gallery.

    ``measure`` of the encoder on those vectors may lose at most ``margin`` against what users
    have today and against the vectors' own self-test.
    """

    measure: str
    margin: float
    min_support: int = 1


@dataclass(frozen=True)
class Policy:
    """A versioned set of rules; ``first_version`` rules judge a line that has no incumbent."""

    task: Task
    confidence: float
    rules: tuple[Rule, ...]
    first_version: tuple[Rule, ...]
    coverage: Coverage | None = None


DEFAULTS: dict[Task, dict[str, Any]] = {
    Task.CLASSIFICATION: {
        "task": "classification",
        "confidence": 0.95,
        "rules": [
            {
                "name": "negative flips",
                "measurement": "nfr",
                "bound": "at_most",
                "threshold": 0.01,
                "min_support": 300,
                "rationale": "At most one answer in a hundred may go from right to wrong; "
                "299 samples are the fewest that can prove it.",
            },
            {
                "name": "accuracy kept",
                "measurement": "accuracy.new_minus_old",
                "bound": "at_least",
                "threshold": -0.005,
                "min_support": 300,
                "rationale": "Few flips are worth nothing if the new model is worse on the whole.",
            },
        ],
        "first_version": [
            {
                "name": "better than the majority class",
                "measurement": "accuracy.new_minus_majority",
                "bound": "above",
                "threshold": 0.0,
                "min_support": 100,
                "rationale": "A first version has no predecessor: it must beat a constant answer.",
            }
        ],
    },
    Task.EMBEDDING: {
        "task": "embedding",
        "confidence": 0.95,
        "rules": [
            {
                "name": "empirical compatibility criterion",
                "measurement": "map.new_old_minus_old_old",
                "bound": "above",
                "threshold": 0.0,
                "min_support": 100,
                "rationale": "New queries on the old gallery must do better than old ones "
                "(Shen et al., CVPR 2020).",
            },
            {
                "name": "self-test kept",
                "measurement": "map.new_new_minus_old_old",
                "bound": "at_least",
                "threshold": -0.01,
                "min_support": 100,
                "rationale": "Compatibility must not be bought with a worse model.",
            },
            {
                "name": "retrieval flips",
                "measurement": "retrieval_nfr",
                "bound": "at_most",
                "threshold": 0.05,
                "min_support": 100,
                "rationale": "A better mean can hide queries that lost their first hit.",
            },
            {
                "name": "first hit kept",
                "measurement": "hit_rate_at_1.new_old_minus_old_old",
                "bound": "at_least",
                "threshold": -0.01,
                "min_support": 100,
                "advisory": True,
                "rationale": "mAP and the first hit can disagree: shown beside the criterion.",
            },
        ],
        "first_version": [
            {
                "name": "better than chance",
                "measurement": "map.new_new_minus_chance",
                "bound": "above",
                "threshold": 0.0,
                "min_support": 100,
                "rationale": "A first version has no predecessor: it must beat a random order.",
            }
        ],
        "coverage": {"measure": "map", "margin": 0.01, "min_support": 100},
    },
}
"""Default policy documents. Budgets and margins were chosen before any candidate was looked at:
1 % negative flips is the budget that the literature on positive-congruent training aims at, and
0.5 % accuracy and 0.01 mAP are what a few hundred to a few thousand samples can resolve."""


def parse_policy(document: Mapping[str, Any]) -> Policy:
    """Turn a document into a policy.

    Raises:
        PolicyError: a key is missing, unknown, of the wrong type or out of range; ``path`` names
            it. A policy without a blocking rule is refused: it could let anything through.
    """
    _require_keys(document, "", {"task", "confidence", "rules", "first_version"}, {"coverage"})
    task = _choice(Task, document["task"], "task")
    confidence = document["confidence"]
    if confidence not in LEVELS:
        raise PolicyError("confidence", f"must be one of {', '.join(map(str, LEVELS))}")
    rules = _rules(document["rules"], "rules")
    first = _rules(document["first_version"], "first_version")
    coverage = document.get("coverage")
    if task is Task.EMBEDDING and coverage is None:
        raise PolicyError("coverage", "a policy for embeddings says when a gallery is covered")
    return Policy(task, confidence, rules, first, _coverage(coverage) if coverage else None)


def _rules(value: Any, path: str) -> tuple[Rule, ...]:
    if not isinstance(value, list):
        raise PolicyError(path, "must be a list of rules")
    rules = tuple(_rule(item, f"{path}[{i}]") for i, item in enumerate(value))
    names = [rule.name for rule in rules]
    if len(set(names)) < len(names):
        raise PolicyError(path, "two rules have the same name")
    blocking = [rule for rule in rules if not rule.advisory]
    if not blocking:
        raise PolicyError(path, "at least one rule must block: an empty policy is not a pass")
    if not any(map(_can_fail, blocking)):
        raise PolicyError(path, "no rule can fail: the worst candidate would pass")
    return rules


def _rule(value: Any, path: str) -> Rule:
    _require_keys(
        value,
        path,
        {"name", "measurement", "bound", "threshold"},
        {"basis", "min_support", "slices", "advisory", "rationale"},
    )
    advisory = value.get("advisory", False)
    if not isinstance(advisory, bool):
        raise PolicyError(f"{path}.advisory", "must be true or false")
    return Rule(
        name=_text(value["name"], f"{path}.name"),
        measurement=_text(value["measurement"], f"{path}.measurement"),
        bound=_choice(Bound, value["bound"], f"{path}.bound"),
        threshold=_number(value["threshold"], f"{path}.threshold"),
        basis=_choice(Basis, value.get("basis", Basis.BOUND), f"{path}.basis"),
        min_support=_support(value.get("min_support", 1), f"{path}.min_support"),
        slices=_slices(value.get("slices", []), f"{path}.slices"),
        advisory=advisory,
        rationale=str(value.get("rationale", "")),
    )


def _coverage(value: Any) -> Coverage:
    _require_keys(value, "coverage", {"measure", "margin"}, {"min_support"})
    margin = _number(value["margin"], "coverage.margin")
    if margin < 0:
        raise PolicyError("coverage.margin", "must be zero or more")
    return Coverage(
        _text(value["measure"], "coverage.measure"),
        margin,
        _support(value.get("min_support", 1), "coverage.min_support"),
    )


def _require_keys(value: Any, path: str, needed: set[str], allowed: set[str]) -> None:
    if not isinstance(value, Mapping):
        raise PolicyError(path, "must be an object")
    missing = needed - set(value)
    if missing:
        raise PolicyError(path, f"missing {', '.join(sorted(missing))}")
    unknown = set(value) - needed - allowed
    if unknown:
        raise PolicyError(path, f"unknown {', '.join(sorted(map(str, unknown)))}")


def _choice(kind: type[StrEnum], value: Any, path: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise PolicyError(path, f"must be one of {', '.join(kind)}") from None


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise PolicyError(path, "must be a text that is not empty")
    return value


def _number(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise PolicyError(path, "must be a finite number")
    return float(value)


def _support(value: Any, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise PolicyError(path, "must be a whole number of at least 1")
    return value


def _slices(value: Any, path: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise PolicyError(path, 'must be a list such as ["column=value", "column=*", "*"]')
    for item in value:
        if not isinstance(item, str) or (item != "*" and not all(item.partition("="))):
            raise PolicyError(path, f"{item!r} is not column=value, column=* or *")
    return tuple(value)


def _can_fail(rule: Rule) -> bool:
    """Whether the worst value that a share or a difference of shares can take breaks the rule."""
    if rule.bound is Bound.AT_MOST:
        return rule.threshold < 1
    least = -1.0 if "_minus_" in rule.measurement else 0.0
    return rule.threshold > least or (rule.bound is Bound.ABOVE and rule.threshold >= least)
