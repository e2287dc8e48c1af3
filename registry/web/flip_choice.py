"""Flips as a person narrows them: by kind, class, new answer, or a part of the id."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KINDS = ("negative", "positive")
OFFERED = 200
"""Classes in a select (chosen)."""

Flip = dict[str, Any]


@dataclass(frozen=True)
class FlipChoice:
    """What was asked for, what that leaves, and what else could be asked for."""

    chosen: dict[str, str]
    flips: list[Flip]
    labels: list[tuple[str, int]]
    answers: list[tuple[str, int]]
    are_pictured: bool
    kinds: tuple[str, ...] = KINDS


def choose_flips(flips: Sequence[Flip], asked: Mapping[str, str]) -> FlipChoice:
    """Return the flips that the query string ``asked`` asks for."""
    chosen = {key: asked.get(key, "") for key in ("kind", "label", "new", "id")}
    return FlipChoice(
        chosen,
        [flip for flip in flips if _is_chosen(flip, chosen)],
        Counter(flip["label"] for flip in flips).most_common(OFFERED),
        Counter(flip["new"] for flip in flips).most_common(OFFERED),
        any(flip.get("thumbnail") for flip in flips),
    )


def _is_chosen(flip: Flip, chosen: Mapping[str, str]) -> bool:
    values = flip | {"kind": flip.get("kind", KINDS[0])}
    same = all(not chosen[key] or values[key] == chosen[key] for key in ("kind", "label", "new"))
    return same and chosen["id"].casefold() in str(flip["id"]).casefold()
