"""Bringing two lists of samples into one order, by id and never by position."""

import numpy as np

from compat.errors import ShapeError


def order_by_id(ids: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return the rows of ``found`` in the order of ``ids``.

    Args:
        ids: (n,) the wanted order; unicode or integers, all different.
        found: (n,) the same ids in any order, of the same kind.

    Returns:
        (n,) int64 such that ``found[rows]`` equals ``ids``.

    Raises:
        ShapeError: an id is repeated, missing, or not wanted.

    Example:
        >>> order_by_id(np.array(["a", "b"]), np.array(["b", "a"])).tolist()
        [1, 0]
    """
    if ids.ndim != 1 or found.ndim != 1:
        raise ShapeError("ids are one-dimensional")
    wanted_order, found_order = np.argsort(ids, kind="stable"), np.argsort(found, kind="stable")
    wanted_sorted, found_sorted = ids[wanted_order], found[found_order]
    for name, ordered in (("wanted", wanted_sorted), ("found", found_sorted)):
        repeated = ordered[1:][ordered[1:] == ordered[:-1]]
        if len(repeated):
            raise ShapeError(f"{name} id {str(repeated[0])!r} is repeated")
    if len(ids) != len(found) or (wanted_sorted != found_sorted).any():
        raise ShapeError(_difference(ids, found))
    rows = np.empty(len(ids), dtype=np.int64)
    rows[wanted_order] = found_order
    return rows


def _difference(ids: np.ndarray, found: np.ndarray) -> str:
    missing, extra = np.setdiff1d(ids, found), np.setdiff1d(found, ids)
    parts = [
        f"{len(some)} {what}, such as {str(some[0])!r}"
        for what, some in (("missing", missing), ("not in the set", extra))
        if len(some)
    ]
    return "ids differ: " + "; ".join(parts)
