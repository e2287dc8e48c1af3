"""What one comparison measured on one evaluation set, as the upgrade page shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from compat.measurement import Measurement
from registry.evaluation.models import Comparison
from registry.evaluation.selectors import measurements_of
from registry.web import figures

CELL_MEASURES = {"map": "mAP", "hit_rate_at_1": "hit rate at 1"}
CELLS = (("old", "old"), ("old", "new"), ("new", "old"), ("new", "new"))
FLIP_MEASURES = ("retrieval_nfr", "retrieval_pfr")
CLASSIFICATION = (
    "accuracy.new_minus_old",
    "nfr",
    "pfr",
    "relative_nfr",
    "nfi",
    "btc",
    "bec",
)
NOTES: Mapping[str, str] = {
    "accuracy.new_minus_old": "PFR minus NFR",
    "nfr": "right before, wrong now; of all samples",
    "pfr": "wrong before, right now; of all samples",
    "relative_nfr": "1.00 is as many flips as two unrelated models would have",
    "nfi": "share of the new errors that are negative flips",
    "btc": "share of the right answers that stayed right",
    "bec": "share of the new version's errors that the old one made too",
    "retrieval_nfr": "first hit right before, wrong now",
    "retrieval_pfr": "first hit wrong before, right now",
    "strict.same_class": "pairs of one class not farther apart; a diagnostic, nobody nears 100 %",
    "strict.different_class": "pairs of two classes not nearer; a diagnostic",
}
LISTED_FLIPS = 1000
"""Of each kind, as ``docs/formats.md`` says; the matrix counts all negative ones."""

MATRIX_CLASSES = 20
"""Above so many classes the matrix becomes a list of its most frequent pairs."""


@dataclass(frozen=True)
class Shown:
    """One number with its interval, as text."""

    label: str
    value: str
    interval: str = ""
    note: str = ""
    reason: str = ""


@dataclass(frozen=True)
class CellTable:
    """The four cells of one measure: rows are query versions, columns gallery versions."""

    measure: str
    cells: dict[str, Shown]
    chance: str


@dataclass(frozen=True)
class SliceRow:
    """One slice with the numbers that are compared between slices."""

    slice: str
    support: int
    values: list[Shown]
    worst: float


@dataclass(frozen=True)
class FlipMatrix:
    """How often the new version answers what, by true class, over the negative flips."""

    labels: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    rows: list[tuple[str, list[int]]] = field(default_factory=list)
    pairs: list[tuple[str, str, int]] = field(default_factory=list)
    more_pairs: int = 0


@dataclass(frozen=True)
class Numbers:
    """What was measured on one set: on the whole of it, and on its slices."""

    is_first: bool
    facts: list[Shown]
    tables: list[CellTable]
    slice_headings: list[str]
    slices: list[SliceRow]


@dataclass(frozen=True)
class SetReport:
    """Everything one set says about an upgrade."""

    comparison: Comparison
    numbers: Numbers
    negative: int
    positive: int
    positives_are_cut: bool
    matrix: FlipMatrix

    @property
    def null_test(self) -> dict[str, Any]:
        """How the set's null test went."""
        return self.comparison.null_test


def numbers_of(measured: Sequence[Measurement], confidence: float, *, is_first: bool) -> Numbers:
    """Return measurements as the page shows them; numbers are formatted here, once."""
    whole = {m.name: m for m in measured if not m.slice}
    is_embedding = "map.new_new" in whole
    names = _facts(whole, is_embedding=is_embedding, is_first=is_first)
    compared = _compared(is_embedding=is_embedding, is_first=is_first)
    return Numbers(
        is_first=is_first,
        facts=[
            *_error_rates(whole, confidence),
            *(show(whole[name], confidence) for name in names if name in whole),
        ],
        tables=_tables(whole, confidence) if is_embedding else [],
        slice_headings=[figures.name_of(name) for name in compared],
        slices=_slices(measured, compared, confidence),
    )


def report_on(comparison: Comparison, confidence: float) -> SetReport:
    """Return what the comparison says."""
    is_first = comparison.old_digest == comparison.new_digest
    positive = sum(flip.get("kind") == "positive" for flip in comparison.flips)
    return SetReport(
        comparison=comparison,
        numbers=numbers_of(measurements_of(comparison), confidence, is_first=is_first),
        negative=sum(sum(row.values()) for row in comparison.flip_matrix.values()),
        positive=positive,
        positives_are_cut=positive >= LISTED_FLIPS,
        matrix=matrix_of(comparison.flip_matrix),
    )


