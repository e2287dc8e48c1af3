"""The rows of the economics page: a figure, its interval, what it means; or why it has no value."""

from dataclasses import dataclass

from compat.measurement import Measurement
from registry.galleries.economics import Economics, Figure
from registry.web import figures

CONFIDENCE = 0.975
"""Each end of an interval; both together hold at 95 %."""

REASONS = {
    "not_compared": "the live encoder was not compared with the version that made the vectors",
    "no_paragon": "name a version that was trained without the constraint",
    "nothing_to_gain": "a full backfill would gain nothing that was measured",
    "dimensions_differ": "the vectors have different lengths",
    "no_relevant_row": "no query of the set has a relevant item",
    "cost_unknown": "the cost is unknown: give a price; the encode rate must have been measured",
    "no_value_given": "say what a point of mAP is worth",
    "never_measured": "the live encoder has embedded nothing here yet",
}


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    value: str
    interval: str
    meaning: str
    missing: str


def economics_rows(found: Economics) -> list[Row]:
    """Return quality as measured, then what follows from it."""
    against = "the version without the constraint" if found.paragon else "its own self-test"
    rows = [
        _measured("old_old", found.old_old, "as it was: the vectors with the version they are of"),
        _measured("new_old", found.new_old, "as it is now, without a backfill"),
        *(
            _measured(f"{share:.0%} moved", cell, "after that much of a backfill in random order")
            for share, cell in found.partly
        ),
        _measured("new_new", found.new_new, "after a full backfill"),
    ]
    if found.paragon:
        rows.append(_measured("paragon", found.paragon_self, f"{found.paragon} on its own vectors"))
    return [
        *rows,
        _share("update gain", found.update_gain, f"of the way from old_old to {against}"),
        _points("compatibility tax", found.tax, "mAP that the constraint costs the live encoder"),
        _points("gain of a backfill", found.backfill_gain, "mAP that a full backfill adds"),
    ]


def reason(code: str) -> str:
    """Return why something is undefined, in words."""
    return REASONS.get(code, code.replace("_", " "))


def _measured(name: str, found: Measurement | None, meaning: str) -> Row:
    if found is None:
        return Row(name, "", "", meaning, reason("not_compared"))
    if found.value is None:
        return Row(name, "", "", meaning, reason(found.undefined))
    low, high = found.interval(CONFIDENCE) or (None, None)
    value = figures.number("map", found.value, found.support)
    return Row(name, value, figures.interval("map", low, high, found.support), meaning, "")


def _share(name: str, figure: Figure, meaning: str) -> Row:
    if figure.value is None:
        return Row(name, "", "", meaning, reason(figure.undefined))
    shown = f"{100 * figure.value:.0f}{figures.SPACE}%".replace("-", figures.MINUS)
    return Row(name, shown, "", meaning, "")


def _points(name: str, figure: Figure, meaning: str) -> Row:
    if figure.value is None:
        return Row(name, "", "", meaning, reason(figure.undefined))
    shown = f"{figure.value:+.3f}".replace("-", figures.MINUS)
    return Row(name, shown, "", meaning, "")
