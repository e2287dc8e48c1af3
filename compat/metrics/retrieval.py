"""Exact retrieval between two matrices of embeddings, in blocks, without a table of all pairs.

What decides every value is the rank of each relevant gallery row, so nothing else is kept:

- *Relevant* is a gallery row of the query's class. A row with the query's own id is never met.
- *Ties are pessimistic*: among rows at one distance the irrelevant ones come first. A model that
  maps everything to one point is as bad as it can be, and no order of the gallery can flatter it.
- *Nothing depends on the order of anything*: neither the distances (``distances.py``) nor, because
  shares are added in exact steps, their means.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from compat.errors import ShapeError
from compat.metrics.distances import NO_ID, Distance, Rows, distances
from compat.metrics.distances import on_grid as on_grid  # callers and examples need it beside these

MISSING = -1
"""Pads short rows of ranks, and stands for the class of a first hit that does not exist."""

BLOCK_BYTES = 64 * 2**20
"""Chosen: what the tables of one block of pairs may take."""

PAIR_BYTES = 64
"""Counted: eight eight-byte tables over the pairs of a block are alive at once."""

SHARE_STEP = 2.0**-32
"""Precision shares are rounded to this, so that up to 2 ** 21 of them add up exactly."""


@dataclass(frozen=True)
class Ranked:
    """Where the relevant rows of some queries stand.

    Attributes:
        ranks: (Q, R) int64, rising; the rank, from 1, of each relevant gallery row among all that
            the query may meet; ``MISSING`` pads a query with fewer than R.
        first: (Q,) int64, the class of the first hit, or ``MISSING`` where there is none. Among
            irrelevant rows that tie for the first place the least class is named.
        gallery: (Q,) int64, the number of gallery rows that the query may meet.
    """

    ranks: Tensor
    first: Tensor
    gallery: Tensor


def ranked(
    queries: Rows, gallery: Rows, distance: Distance, block_bytes: int = BLOCK_BYTES
) -> Iterator[Ranked]:
    """Yield, for consecutive blocks of queries, the ranks of their relevant gallery rows.

    The j-th nearest relevant row has rank j plus the number of irrelevant rows at most as far away.
    Counted in a second pass over the gallery; a gallery that fits one block is read once.

    Args:
        queries: Q rows of dimension D.
        gallery: N rows of dimension D.
        distance: which one.
        block_bytes: memory for the tables over the pairs of one block; one query, and as many
            rows as its class has in the gallery, are the least that a block holds.

    Yields:
        Blocks in the order of the queries, on the device of the rows.

    Raises:
        ShapeError: the dimensions differ.

    Example:
        >>> rows = on_grid(torch.tensor([[1.0], [1.0], [2.0]]), torch.tensor([7, 9, 7]))
        >>> block = next(ranked(rows.at(slice(1)), rows, Distance.EUCLIDEAN))
        >>> block.ranks.tolist(), block.first.tolist()
        ([[2, 3]], [9])
    """
    pairs = max(1, block_bytes // PAIR_BYTES)
    width = max(1, min(len(gallery), max(pairs // 64, pairs // max(1, len(queries)))))
    classes, sizes = torch.unique(gallery.labels, return_counts=True)
    greatest = int(sizes.max()) if len(sizes) else 0
    for block in queries.split(max(1, pairs // max(width, greatest))):
        expected = _counts_of(block.labels, classes, sizes)
        yield _rank_block(block, list(gallery.split(width)), distance, expected)


def hit_rate_at_k(ranks: Tensor, k: int) -> Tensor:
    """Return, per query, whether a relevant row is among the first ``k``.

    The metric-learning papers call this Recall@K, the recognition papers CMC-k or top-k.

    Args:
        ranks: (Q, R) integers, rising, from 1; ``MISSING`` pads.
        k: number of neighbours to look at, k >= 1.

    Returns:
        (Q,) float64, 0 or 1; NaN for a query with no relevant row.

    Raises:
        ShapeError: ``ranks`` is not an integer table, or ``k`` is below 1.

    Example:
        >>> hit_rate_at_k(torch.tensor([[2, 5], [-1, -1]]), 2).tolist()
        [1.0, nan]
    """
    _require_ranks(ranks, k)
    hits = ((ranks != MISSING) & (ranks <= k)).any(dim=1).double()
    return torch.where((ranks != MISSING).any(dim=1), hits, math.nan)


def recall_at_k(ranks: Tensor, k: int) -> Tensor:
    """Return, per query, the share of its relevant rows found among the first ``k``.

    This is recall as information retrieval defines it; for "Recall@K" of the metric-learning papers
    see ``hit_rate_at_k``.

    Args:
        ranks: (Q, R) integers, rising, from 1; ``MISSING`` pads.
        k: number of neighbours to look at, k >= 1.

    Returns:
        (Q,) float64 in [0, 1]; NaN for a query with no relevant row.

    Raises:
        ShapeError: ``ranks`` is not an integer table, or ``k`` is below 1.

    Example:
        >>> recall_at_k(torch.tensor([[2, 5]]), 2).tolist()
        [0.5]
    """
    _require_ranks(ranks, k)
    relevant = ranks != MISSING
    found = (relevant & (ranks <= k)).sum(dim=1)
    return found.double() / relevant.sum(dim=1)  # 0 / 0 is NaN: nothing to recall


def average_precision(ranks: Tensor) -> Tensor:
    """Return, per query, the mean over its relevant rows of the precision at each one's rank.

    Over the full ranking, so that its mean over queries is mAP. Exact to 2 ** -32.

    Args:
        ranks: (Q, R) integers, rising, from 1; ``MISSING`` pads.

    Returns:
        (Q,) float64 in (0, 1]; NaN for a query with no relevant row.

    Raises:
        ShapeError: ``ranks`` is not an integer table.

    Example:
        >>> average_precision(torch.tensor([[1, 4]])).tolist()
        [0.75]
    """
    _require_ranks(ranks, 1)
    relevant = ranks != MISSING
    return _precisions(ranks).sum(dim=1) / relevant.sum(dim=1)


def map_at_r(ranks: Tensor) -> Tensor:
    """Return, per query with R relevant rows, average precision cut off after rank R.

    Rows found after rank R count zero, and the divisor stays R.

    Args:
        ranks: (Q, R) integers, rising, from 1; ``MISSING`` pads.

    Returns:
        (Q,) float64 in [0, 1]; NaN for a query with no relevant row.

    Raises:
        ShapeError: ``ranks`` is not an integer table.

    Example:
        >>> map_at_r(torch.tensor([[1, 4]])).tolist()
        [0.5]

    Source: Musgrave, Belongie and Lim, ECCV 2020, arXiv 2003.08505, section 3.2.
    """
    _require_ranks(ranks, 1)
    relevant = (ranks != MISSING).sum(dim=1)
    kept = torch.where(ranks <= relevant[:, None], _precisions(ranks), 0.0)
    return kept.sum(dim=1) / relevant


def measure(
    queries: Rows, gallery: Rows, distance: Distance, block_bytes: int = BLOCK_BYTES
) -> dict[str, np.ndarray]:
    """Return every retrieval measure of each query.

    Args:
        queries: Q rows of dimension D.
        gallery: N rows of dimension D.
        distance: which one.
        block_bytes: memory for the tables over the pairs of one block.

    Returns:
        (Q,) float64 each, NaN for a query with no relevant row: ``map``, ``hit_rate_at_1``,
        ``hit_rate_at_10``, ``recall_at_10``, ``map_at_r``; ``relevant_share``, the share of the
        gallery that is relevant (NaN where the query may meet nothing); and (Q,) int64 ``first``,
        the class of the first hit.

    Raises:
        ShapeError: the dimensions differ.

    Example:
        >>> rows = on_grid(torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([7, 7, 9]),
        ...                torch.arange(3))
        >>> measure(rows, rows, Distance.EUCLIDEAN)["map"].tolist()
        [1.0, 1.0, nan]
    """
    parts = [_measure_block(b) for b in ranked(queries, gallery, distance, block_bytes)]
    if not parts:
        empty = Ranked(*(torch.zeros(size, dtype=torch.int64) for size in ((0, 0), 0, 0)))
        parts = [_measure_block(empty)]
    return {name: torch.cat([p[name] for p in parts]).cpu().numpy() for name in parts[0]}


_Table = tuple[Rows, Tensor, Tensor]
"""A part of the gallery, its distances from the queries, and whether the classes are the same."""


def _measure_block(block: Ranked) -> dict[str, Tensor]:
    relevant = (block.ranks != MISSING).sum(dim=1)
    return {
        "map": average_precision(block.ranks),
        "hit_rate_at_1": hit_rate_at_k(block.ranks, 1),
        "hit_rate_at_10": hit_rate_at_k(block.ranks, 10),
        "recall_at_10": recall_at_k(block.ranks, 10),
        "map_at_r": map_at_r(block.ranks),
        "relevant_share": relevant.double() / block.gallery,
        "first": block.first,
    }


def _rank_block(queries: Rows, gallery: list[Rows], distance: Distance, expected: Tensor) -> Ranked:
    """Rank one block of queries; ``expected`` bounds how many relevant rows each may have."""

    def tables() -> Iterator[_Table]:
        for part in gallery:
            yield part, distances(queries, part, distance), queries.labels[:, None] == part.labels

    passes = [list(tables())] * 2 if len(gallery) == 1 else [tables(), tables()]
    relevant, met = _gather_relevant(queries, passes[0], int(expected.max()))
    return _count_irrelevant(queries, passes[1], relevant, met)


def _gather_relevant(queries: Rows, tables: Iterable[_Table], width: int) -> tuple[Tensor, Tensor]:
    """Return (B, R) rising distances to relevant rows, infinity after the last, and rows met."""
    count, device = len(queries), queries.labels.device
    found = torch.full((count, width), math.inf, dtype=torch.float64, device=device)
    filled, met = (torch.zeros(count, dtype=torch.int64, device=device) for _ in range(2))
    for part, table, same in tables:
        may_meet = queries.ids[:, None] != part.ids if _have_ids(queries, part) else None
        chosen = same if may_meet is None else same & may_meet
        row, column = chosen.nonzero(as_tuple=True)
        place = (chosen.cumsum(dim=1) - 1 + filled[:, None])[row, column]
        found[row, place] = table[row, column]
        filled += chosen.sum(dim=1)
        met += len(part) if may_meet is None else may_meet.sum(dim=1)
    return found.sort(dim=1).values, met


def _count_irrelevant(
    queries: Rows, tables: Iterable[_Table], relevant: Tensor, met: Tensor
) -> Ranked:
    count, width = relevant.shape
    device = relevant.device
    ahead = torch.zeros(count, width + 1, dtype=torch.int64, device=device)
    offset = torch.arange(count, device=device)[:, None] * (width + 1)
    nearest = torch.full((count,), math.inf, dtype=torch.float64, device=device)
    first = torch.full((count,), MISSING, dtype=torch.int64, device=device)
    for part, table, same in tables:
        excluded = same
        if _have_ids(queries, part):
            excluded = same | (queries.ids[:, None] == part.ids)
        table = table.masked_fill(excluded, math.inf)
        # An irrelevant row stands before every relevant row that is not strictly nearer.
        bins = torch.searchsorted(relevant, table).add_(offset)
        ahead += torch.bincount(bins.view(-1), minlength=ahead.numel()).view_as(ahead)
        nearest, first = _nearer(nearest, first, table, part.labels)
    place = torch.arange(1, width + 1, device=device)
    ranks = place + ahead[:, :width].cumsum(dim=1)
    ranks = torch.where(relevant.isinf(), MISSING, ranks)
    right = (ranks[:, :1] == 1).any(dim=1)
    return Ranked(ranks, torch.where(right, queries.labels, first), met)


def _nearer(nearest: Tensor, first: Tensor, table: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Merge the nearest irrelevant rows of one part into those of the parts before it."""
    best = table.amin(dim=1)
    most = torch.iinfo(torch.int64).max
    named = torch.where(table == best[:, None], labels, most).amin(dim=1)
    tied = torch.minimum(first, named)
    merged = torch.where(best < nearest, named, torch.where(best == nearest, tied, first))
    return torch.minimum(best, nearest), merged


def _precisions(ranks: Tensor) -> Tensor:
    """Return (Q, R) precision at each relevant rank, 0 at padding, in steps of ``SHARE_STEP``."""
    place = torch.arange(1, ranks.shape[1] + 1, device=ranks.device)
    exact = torch.where(ranks != MISSING, place.double() / ranks, 0.0)
    return (exact / SHARE_STEP).round() * SHARE_STEP


def _counts_of(labels: Tensor, classes: Tensor, sizes: Tensor) -> Tensor:
    """Return (B,) int64: how many gallery rows have each query's class, itself included."""
    if not len(classes):
        return torch.zeros_like(labels)
    at = torch.searchsorted(classes, labels).clamp(max=len(classes) - 1)
    return torch.where(classes[at] == labels, sizes[at], 0)


def _have_ids(queries: Rows, gallery: Rows) -> bool:
    return bool((queries.ids != NO_ID).any()) and bool((gallery.ids != NO_ID).any())


def _require_ranks(ranks: Tensor, k: int) -> None:
    if ranks.ndim != 2 or ranks.is_floating_point():
        raise ShapeError(f"ranks are {tuple(ranks.shape)} {ranks.dtype}")
    if k < 1:
        raise ShapeError(f"k is {k}, below 1")
