"""Numbers as people read them: the same kind of measure always looks the same."""

import math
from collections.abc import Mapping
from enum import StrEnum

from compat.policy import Bound

MINUS = "\N{MINUS SIGN}"
SPACE = "\N{NO-BREAK SPACE}"


class Kind(StrEnum):
    """How the numbers of a measure are written."""

    SHARE = "share"
    SCORE = "score"
    RATIO = "ratio"
    COUNT = "count"


_SCORES = frozenset({"map", "map_at_r"})
_RATIOS = frozenset({"relative_nfr", "latency_ratio", "size_ratio"})
_COUNTS = frozenset({"classes_lost"})

NAMES: Mapping[str, str] = {
    "nfr": "negative flip rate (NFR)",
    "pfr": "positive flip rate (PFR)",
    "nfi": "negative flip impact",
    "btc": "backward trust compatibility",
    "bec": "backward error compatibility",
    "relative_nfr": "relative NFR",
    "accuracy": "accuracy",
    "map": "mAP",
    "map_at_r": "mAP at R",
    "hit_rate_at_1": "hit rate at 1",
    "hit_rate_at_10": "hit rate at 10",
    "recall_at_10": "recall at 10",
    "cumulative_nfr": "cumulative NFR",
    "cumulative_retrieval_nfr": "cumulative retrieval NFR",
    "severity_nfr": "severity-weighted NFR",
    "retrieval_nfr": "retrieval NFR",
    "retrieval_pfr": "retrieval PFR",
    "strict": "strict criterion",
}


def name_of(measurement: str) -> str:
    """Return a measurement in words: ``map.new_old_minus_old_old`` is ``mAP, new_old − …``."""
    measure, _, where = measurement.partition(".")
    words = NAMES.get(measure, measure.replace("_", " "))
    if not where:
        return words
    return f"{words}, {where.replace('_minus_', f' {MINUS} ')}"


def kind_of(measurement: str) -> Kind:
    """Return how the numbers of a measurement are written."""
    measure = measurement.partition(".")[0]
    if measure in _SCORES:
        return Kind.SCORE
    if measure in _COUNTS:
        return Kind.COUNT
    return Kind.RATIO if measure in _RATIOS else Kind.SHARE


def is_difference(measurement: str) -> bool:
    """Whether a measurement is one value minus another."""
    return "_minus_" in measurement


def digits_of(kind: Kind, support: int) -> int:
    """Return the decimals that ``support`` samples can tell apart."""
    if kind is Kind.COUNT:
        return 0
    if kind is Kind.RATIO:
        return 2
    if kind is Kind.SCORE:
        return 3 if support < 10_000 else 4
    return min(max(math.ceil(math.log10(max(support, 1))) - 2, 1), 3)


def number(measurement: str, value: float | None, support: int) -> str:
    """Return one value with its unit; a dash where there is none."""
    if value is None:
        return "\N{EN DASH}"
    kind = kind_of(measurement)
    return _bare(measurement, value, digits_of(kind, support)) + _unit(measurement)


def interval(measurement: str, lower: float | None, upper: float | None, support: int) -> str:
    """Return ``0.92 to 1.80 %``; empty where there is no interval."""
    if lower is None or upper is None:
        return ""
    digits = digits_of(kind_of(measurement), support)
    ends = (_bare(measurement, end, digits) for end in (lower, upper))
    return " to ".join(ends) + _unit(measurement)


def threshold(measurement: str, bound: str, value: float | None) -> str:
    """Return what a rule asks for in words, with all the digits that it was written with."""
    if value is None:
        return ""
    words = {Bound.AT_MOST: "at most", Bound.AT_LEAST: "at least", Bound.ABOVE: "above"}
    scaled = value * 100 if kind_of(measurement) is Kind.SHARE else value
    written = f"{scaled:.6f}".rstrip("0").rstrip(".")
    sign = "+" if is_difference(measurement) and scaled > 0 else ""
    shown = sign + written.replace("-", MINUS)
    return f"{words[Bound(bound)]} {shown}{_unit(measurement)}"


def count(value: int) -> str:
    """Return a whole number with thin separators: 1,797."""
    return f"{value:,}"


def drift(value: float | str | None) -> str:
    """Return the drift of vectors, which spans many powers of ten: ``0.250``, ``3.1e-13``, ``0``.

    What a template does not find is an empty text.
    """
    if value is None or isinstance(value, str):
        return "\N{EN DASH}"
    if value == 0 or value >= 0.001:
        return f"{value:.3f}" if value else "0"
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def size(size_bytes: int) -> str:
    """Return a size in bytes with a binary unit: 1.4 MiB."""
    scaled, units = float(size_bytes), ["B", "KiB", "MiB", "GiB", "TiB"]
    while scaled >= 1024 and len(units) > 1:
        scaled /= 1024
        units.pop(0)
    return f"{scaled:.0f}{SPACE}{units[0]}" if units[0] == "B" else f"{scaled:.1f}{SPACE}{units[0]}"


def _bare(measurement: str, value: float, digits: int) -> str:
    scaled = value * 100 if kind_of(measurement) is Kind.SHARE else value
    text = f"{scaled:+.{digits}f}" if is_difference(measurement) else f"{scaled:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def _unit(measurement: str) -> str:
    kind = kind_of(measurement)
    if kind is Kind.RATIO:
        return f"{SPACE}\N{MULTIPLICATION SIGN}"
    if kind in {Kind.SCORE, Kind.COUNT}:
        return ""
    return f"{SPACE}pp" if is_difference(measurement) else f"{SPACE}%"
