"""Compatibility of two encoders: one retrieval test a cell, and paired differences of cells.

A cell is named by the version of its queries, then by that of its gallery. ``new_old`` against
``old_old`` is the backward question (may the query side move without a backfill), ``old_new``
against ``old_old`` the forward one. A producer is a third version whose vectors a gallery still
holds; a mixed gallery holds some new vectors among old ones (``mixtures.py``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from compat.errors import ShapeError, UndefinedMeasureError
from compat.measurement import Direction, Measurement
from compat.metrics.bootstrap import Contributions, summarise
from compat.metrics.distances import Distance, Rows, distances, on_grid
from compat.metrics.mixtures import MIXTURES
from compat.metrics.retrieval import BLOCK_BYTES, measure

MEASURES = ("map", "hit_rate_at_1", "hit_rate_at_10", "recall_at_10", "map_at_r")
"""Measured in every cell, per query, in [0, 1], higher is better."""

CELLS = ("old_old", "new_old", "new_new", "old_new")
PRODUCER_CELLS = ("old_producer", "new_producer", "producer_producer")
MIXED_CELLS = tuple(f"new_{name}" for name in MIXTURES)

DIFFERENCES = (
    ("new_old", "old_old"),
    ("old_new", "old_old"),
    ("new_new", "old_old"),
    ("new_new", "old_new"),
)
PRODUCER_DIFFERENCES = (
    ("new_producer", "old_producer"),
    ("new_producer", "producer_producer"),
)
MIXED_DIFFERENCES = tuple((cell, "old_old") for cell in MIXED_CELLS)

DIMENSIONS_DIFFER = "dimensions_differ"
NO_RELEVANT_ROW = "no_relevant_row"


@dataclass(frozen=True)
class Layout:
    """Which rows of an evaluation set ask and which answer.

    Attributes:
        labels: (n,) int64 class of each row.
        is_query: (n,) bool.
        is_gallery: (n,) bool. A row that is both never meets itself.
    """

    labels: np.ndarray
    is_query: np.ndarray
    is_gallery: np.ndarray

    def __post_init__(self) -> None:
        shapes = {self.labels.shape, self.is_query.shape, self.is_gallery.shape}
        if len(shapes) != 1 or self.labels.ndim != 1:
            raise ShapeError(f"labels and roles are {sorted(shapes)}")
        if self.is_query.dtype != bool or self.is_gallery.dtype != bool:
            raise ShapeError("roles are boolean")


Cell = Mapping[str, np.ndarray]
"""Per-query arrays of one cell, as ``retrieval.measure`` returns them."""


def measure_cells(
    versions: Mapping[str, np.ndarray],
    layout: Layout,
    distance: Distance,
    *,
    device: str = "cpu",
    block_bytes: int = BLOCK_BYTES,
    names: Sequence[str] | None = None,
) -> dict[str, Cell | None]:
    """Return the per-query measures of each cell.

    Args:
        versions: (n, D) embeddings by ``old``, ``new`` and, if a gallery still holds such vectors,
            ``producer``, or by any other name that ``names`` uses; all in the order of the layout,
            each with its own D.
        layout: labels and roles.
        distance: how embeddings are compared.
        device: where the arithmetic happens.
        block_bytes: memory for the tables over the pairs of one block.
        names: the cells to measure; all that ``versions`` allows when None.

    Returns:
        By cell name, per-query arrays over the queries in the order of the layout; None where the
        dimensions of the two sides differ.

    Raises:
        ShapeError: an argument has another rank, length or dtype than stated, or is not finite.

    Example:
        >>> x = np.array([[0.0], [1.0], [9.0]])
        >>> both = np.ones(3, dtype=bool)
        >>> cells = measure_cells({"old": x, "new": x[:, [0, 0]]},
        ...                       Layout(np.array([7, 7, 9]), both, both), Distance.EUCLIDEAN)
        >>> cells["old_old"]["map"].tolist(), cells["new_old"]
        ([1.0, 1.0, nan], None)
    """
    if names is None:
        names = CELLS + (PRODUCER_CELLS if "producer" in versions else ())
    needed = {version for cell in names for version in cell.split("_")}
    rows = {version: sides(versions[version], layout, device) for version in sorted(needed)}
    cells: dict[str, Cell | None] = {}
    for cell in names:
        query, gallery = (rows[v][i] for i, v in enumerate(cell.split("_")))
        same = query.grid.shape[1] == gallery.grid.shape[1]
        cells[cell] = measure(query, gallery, distance, block_bytes) if same else None
    return cells


def contributions(
    cells: Mapping[str, Cell | None], queries: int, measures: Sequence[str] = MEASURES
) -> list[Contributions]:
    """Return every cell, paired difference and retrieval flip as per-query contributions.

    Args:
        cells: what ``measure_cells`` returned; ``old_old`` and ``new_new`` are there.
        queries: Q, the number of queries.
        measures: which of ``MEASURES``; ``map`` is one of them.

    Returns:
        ``<measure>.<cell>``; ``<measure>.<first>_minus_<second>`` for the pairs above;
        ``map.new_new_minus_chance``; ``retrieval_nfr`` and ``retrieval_pfr``. Each is (Q,), all NaN
        where its cell is undefined.

    Example:
        >>> cell = {m: np.array([1.0]) for m in (*MEASURES, "relevant_share")}
        >>> found = contributions(dict.fromkeys(CELLS, cell), 1)
        >>> {c.name: c.mean for c in found}["map.new_old_minus_old_old"]
        0.0
    """
    found: list[Contributions] = []
    known = DIFFERENCES + PRODUCER_DIFFERENCES + MIXED_DIFFERENCES
    pairs = [pair for pair in known if pair[0] in cells and pair[1] in cells]
    for name in measures:
        by_cell = {cell: _of_cell(name, cell, cells[cell], queries) for cell in cells}
        found.extend(by_cell.values())
        found.extend(
            by_cell[first].minus(by_cell[second], f"{name}.{first}_minus_{second}")
            for first, second in pairs
        )
    chance = Contributions("chance", cells["new_new"]["relevant_share"], reason=NO_RELEVANT_ROW)
    own = _of_cell("map", "new_new", cells["new_new"], queries)
    found.append(own.minus(chance, "map.new_new_minus_chance"))
    return [*found, *retrieval_flips(cells, queries)]


def retrieval_flips(cells: Mapping[str, Cell | None], queries: int) -> list[Contributions]:
    """Return whose first hit on the old gallery went from right to wrong, and back.

    Args:
        cells: what ``measure_cells`` returned; ``old_old`` and ``new_old`` are there.
        queries: Q, the number of queries.

    Returns:
        ``retrieval_nfr`` and ``retrieval_pfr``, (Q,) each, 1 at a flip; NaN for a query with no
        relevant row, and everywhere when the dimensions differ.

    Example:
        >>> cells = {name: {"hit_rate_at_1": np.array([hit])}
        ...          for name, hit in (("old_old", 1.0), ("new_old", 0.0))}
        >>> [c.mean for c in retrieval_flips(cells, 1)]
        [1.0, 0.0]
    """
    names = {
        "retrieval_nfr": Direction.LOWER_IS_BETTER,
        "retrieval_pfr": Direction.HIGHER_IS_BETTER,
    }
    if cells["new_old"] is None:
        return [_undefined(name, queries, DIMENSIONS_DIFFER, way) for name, way in names.items()]
    old, new = (cells[c]["hit_rate_at_1"] for c in ("old_old", "new_old"))
    flips = {"retrieval_nfr": old * (1 - new), "retrieval_pfr": (1 - old) * new}
    return [
        Contributions(name, flips[name], way, reason=NO_RELEVANT_ROW, is_share=True)
        for name, way in names.items()
    ]


def summarise_cells(
    measures: Sequence[Contributions],
    rows: np.ndarray,
    clusters: np.ndarray | None = None,
    slice: str = "",
) -> list[Measurement]:
    """Return the measurements over some of the queries; the gallery stays whole.

    Args:
        measures: (Q,) contributions each.
        rows: (Q,) bool, the queries of the slice.
        clusters: (Q,) integers, equal for queries that are not independent.
        slice: recorded on each measurement.

    Returns:
        One measurement a measure.

    Raises:
        ShapeError: lengths differ.

    Example:
        >>> flags = Contributions("retrieval_nfr", np.array([1.0, 0.0]))
        >>> summarise_cells([flags], np.array([True, False]), slice="split=a")[0].value
        1.0
    """
    chosen = None if clusters is None else clusters[rows]
    return summarise([m.at(rows) for m in measures], chosen, slice=slice)


def strict_shares(
    old: np.ndarray,
    new: np.ndarray,
    layout: Layout,
    distance: Distance,
    *,
    rewritten: np.ndarray | None = None,
    device: str = "cpu",
    block_bytes: int = BLOCK_BYTES,
) -> list[Contributions]:
    """Return how far the strict criterion of compatibility holds; a diagnostic, not a gate.

    For a pair of one class the new query should be at least as near to the old gallery row as the
    old query is; for a pair of different classes at least as far. Nobody gets near 1.

    Args:
        old: (n, D) embeddings of the old version.
        new: (n, D) embeddings of the new version.
        layout: labels and roles.
        distance: how embeddings are compared.
        rewritten: (n, E) the old embeddings as the new queries meet them; as they are when None.
        device: where the arithmetic happens.
        block_bytes: memory for the tables over the pairs of one block.

    Returns:
        ``strict.same_class`` and ``strict.different_class``: per query the share, in [0, 1], of its
        pairs for which the criterion holds; NaN where it has no such pair, and everywhere when the
        dimensions differ.

    Raises:
        ShapeError: an argument has another rank, length or dtype than stated, or is not finite.

    Example:
        >>> x, both = np.array([[0.0], [1.0], [9.0]]), np.ones(3, dtype=bool)
        >>> [c.mean for c in strict_shares(x, x, Layout(np.array([7, 7, 9]), both, both),
        ...                                Distance.EUCLIDEAN)]
        [1.0, 1.0]

    Source: Shen et al., CVPR 2020, arXiv 2003.11942, equations 2 and 3.
    """
    queries, gallery = sides(old, layout, device)
    moved, _ = sides(new, layout, device)
    met = gallery if rewritten is None else sides(rewritten, layout, device)[1]
    kinds = ("strict.same_class", "strict.different_class")
    if met.grid.shape[1] != moved.grid.shape[1]:
        return [_undefined(kind, len(queries), DIMENSIONS_DIFFER) for kind in kinds]
    width = max(1, block_bytes // 64 // max(1, len(gallery)))
    shares = [
        _strict_block(q, m, gallery, met, distance)
        for q, m in zip(queries.split(width), moved.split(width), strict=True)
    ]
    table = np.concatenate(shares) if shares else np.zeros((0, 2))
    return [Contributions(k, table[:, i], reason="no_pair") for i, k in enumerate(kinds)]


def sides(embeddings: np.ndarray, layout: Layout, device: str = "cpu") -> tuple[Rows, Rows]:
    """Return the query rows and the gallery rows of one version, known by their row number.

    Args:
        embeddings: (n, D) in the order of the layout.
        layout: labels and roles.
        device: where the arithmetic happens.

    Returns:
        Q rows and N rows.

    Raises:
        ShapeError: another rank, length or dtype than stated, or a number that is not finite.

    Example:
        >>> layout = Layout(np.array([7, 9]), np.array([True, False]), np.array([True, True]))
        >>> [len(rows) for rows in sides(np.zeros((2, 3)), layout)]
        [1, 2]
    """
    if embeddings.shape[:1] != layout.labels.shape:
        raise ShapeError(f"embeddings are {embeddings.shape}, labels {layout.labels.shape}")

    def rows(mask: np.ndarray) -> Rows:
        return on_grid(
            torch.from_numpy(embeddings[mask]),
            torch.from_numpy(layout.labels[mask]),
            torch.from_numpy(np.flatnonzero(mask)),
            device,
        )

    return rows(layout.is_query), rows(layout.is_gallery)


def update_gain(new_old: float, old_old: float, paragon: float) -> float:
    """Return the share of a full backfill's gain that the new queries have on the old gallery.

    Args:
        new_old: a measure of the cross-test.
        old_old: the same measure of the old version's self-test.
        paragon: the same measure of the self-test of the new model trained without any constraint.

    Returns:
        1 where the update is worth as much as a full backfill, 0 where it is worth nothing,
        negative where it harms.

    Raises:
        UndefinedMeasureError: the paragon is no better than the old version.

    Example:
        >>> update_gain(0.5, 0.25, 0.75)
        0.5

    Source: Shen et al., CVPR 2020, arXiv 2003.11942, section 3.
    """
    gain = paragon - old_old
    if not gain > 0:
        raise UndefinedMeasureError("the paragon is no better than the old version")
    return (new_old - old_old) / gain


def compatibility_tax(paragon: float, new_new: float) -> float:
    """Return what the constraint costs the new version in its own self-test.

    Args:
        paragon: a measure of the self-test of the new model trained without any constraint.
        new_new: the same measure of the new version's self-test.

    Returns:
        Positive where the constraint costs something.

    Example:
        >>> compatibility_tax(0.75, 0.5)
        0.25
    """
    return paragon - new_new


def _of_cell(name: str, cell: str, values: Cell | None, queries: int) -> Contributions:
    if values is None:
        return _undefined(f"{name}.{cell}", queries, DIMENSIONS_DIFFER)
    is_share = name.startswith("hit_rate")
    return Contributions(f"{name}.{cell}", values[name], reason=NO_RELEVANT_ROW, is_share=is_share)


def _undefined(
    name: str, queries: int, reason: str, direction: Direction = Direction.HIGHER_IS_BETTER
) -> Contributions:
    return Contributions(name, np.full(queries, np.nan), direction, reason=reason)


def _strict_block(
    queries: Rows, moved: Rows, gallery: Rows, met: Rows, distance: Distance
) -> np.ndarray:
    """Return (B, 2) shares: same-class pairs not farther, different-class pairs not nearer."""
    before, after = distances(queries, gallery, distance), distances(moved, met, distance)
    same = queries.labels[:, None] == gallery.labels
    others = queries.ids[:, None] != gallery.ids
    shares = [
        (pairs & holds).sum(dim=1).double() / pairs.sum(dim=1)
        for pairs, holds in ((same & others, after <= before), (~same & others, after >= before))
    ]
    return torch.stack(shares, dim=1).cpu().numpy()
