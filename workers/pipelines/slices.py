"""The named subsets of a set on which everything is measured once more."""

from collections.abc import Sequence

import numpy as np

from workers.artifacts.stored import CLASS, CanonicalSet
from workers.errors import PermanentError

MAX_CROSSED = 500
"""Slices that a policy may ask for beyond those of single columns (chosen: each is measured in
full, and a report of more is read by nobody)."""

PINNED = "pinned"

Masks = list[tuple[str, np.ndarray]]


def slice_masks(
    judged: CanonicalSet, crossed: Sequence[Sequence[str]] = (), asked: np.ndarray | None = None
) -> Masks:
    """Return the whole set, named by the empty string, then each slice with its rows.

    ``column=value`` for each column, ``pinned=true`` for pinned examples, and for each entry of
    ``crossed`` every combination of values that occurs, as ``class=7&ink=thick``: columns sorted by
    name, ``class`` being the true class. A row without a value is in no slice of that column, and
    columns that the set does not have make none.

    Args:
        judged: the set.
        crossed: lists of columns.
        asked: (n,) bool, the rows that combinations are made of; all when None.

    Raises:
        PermanentError: ``too_many_slices``; ``ambiguous_slices`` when two have the same name.
    """
    masks: Masks = [("", np.ones(len(judged.ids), dtype=bool))]
    if judged.pinned.any():
        masks.append((f"{PINNED}=true", judged.pinned))
    for column, values in sorted(judged.slices.items()):
        masks += [(f"{column}={v}", values == v) for v in np.unique(values[values != ""])]
    masks += _crossed_masks(judged, crossed, masks[0][1] if asked is None else asked)
    names = [name for name, _ in masks]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise PermanentError("ambiguous_slices", f"two slices would be called {twice!r}")
    return masks


def _crossed_masks(
    judged: CanonicalSet, crossed: Sequence[Sequence[str]], asked: np.ndarray
) -> Masks:
    wanted = sorted({tuple(sorted(set(columns))) for columns in crossed})
    found = [
        (columns, *_combinations(judged, columns, asked))
        for columns in wanted
        if len(columns) > 1 or columns == (CLASS,)
    ]
    count = sum(len(combinations) for _, combinations, _ in found)
    if count > MAX_CROSSED:
        raise PermanentError(
            "too_many_slices",
            f"the policy asks for {count} crossed slices of this set; at most {MAX_CROSSED} are "
            "measured",
        )
    return [
        ("&".join(f"{c}={v}" for c, v in zip(columns, values, strict=True)), member_of == at)
        for columns, combinations, member_of in found
        for at, values in enumerate(combinations.tolist())
    ]


def _combinations(
    judged: CanonicalSet, columns: tuple[str, ...], asked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return (k, columns) values that occur together, and for each row which of them, or -1."""
    table = np.stack([_column(judged, name) for name in columns], axis=1)
    member_of = np.full(len(table), -1)
    present = asked & (table != "").all(axis=1)
    combinations, member_of[present] = np.unique(table[present], axis=0, return_inverse=True)
    return combinations, member_of


def _column(judged: CanonicalSet, name: str) -> np.ndarray:
    """Return (n,) texts, empty where a row has no value."""
    if name == CLASS:
        if CLASS in judged.slices:
            raise PermanentError("ambiguous_slices", f"the set has a column {CLASS!r} of its own")
        return judged.classes[judged.labels]
    if name == PINNED:
        return np.where(judged.pinned, "true", "")
    return judged.slices.get(name, np.full(len(judged.ids), ""))
