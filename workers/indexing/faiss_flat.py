"""Exact search by FAISS: every row is compared, none is approximated."""

import faiss
import numpy as np
from numpy.typing import NDArray

from workers.errors import PermanentError
from workers.indexing.conditions import require_search, require_vectors
from workers.indexing.protocol import MISSING, Distance, Found, Vectors


class FaissFlat:
    """The ``Index`` over ``IndexFlatIP`` or ``IndexFlatL2``."""

    def __init__(
        self, dimension: int, distance: Distance, flat: faiss.IndexFlat | None = None
    ) -> None:
        """Start empty, or from ``flat``, whose bytes have been verified.

        Raises:
            PermanentError: ``index_corrupt``: ``flat`` is of another kind, dimension or metric.
        """
        kind = faiss.IndexFlatL2 if distance is Distance.EUCLIDEAN else faiss.IndexFlatIP
        if flat is not None and (not isinstance(flat, kind) or flat.d != dimension):
            raise PermanentError(
                "index_corrupt", f"it is no flat index of {dimension} numbers for {distance}"
            )
        self.dimension, self.distance = dimension, distance
        self.flat = kind(dimension) if flat is None else flat

    def __len__(self) -> int:
        return self.flat.ntotal

    def add(self, vectors: Vectors) -> None:
        require_vectors(vectors, self.dimension, self.distance)
        self.flat.add(np.ascontiguousarray(vectors))

    def search(self, queries: Vectors, k: int, live: NDArray[np.bool_] | None = None) -> Found:
        require_vectors(queries, self.dimension, self.distance)
        require_search(k, len(self), live)
        faiss.omp_set_num_threads(1)  # holds for the calling thread only
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        rows = np.full((len(queries), k), MISSING, dtype=np.int64)
        alive = len(self) if live is None else int(np.count_nonzero(live))
        found = min(k, alive)
        if found and len(queries):
            best = self._nearest(np.ascontiguousarray(queries), found, alive, live)
            scores[:, :found], rows[:, :found] = best
        return scores, rows

    def vectors(self) -> Vectors:
        if not len(self):
            return np.empty((0, self.dimension), dtype=np.float32)
        held = faiss.rev_swig_ptr(self.flat.get_xb(), len(self) * self.dimension)
        return held.reshape(len(self), self.dimension).copy()

    def _nearest(
        self, queries: Vectors, k: int, alive: int, live: NDArray[np.bool_] | None
    ) -> Found:
        """Return the best ``k`` of ``alive`` rows, at most as many.

        Of rows with equal scores FAISS does not keep the first ones, so it is asked for more
        until the last one is worse than the one at ``k``.
        """
        bits = None if live is None else np.packbits(live, bitorder="little")
        chosen = None if bits is None else faiss.IDSelectorBitmap(bits)
        wanted = min(k + 1, alive)
        while True:
            scores, rows = self.flat.search(
                queries, wanted, params=faiss.SearchParameters(sel=chosen)
            )
            if self.distance is Distance.EUCLIDEAN:
                scores = -np.sqrt(scores)
            if wanted == alive or (scores[:, -1] < scores[:, k - 1]).all():
                break
            wanted = min(2 * wanted, alive)
        order = np.lexsort((rows, -scores), axis=-1)[:, :k]
        return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)
