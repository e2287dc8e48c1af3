"""Policies as data: what is asked of a candidate, by which rules, and what each level promises."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


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


class Promise(StrEnum):
    """What a rule vouches for; a compatibility level makes some of these promises."""

    ALWAYS = "always"
    BACKWARD = "backward"
    FORWARD = "forward"
    MIXED = "mixed"
    CUMULATIVE = "cumulative"


class Level(StrEnum):
    """Compatibility levels; a transitive one holds against every version whose promise stands."""

    NONE = "none"
    BACKWARD = "backward"
    FORWARD = "forward"
    FULL = "full"
    BACKWARD_TRANSITIVE = "backward_transitive"
    FORWARD_TRANSITIVE = "forward_transitive"
    FULL_TRANSITIVE = "full_transitive"

    @property
    def is_transitive(self) -> bool:
        """Whether versions before the incumbent count as well."""
        return self.endswith("_transitive")

    @property
    def promises(self) -> frozenset[Promise]:
        """What a rule has to vouch for to block at this level; nothing blocks at ``NONE``."""
        if self is Level.NONE:
            return frozenset()
        chain = {Promise.CUMULATIVE} if self.is_transitive else set()
        return frozenset({Promise.ALWAYS} | _PAIRWISE[self.removesuffix("_transitive")] | chain)


_PAIRWISE: Mapping[str, set[Promise]] = {
    "backward": {Promise.BACKWARD},
    "forward": {Promise.FORWARD},
    "full": {Promise.BACKWARD, Promise.FORWARD, Promise.MIXED},
}

PAIRWISE = frozenset(_PAIRWISE["full"])
"""Promises that are given to one earlier version at a time."""


class Across(StrEnum):
    """How a rule on several slices is read.

    ``EVERY`` slice must hold (an intersection-union test, each at the full level); ``ANY`` raises
    an alert where a slice regressed, after a correction for how many were looked at.
    """

    EVERY = "every"
    ANY = "any"


class Correction(StrEnum):
    """What corrects an alert over several slices."""

    HOLM = "holm"
    BENJAMINI_HOCHBERG = "benjamini_hochberg"


@dataclass(frozen=True)
class Rule:
    """One requirement on one measurement, on every pinned evaluation set.

    ``slices`` names what it is held against instead of the whole set: ``column=value``,
    ``column=*`` for each value of a column, two or more of these joined by ``&``, or ``*`` for
    each slice of one column. ``class`` is the column of the true class.
    """

    name: str
    measurement: str
    bound: Bound
    threshold: float
    basis: Basis = Basis.BOUND
    min_support: int = 1
    slices: tuple[str, ...] = ()
    across: Across = Across.EVERY
    correction: Correction = Correction.HOLM
    promise: Promise = Promise.ALWAYS
    advisory: bool = False
    owner: str = ""
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
    """A versioned set of rules; ``first_version`` rules judge a line that has no incumbent.

    Attributes:
        level: which promises block; the others are measured and shown.
        promotions: over how many past promotions of the alias a promise still stands.
        severity: weight of a flip by true class, for ``severity_nfr``; 1 where not named.
        cut_off: the score at which consumers accept, for TAR, FAR and acceptance.
    """

    task: Task
    confidence: float
    rules: tuple[Rule, ...]
    first_version: tuple[Rule, ...]
    coverage: Coverage | None = None
    level: Level = Level.BACKWARD
    promotions: int = 10
    severity: Mapping[str, float] = field(default_factory=dict)
    cut_off: float | None = None

    def blocks(self, rule: Rule) -> bool:
        """Whether a rule against an incumbent can hold a candidate up at this level."""
        return not rule.advisory and rule.promise in self.level.promises

    @property
    def asks_for_chain(self) -> bool:
        """Whether a rule that counts is about the whole chain of promotions."""
        return any(
            rule.measurement.startswith("cumulative_")
            and (self.blocks(rule) or rule.promise is Promise.ALWAYS)
            for rule in self.rules
        )

    @property
    def asks(self) -> dict[str, Any]:
        """What has to be measured for this policy beside what always is; empty for most."""
        rules = (*self.rules, *self.first_version)
        crossed = sorted(
            {columns for rule in rules for s in rule.slices if (columns := crossed_columns(s))}
        )
        asked: dict[str, Any] = {}
        if crossed:
            asked["crossed"] = [list(columns) for columns in crossed]
        if self.severity:
            asked["severity"] = dict(sorted(self.severity.items()))
        if self.cut_off is not None:
            asked["cut_off"] = self.cut_off
        if any(rule.measurement in COSTS for rule in rules):
            asked["cost"] = True
        return asked


COSTS = frozenset({"latency_ratio", "size_ratio"})
"""Measurements that only a run of both versions side by side can give."""


def crossed_columns(pattern: str) -> tuple[str, ...]:
    """Return the columns of a slice that is made on demand: crossed ones, and the true class.

    Example:
        >>> crossed_columns("ink=*&class=7"), crossed_columns("ink=light")
        (('class', 'ink'), ())
    """
    if pattern == "*":
        return ()
    columns = tuple(sorted(part.partition("=")[0] for part in pattern.split("&")))
    return columns if len(columns) > 1 or columns == ("class",) else ()
