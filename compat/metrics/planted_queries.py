"""Regressions planted into an encoder: queries that ask for the opposite of what they mean."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from compat.errors import ShapeError
from compat.metrics.bootstrap import Contributions, summarise
from compat.metrics.cells import Cell, Layout, contributions
from compat.metrics.distances import Distance
from compat.metrics.planted import SEED, SHARES, Rung, broken_count

MEASURES = ("map", "hit_rate_at_1")
"""Chosen: what policies ask of encoders; the bootstrap of all measures would take longer."""


def with_wrong_queries(embeddings: np.ndarray, layout: Layout, distance: Distance) -> np.ndarray:
    """Return embeddings in which each query asks for the opposite of what it means.

    By angle or inner product that is the negated vector, which ranks any gallery the other way
    round; by Euclidean distance the vector on the other side of the gallery's centre. A query of
    another class would be no worse than chance.

    Args:
        embeddings: (n, D) embeddings of the old version.
        layout: labels and roles.
        distance: how embeddings are compared.

    Returns:
        (n, D), of the same dtype; rows that ask nothing are as they were.

    Raises:
        ShapeError: lengths differ.

    Example:
        >>> both = np.ones(2, dtype=bool)
        >>> x = np.array([[1.0], [4.0]])
        >>> with_wrong_queries(x, Layout(np.array([7, 9]), both, both), Distance.COSINE).tolist()
        [[-1.0], [-4.0]]
    """
    if embeddings.shape[:1] != layout.labels.shape:
        raise ShapeError(f"embeddings are {embeddings.shape}, labels {layout.labels.shape}")
    centre = np.zeros(embeddings.shape[1])
    if distance is Distance.EUCLIDEAN and layout.is_gallery.any():
        centre = embeddings[layout.is_gallery].mean(axis=0, dtype=np.float64)
    wrong = embeddings.copy()
    wrong[layout.is_query] = 2 * centre - embeddings[layout.is_query]
    return wrong


def query_ladder(
    old_old: Cell,
    wrong_old: Cell,
    clusters: np.ndarray | None = None,
    also: Callable[[Mapping[str, Cell | None]], Sequence[Contributions]] = lambda cells: (),
    shares: Sequence[float] = SHARES,
) -> list[Rung]:
    """Return what is measured of encoders that break more and more queries.

    Queries do not see each other, so each rung takes some from one cell and the rest from the
    other. The gallery stays the old version's: such an encoder's own test, and the test of old
    queries on its gallery, are those on the old gallery.

    Args:
        old_old: per-query measures of the old version.
        wrong_old: the same of ``with_wrong_queries`` on the old gallery.
        clusters: (Q,) integers, equal for queries that are not independent.
        also: returns further contributions of a version, given its cells.
        shares: of the queries that break, one a rung.

    Returns:
        One rung a share, in that order, each over all queries: the cells and differences of
        ``MEASURES``, and the retrieval flips.

    Raises:
        ShapeError: lengths differ.

    Example:
        >>> right, wrong = (
        ...     {m: np.full(10, x) for m in (*MEASURES, "relevant_share")} for x in (1.0, 0.0)
        ... )
        >>> rungs = query_ladder(right, wrong, shares=(0.0, 0.3))
        >>> [m.value for rung in rungs for m in rung.measurements if m.name == "retrieval_nfr"]
        [0.0, 0.3]
    """
    queries = len(old_old["map"])
    order = np.random.default_rng(SEED).permutation(queries)
    measures = []
    for share in shares:
        is_broken = np.zeros(queries, dtype=bool)
        is_broken[order[: broken_count(share, queries)]] = True
        cells = _cells(old_old, wrong_old, is_broken)
        measures.append([*contributions(cells, queries, MEASURES), *also(cells)])
    found = iter(summarise([one for rung in measures for one in rung], clusters))
    return [
        Rung(share, [next(found) for _ in rung])
        for share, rung in zip(shares, measures, strict=True)
    ]


def _cells(old_old: Cell, wrong_old: Cell, is_broken: np.ndarray) -> dict[str, Cell | None]:
    names = (*MEASURES, "relevant_share")
    new = {name: np.where(is_broken, wrong_old[name], old_old[name]) for name in names}
    return {"old_old": old_old, "new_old": new, "new_new": new, "old_new": old_old}
