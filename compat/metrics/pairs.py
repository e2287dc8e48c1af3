"""What a query sees of single gallery rows: its ten nearest, and whom a cut-off accepts."""

import math
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from compat.errors import ShapeError
from compat.measurement import Direction
from compat.metrics.bootstrap import Contributions
from compat.metrics.cells import DIMENSIONS_DIFFER, Layout, sides
from compat.metrics.distances import Distance, Rows, distances
from compat.metrics.retrieval import BLOCK_BYTES, PAIR_BYTES

NEIGHBOURS = 10

ACCEPTED_CELLS = ("old_old", "new_old", "new_new")
RATES = {"tar": Direction.HIGHER_IS_BETTER, "far": Direction.LOWER_IS_BETTER}


def neighbour_overlap(
    old: np.ndarray,
    new: np.ndarray,
    ids: np.ndarray,
    layout: Layout,
    distance: Distance,
    *,
    rewritten: np.ndarray | None = None,
    device: str = "cpu",
    block_bytes: int = BLOCK_BYTES,
) -> Contributions:
    """Return how many of the ten nearest old rows of a query stay when the new version asks.

    Rows at one distance come in the order of their ids, whatever the order of the gallery.

    Args:
        old: (n, D) embeddings of the old version.
        new: (n, D) embeddings of the new version.
        ids: (n,) ids of the samples, all different.
        layout: labels and roles.
        distance: how embeddings are compared.
        rewritten: (n, E) the old embeddings as the new queries meet them; as they are when None.
        device: where the arithmetic happens.
        block_bytes: memory for the tables over the pairs of one block.

    Returns:
        ``neighbour_overlap_at_10``: (Q,) in [0, 1], the shared rows over ten, or over all that the
        query may meet where these are fewer; NaN where it meets nothing, and everywhere when the
        dimensions differ.

    Raises:
        ShapeError: an argument has another rank, length or dtype than stated, or is not finite.

    Example:
        >>> x, both = np.array([[0.0], [1.0], [9.0]]), np.ones(3, dtype=bool)
        >>> neighbour_overlap(x, x, np.array(["a", "b", "c"]),
        ...                   Layout(np.array([7, 7, 9]), both, both), Distance.EUCLIDEAN).mean
        1.0
    """
    if ids.shape != layout.labels.shape:
        raise ShapeError(f"ids are {ids.shape}, labels {layout.labels.shape}")
    by_id = np.argsort(ids, kind="stable")
    in_order = Layout(layout.labels[by_id], layout.is_query[by_id], layout.is_gallery[by_id])
    queries, gallery = sides(old[by_id], in_order, device)
    moved, _ = sides(new[by_id], in_order, device)
    met = gallery if rewritten is None else sides(rewritten[by_id], in_order, device)[1]
    values = np.full(len(queries), np.nan)
    reason = "the query meets nothing"
    if met.grid.shape[1] != moved.grid.shape[1]:
        reason = DIMENSIONS_DIFFER
    else:
        width = _width(gallery, block_bytes)
        shares = [
            _shared(before, after, gallery, met, distance)
            for before, after in zip(queries.split(width), moved.split(width), strict=True)
        ]
        if shares:
            asked = by_id[in_order.is_query]
            values[np.argsort(np.argsort(asked))] = np.concatenate(shares)
    return Contributions(f"neighbour_overlap_at_{NEIGHBOURS}", values, reason=reason)