def show(measurement: Measurement, confidence: float) -> Shown:
    """Return a measurement as text; where it is undefined, with the reason."""
    name, support = measurement.name, measurement.support
    label, note = figures.name_of(name), NOTES.get(name, "")
    if measurement.value is None or not measurement.is_finite:
        dash = figures.number(name, None, support)
        return Shown(label, dash, note=note, reason=measurement.undefined or "not finite")
    bounds = measurement.interval(confidence) or (None, None)
    return Shown(
        label,
        figures.number(name, measurement.value, support),
        figures.interval(name, *bounds, support),
        note,
    )


def matrix_of(counts: Mapping[str, Mapping[str, int]]) -> FlipMatrix:
    """Return the flips by class as a matrix, or as pairs where there are too many classes."""
    labels = sorted(counts)
    answers = sorted({answer for row in counts.values() for answer in row})
    if max(len(labels), len(answers)) <= MATRIX_CLASSES:
        rows = [(label, [counts[label].get(a, 0) for a in answers]) for label in labels]
        return FlipMatrix(labels, answers, rows)
    pairs = [(label, a, n) for label, row in counts.items() for a, n in row.items()]
    pairs.sort(key=lambda pair: (-pair[2], pair[0], pair[1]))
    return FlipMatrix(pairs=pairs[:MATRIX_CLASSES], more_pairs=len(pairs) - MATRIX_CLASSES)


def _error_rates(whole: Mapping[str, Measurement], confidence: float) -> list[Shown]:
    """Return both error rates: a flip rate is never shown without them."""
    shown = []
    for version in ("old", "new"):
        right = whole.get(f"accuracy.{version}")
        if right is None or right.value is None:
            continue
        ends = right.interval(confidence)
        lower, upper = (1 - ends[1], 1 - ends[0]) if ends else (None, None)
        shown.append(
            Shown(
                f"error rate, {version}",
                figures.number("error", 1 - right.value, right.support),
                figures.interval("error", lower, upper, right.support),
            )
        )
    return shown


def _facts(
    whole: Mapping[str, Measurement], *, is_embedding: bool, is_first: bool
) -> Sequence[str]:
    if is_first:
        return ["map.new_new_minus_chance"] if is_embedding else _FIRST_CLASSIFICATION
    if not is_embedding:
        return CLASSIFICATION
    differences = [
        f"{measure}.{pair}"
        for measure in CELL_MEASURES
        for pair in ("new_old_minus_old_old", "new_new_minus_old_old", "old_new_minus_old_old")
    ]
    strict = [name for name in whole if name.startswith("strict.")]
    return [*differences, *FLIP_MEASURES, *strict]


_FIRST_CLASSIFICATION = ("accuracy.new_minus_majority",)


def _compared(*, is_embedding: bool, is_first: bool) -> tuple[str, ...]:
    if is_embedding:
        if is_first:
            return ("map.new_new",)
        return ("map.old_old", "map.new_old", "map.new_old_minus_old_old", "retrieval_nfr")
    return ("accuracy.new",) if is_first else ("accuracy.old", "accuracy.new", "nfr", "pfr")


def _tables(whole: Mapping[str, Measurement], confidence: float) -> list[CellTable]:
    tables = []
    for measure, title in CELL_MEASURES.items():
        cells = {}
        for query, gallery in CELLS:
            found = whole.get(f"{measure}.{query}_{gallery}")
            if found is not None:
                cells[f"{query}_{gallery}"] = show(found, confidence)
        chance = _chance(whole) if measure == "map" else ""
        tables.append(CellTable(title, cells, chance))
    return tables


def _chance(whole: Mapping[str, Measurement]) -> str:
    """Return the level of a random order: the difference to it is measured, not itself."""
    own, above = whole.get("map.new_new"), whole.get("map.new_new_minus_chance")
    if own is None or above is None or own.value is None or above.value is None:
        return ""
    return figures.number("map", own.value - above.value, own.support)


def _slices(
    measured: Sequence[Measurement], compared: Sequence[str], confidence: float
) -> list[SliceRow]:
    by_slice: dict[str, dict[str, Measurement]] = {}
    for measurement in measured:
        if measurement.slice:
            by_slice.setdefault(measurement.slice, {})[measurement.name] = measurement
    rows = []
    for name, found in by_slice.items():
        values = [
            show(found[m], confidence) if m in found else Shown(m, "\N{EN DASH}") for m in compared
        ]
        flips = found.get("nfr") or found.get("retrieval_nfr")
        support = max((m.support for m in found.values()), default=0)
        rows.append(SliceRow(name, support, values, (flips.value or 0.0) if flips else 0.0))
    return sorted(rows, key=lambda row: (-row.worst, row.slice))
