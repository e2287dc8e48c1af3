"""Exact search by FAISS: every row is compared, none is approximated."""

import faiss
import numpy as np
from numpy.typing import NDArray

from workers.errors import PermanentError
from workers.indexing.choice import Kind
from workers.indexing.conditions import require_search, require_vectors
from workers.indexing.live import Live
from workers.indexing.protocol import MISSING, Distance, Found, Vectors


def metric_of(distance: Distance) -> int:
    """Return what FAISS computes for a distance."""
    is_euclidean = distance is Distance.EUCLIDEAN
    return faiss.METRIC_L2 if is_euclidean else faiss.METRIC_INNER_PRODUCT


def is_made_for(engine: faiss.Index, dimension: int, distance: Distance) -> bool:
    """Tell whether an index of FAISS compares rows of ``dimension`` by ``distance``."""
    return engine.d == dimension and engine.metric_type == metric_of(distance)


def as_scores(found: NDArray[np.float32], distance: Distance) -> NDArray[np.float32]:
    """Return scores for what FAISS computed: for Euclidean, squared distances."""
    return -np.sqrt(found) if distance is Distance.EUCLIDEAN else found


def best_of(scores: NDArray[np.float32], rows: NDArray[np.int64], k: int) -> Found:
    """Return the best ``k`` of each query, equal scores by row."""
    order = np.lexsort((rows, -scores), axis=-1)[:, :k]
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)


class FaissFlat:
    """The ``Index`` over ``IndexFlat``."""

    kind = Kind.FLAT

    def __init__(
        self, dimension: int, distance: Distance, flat: faiss.IndexFlat | None = None
    ) -> None:
        """Start empty, or from ``flat``, whose bytes have been verified.

        Raises:
            PermanentError: ``index_corrupt``: ``flat`` is of another kind, dimension or metric.
        """
        flat = faiss.IndexFlat(dimension, metric_of(distance)) if flat is None else flat
        if not isinstance(flat, faiss.IndexFlat) or not is_made_for(flat, dimension, distance):
            raise PermanentError(
                "index_corrupt", f"it is no flat index of {dimension} numbers for {distance}"
            )
        self.dimension, self.distance = dimension, distance
        self.flat = flat
        self.file_bytes = 0

    def __len__(self) -> int:
        return self.flat.ntotal

    def add(self, vectors: Vectors) -> None:
        require_vectors(vectors, self.dimension, self.distance)
        self.flat.add(np.ascontiguousarray(vectors))

    @property
    def engine(self) -> faiss.Index:
        """Return what is written to an index file."""
        return self.flat

    def search(self, queries: Vectors, k: int, live: Live | None = None) -> Found:
        require_vectors(queries, self.dimension, self.distance)
        require_search(k, len(self), live)
        faiss.omp_set_num_threads(1)  # holds for the calling thread only
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        rows = np.full((len(queries), k), MISSING, dtype=np.int64)
        alive = len(self) if live is None else live.count
        found = min(k, alive)
        if found and len(queries):
            best = self._nearest(np.ascontiguousarray(queries), found, alive, live)
            scores[:, :found], rows[:, :found] = best
        return scores, rows

    def vectors(self) -> Vectors:
        return self.held().copy()

    def held(self) -> Vectors:
        """Return the rows where they lie; they are gone when this index is."""
        if not len(self):
            return np.empty((0, self.dimension), dtype=np.float32)
        rows = faiss.rev_swig_ptr(self.flat.get_xb(), len(self) * self.dimension)
        return rows.reshape(len(self), self.dimension)

    def vector(self, row: int) -> NDArray[np.float32]:
        """Return a copy of one row."""
        return self.flat.reconstruct(row)

    def _nearest(self, queries: Vectors, k: int, alive: int, live: Live | None) -> Found:
        """Return the best ``k`` of ``alive`` rows, at most as many.

        Of rows with equal scores FAISS does not keep the first ones, so it is asked for more
        until the last one is worse than the one at ``k``.
        """
        chosen = None if live is None else faiss.IDSelectorBitmap(live.bits)
        wanted = min(k + 1, alive)
        while True:
            scores, rows = self.flat.search(
                queries, wanted, params=faiss.SearchParameters(sel=chosen)
            )
            scores = as_scores(scores, self.distance)
            if wanted == alive or (scores[:, -1] < scores[:, k - 1]).all():
                break
            wanted = min(2 * wanted, alive)
        return best_of(scores, rows, k)