def accepted_shares(
    versions: Mapping[str, np.ndarray],
    layout: Layout,
    distance: Distance,
    cut_off: float,
    *,
    rewritten: np.ndarray | None = None,
    device: str = "cpu",
    block_bytes: int = BLOCK_BYTES,
) -> list[Contributions]:
    """Return the true and false acceptance rates of consumers who hard-coded a cut-off.

    A pair is accepted when its cosine or inner product is at least the cut-off, or its Euclidean
    distance at most that. Both versions are held against the *same* cut-off.

    Args:
        versions: (n, D) embeddings by ``old`` and ``new``.
        layout: labels and roles.
        distance: how embeddings are compared.
        cut_off: in the unit of the score.
        rewritten: (n, E) the old embeddings as the new queries meet them; as they are when None.
        device: where the arithmetic happens.
        block_bytes: memory for the tables over the pairs of one block.

    Returns:
        ``tar.<cell>``, per query the share of its same-class gallery rows that is accepted, and
        ``far.<cell>``, the same of the other rows, for ``old_old``, ``new_old`` and ``new_new``,
        with the differences of the last two to the first. NaN where a query has no such row, and
        everywhere in ``new_old`` when the dimensions differ.

    Raises:
        ShapeError: an argument has another rank, length or dtype than stated, or is not finite.

    Example:
        >>> x, both = np.array([[0.0], [1.0], [1.5]]), np.ones(3, dtype=bool)
        >>> found = accepted_shares({"old": x, "new": x}, Layout(np.array([7, 7, 9]), both, both),
        ...                         Distance.EUCLIDEAN, 1.0)
        >>> {c.name: c.mean for c in found if c.name.endswith(".old_old")}
        {'tar.old_old': 1.0, 'far.old_old': 0.5}
    """
    rows = {name: sides(versions[name], layout, device) for name in ("old", "new")}
    limit = _limit(distance, cut_off)
    tables = {}
    for cell in ACCEPTED_CELLS:
        query, gallery = (rows[name][i] for i, name in enumerate(cell.split("_")))
        if cell == "new_old" and rewritten is not None:
            gallery = sides(rewritten, layout, device)[1]
        tables[cell] = _accepted(query, gallery, distance, limit, block_bytes)
    found: list[Contributions] = []
    for at, (rate, direction) in enumerate(RATES.items()):
        by_cell = {
            cell: Contributions(
                f"{rate}.{cell}",
                np.full(len(rows["old"][0]), np.nan) if table is None else table[:, at],
                direction,
                reason=DIMENSIONS_DIFFER if table is None else "no_pair",
            )
            for cell, table in tables.items()
        }
        first, *others = ACCEPTED_CELLS
        found.extend(by_cell.values())
        found.extend(
            by_cell[cell].minus(by_cell[first], f"{rate}.{cell}_minus_{first}") for cell in others
        )
    return found


def _width(gallery: Rows, block_bytes: int) -> int:
    return max(1, block_bytes // PAIR_BYTES // max(1, len(gallery)))


def _shared(before: Rows, after: Rows, gallery: Rows, met: Rows, distance: Distance) -> np.ndarray:
    may_meet = before.ids[:, None] != gallery.ids
    old, new = (
        _nearest(distances(rows, held, distance), may_meet)
        for rows, held in ((before, gallery), (after, met))
    )
    size = may_meet.sum(dim=1).clamp(max=NEIGHBOURS)
    return ((old & new).sum(dim=1).double() / size).cpu().numpy()  # 0 / 0 is NaN: nothing to meet


def _nearest(table: Tensor, may_meet: Tensor) -> Tensor:
    """Return (B, N) bool: the nearest columns of each row, the first of those that tie."""
    count = min(NEIGHBOURS, table.shape[1])
    if not count:
        return may_meet
    table = table.masked_fill(~may_meet, math.inf)
    last = table.topk(count, dim=1, largest=False).values[:, -1:]
    nearer, tied = table < last, table == last
    room = count - nearer.sum(dim=1, keepdim=True)
    crowded = (tied.sum(dim=1, keepdim=True) > room).flatten()
    tied[crowded] &= tied[crowded].cumsum(dim=1) <= room[crowded]
    return (nearer | tied) & may_meet


def _limit(distance: Distance, cut_off: float) -> float:
    """Return the greatest value of ``distances`` that is accepted."""
    if distance is not Distance.EUCLIDEAN:
        return -cut_off
    return cut_off**2 if cut_off >= 0 else -math.inf


def _accepted(
    queries: Rows, gallery: Rows, distance: Distance, limit: float, block_bytes: int
) -> np.ndarray | None:
    """Return (Q, 2): of pairs of one class, and of two, the share that is accepted; or None."""
    if queries.grid.shape[1] != gallery.grid.shape[1]:
        return None

    def shares() -> Iterator[Tensor]:
        for block in queries.split(_width(gallery, block_bytes)):
            accepted = distances(block, gallery, distance) <= limit
            met = block.ids[:, None] != gallery.ids
            same = block.labels[:, None] == gallery.labels
            yield torch.stack(
                [
                    (pairs & accepted).sum(dim=1).double() / pairs.sum(dim=1)
                    for pairs in (same & met, ~same & met)
                ],
                dim=1,
            )

    found = [block.cpu().numpy() for block in shares()]
    return np.concatenate(found) if found else np.zeros((0, 2))
