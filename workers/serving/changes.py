"""What differs between two answers to one query; pure."""

from collections.abc import Mapping, Sequence
from typing import Any

Hit = Mapping[str, Any]

OVERLAP_AT = 10
"""Hits that an overlap is of, or as many as were asked for where these are fewer."""


def overlap(old: Sequence[str], new: Sequence[str]) -> float | None:
    """Return the share of hits that both answers have, of the longer one; None of two empty."""
    longer = max(len(old), len(new))
    return len(set(old) & set(new)) / longer if longer else None


def with_changes(
    old: Sequence[Hit], new: Sequence[Hit]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return both answers, each hit with what becomes of it or where it came from.

    ``change`` is ``kept``, ``moved_up``, ``moved_down``, ``gone`` or ``new``; ``by`` counts ranks.
    """
    old_ranks = {hit["id"]: rank for rank, hit in enumerate(old)}
    new_ranks = {hit["id"]: rank for rank, hit in enumerate(new)}
    return (
        [{**hit, **_change(rank, new_ranks.get(hit["id"]))} for rank, hit in enumerate(old)],
        [{**hit, **_change(old_ranks.get(hit["id"]), rank)} for rank, hit in enumerate(new)],
    )


def flip(label: str | None, old: Sequence[Hit], new: Sequence[Hit]) -> str:
    """Return ``negative``, ``positive`` or ``none`` of the first hits, or ``unknown``.

    An answer without a hit is wrong. Where the label of the query or of a first hit is not known,
    nothing is.
    """
    if label is None or any(hits and hits[0]["label"] is None for hits in (old, new)):
        return "unknown"
    was, is_now = (bool(hits) and hits[0]["label"] == label for hits in (old, new))
    if was == is_now:
        return "none"
    return "negative" if was else "positive"


def _change(old: int | None, new: int | None) -> dict[str, Any]:
    if old is None:
        return {"change": "new", "by": 0}
    if new is None:
        return {"change": "gone", "by": 0}
    if old == new:
        return {"change": "kept", "by": 0}
    return {"change": "moved_up" if new < old else "moved_down", "by": abs(old - new)}
