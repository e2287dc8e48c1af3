"""Build the index of a segment: of the kind that its size asks for, if its recall allows that."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import faiss
import numpy as np

from workers.indexing import choice
from workers.indexing.choice import Kind
from workers.indexing.faiss_approximate import FaissApproximate
from workers.indexing.faiss_flat import FaissFlat, metric_of
from workers.indexing.protocol import Vectors

BLOCK_ROWS = 10_000
"""Rows that are added between two reports."""

TRIAL_QUERIES = 200
"""Rows that are held back as queries: one half tunes the effort, the other half measures."""

TRIAL_K = 10

SCORE_TOLERANCE = 1e-5
"""How far below the tenth exact score a found one may lie, as a share of it: two ways to add up
float32 numbers differ by less."""

EFFORTS = {
    Kind.HNSW: (32, 64, 128, 256, 512),
    Kind.IVF_SQ8: (8, 16, 32, 64, 128, 256, 512, 1024),
}
"""From the cheapest; the first that reaches the recall aimed at is kept in the file (chosen)."""

SEED = 0

Index = FaissFlat | FaissApproximate
Report = Callable[[int], None]


@dataclass(frozen=True)
class Built:
    """An index and how it came about.

    Attributes:
        recall_at_10: share of the ten nearest rows that it finds; 1 when every row is compared.
        note: why it is not of the kind that its size asks for, or nothing.
    """

    index: Index
    recall_at_10: float
    note: str


def blocks_of(kind: Kind, rows: int) -> int:
    """Return how many blocks ``chosen`` reports for a segment of that size."""
    return 0 if kind is Kind.FLAT else -(-rows // BLOCK_ROWS)


def chosen(
    exact: FaissFlat, report: Report, *, kind: Kind, floor: float = choice.RECALL_FLOOR
) -> Built:
    """Return an index of ``kind`` over the rows of ``exact``, or ``exact`` where that is better.

    An index that approximates is tuned on rows of the segment, each asked for its neighbours, and
    measured on others; none of these are in the sample that its centroids are trained on.
    Deterministic, on one thread; for ``TRIAL_QUERIES`` rows and more.
    """
    if kind is Kind.FLAT:
        return Built(exact, 1.0, "")
    faiss.omp_set_num_threads(1)
    held_back = _held_back(len(exact))
    index = approximate(exact, kind, report, held_back=held_back)
    trials = [_Trial.of(exact, int(row)) for row in held_back]
    for effort in EFFORTS[kind]:
        if effort > index.largest_effort:
            break
        index.effort = effort
        if _recall(index, trials[::2]) >= choice.RECALL_AIMED_AT:
            break
    recall = _recall(index, trials[1::2])
    if recall < floor:
        return Built(exact, 1.0, f"{kind} found {recall:.3f} of the nearest, {floor:g} is asked")
    return Built(index, recall, "")


def approximate(
    exact: FaissFlat, kind: Kind, report: Report, *, held_back: np.ndarray
) -> FaissApproximate:
    """Return the rows of ``exact`` as an index that approximates."""
    build = _graph if kind is Kind.HNSW else _lists
    engine = build(exact, report, held_back)
    return FaissApproximate(exact.dimension, exact.distance, engine)


@dataclass(frozen=True)
class _Trial:
    """A row as a query, and the score of the tenth nearest other row.

    What scores as that one counts as found, so that of equal rows it does not matter which.
    """

    row: int
    vector: Vectors
    least: float

    @classmethod
    def of(cls, exact: FaissFlat, row: int) -> "_Trial":
        vector = exact.vector(row)[None]
        tenth = float(_others(exact, vector, row)[-1])
        return cls(row, vector, tenth - SCORE_TOLERANCE * abs(tenth))


def _recall(index: Index, trials: Sequence[_Trial]) -> float:
    found = [_others(index, trial.vector, trial.row) >= trial.least for trial in trials]
    return float(np.mean(found))


def _others(index: Index, vector: Vectors, itself: int) -> np.ndarray:
    """Return the scores of the ten rows that are found beside the query's own."""
    scores, rows = index.search(vector, TRIAL_K + 1)
    return scores[0, rows[0] != itself][:TRIAL_K]


def _held_back(rows: int) -> np.ndarray:
    return np.random.default_rng(SEED).choice(rows, TRIAL_QUERIES, replace=False)


def _graph(exact: FaissFlat, report: Report, held_back: np.ndarray) -> faiss.Index:
    graph = faiss.IndexHNSWFlat(
        exact.dimension, choice.NEIGHBOURS_PER_NODE, metric_of(exact.distance)
    )
    graph.hnsw.efConstruction = choice.CONSTRUCTION_EFFORT
    for number, block in enumerate(_blocks(exact.held()), start=1):
        graph.add(block)
        report(number)
    return graph


def _lists(exact: FaissFlat, report: Report, held_back: np.ndarray) -> faiss.Index:
    metric, rows = metric_of(exact.distance), exact.held()
    centroids = faiss.IndexFlat(exact.dimension, metric)
    lists = faiss.IndexIVFScalarQuantizer(
        centroids,
        exact.dimension,
        choice.lists_for(len(exact)),
        faiss.ScalarQuantizer.QT_8bit,
        metric,
    )
    lists.cp.seed = SEED
    lists.train(rows[_sample(len(exact), lists.nlist, held_back)])
    for number, block in enumerate(_blocks(rows), start=1):
        lists.add(block)
        report(number)
    refined = faiss.IndexRefine(lists, exact.flat)  # which it refers to and does not copy
    refined.ntotal = len(exact)
    return refined


def _sample(rows: int, lists: int, held_back: np.ndarray) -> np.ndarray:
    """Return the rows that centroids are trained on, in their order."""
    wanted = min(lists * choice.SAMPLE_PER_LIST, choice.SAMPLE_AT_MOST)
    others = np.setdiff1d(np.arange(rows), held_back, assume_unique=True)
    drawn = np.random.default_rng(SEED + 1).permutation(others)[:wanted]
    return np.sort(drawn)


def _blocks(rows: Vectors) -> Iterator[Vectors]:
    for start in range(0, len(rows), BLOCK_ROWS):
        yield rows[start : start + BLOCK_ROWS]
