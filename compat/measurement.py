"""A measured value with what its interval needs; no judgement here."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from compat.errors import ShapeError
from compat.intervals import clopper_pearson

CODE_VERSION = "2"
"""Version of the measuring code: a change of any measure raises it and makes verdicts stale."""

LEVELS = (0.9, 0.95, 0.975, 0.99, 0.995)
"""One-sided confidence levels at which resampled bounds are stored; a policy picks one."""


class Direction(StrEnum):
    """Which way of a measure is an improvement."""

    HIGHER_IS_BETTER = "higher_is_better"
    LOWER_IS_BETTER = "lower_is_better"
    NEITHER = "neither"


class Tail(StrEnum):
    """Which side of a resampling distribution a stored bound belongs to."""

    LOWER = "lower"
    UPPER = "upper"


@dataclass(frozen=True)
class Measurement:
    """One value of one measure on one slice of one evaluation set.

    Attributes:
        name: the measure, such as ``nfr`` or ``map.new_old``.
        value: the point estimate; ``None`` where it is undefined.
        support: samples or queries behind it.
        direction: which way is better.
        slice: ``column=value``, or empty for the whole set.
        count: successes out of ``support``, for a proportion (exact bounds follow from it).
        bounds: resampled one-sided bounds, ``{"lower": {"0.95": x, ...}, "upper": {...}}``.
        clusters: independent contributions resampled (queries, or identities).
        spread: standard deviation of one such contribution, for the sample size that settles.
        undefined: why ``value`` is ``None``.
    """

    name: str
    value: float | None
    support: int
    direction: Direction
    slice: str = ""
    count: int | None = None
    bounds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    clusters: int | None = None
    spread: float | None = None
    undefined: str = ""

    def __post_init__(self) -> None:
        if self.value is None and not self.undefined:
            raise ShapeError(f"{self.name}: an undefined value states its reason")

    @property
    def is_finite(self) -> bool:
        """Whether the value and every stored bound is a finite number."""
        stored = [x for side in self.bounds.values() for x in side.values()]
        return all(math.isfinite(x) for x in [*stored, self.value] if x is not None)

    def interval(self, confidence: float) -> tuple[float, float] | None:
        """Return one-sided lower and upper bounds at ``confidence``, or None if there are none."""
        if self.value is None:
            return None
        if self.count is not None:
            return clopper_pearson(self.count, self.support, confidence)
        level = repr(confidence)
        try:
            return self.bounds[Tail.LOWER][level], self.bounds[Tail.UPPER][level]
        except KeyError:
            return None

    def as_json(self) -> dict[str, Any]:
        """Return plain data that JSON holds without NaN; a non-finite number becomes its name."""
        plain = asdict(self)
        plain["value"] = _number_out(self.value)
        plain["spread"] = _number_out(self.spread)
        plain["bounds"] = {
            side: {level: _number_out(x) for level, x in levels.items()}
            for side, levels in self.bounds.items()
        }
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Measurement":
        """Rebuild what ``as_json`` wrote."""
        values = dict(plain)
        values["direction"] = Direction(values["direction"])
        values["value"] = _number_in(values["value"])
        values["spread"] = _number_in(values["spread"])
        values["bounds"] = {
            side: {level: _number_in(x) for level, x in levels.items()}
            for side, levels in values["bounds"].items()
        }
        return cls(**values)


def proportion(name: str, count: int, n: int, direction: Direction, slice: str = "") -> Measurement:
    """Return a share of ``n`` with its count; undefined, never zero, where ``n`` is 0."""
    if n == 0:
        return undefined(name, direction, "no sample", slice=slice)
    return Measurement(name, count / n, n, direction, slice=slice, count=count)


def undefined(
    name: str, direction: Direction, reason: str, support: int = 0, slice: str = ""
) -> Measurement:
    """Return a measurement that has no value, with the reason."""
    return Measurement(name, None, support, direction, slice=slice, undefined=reason)


def _number_out(x: float | None) -> float | str | None:
    return x if x is None or math.isfinite(x) else repr(x)


def _number_in(x: float | str | None) -> float | None:
    return float(x) if isinstance(x, str) else x
