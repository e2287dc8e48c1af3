"""The reference: every score in float64 by numpy, every row sorted."""

import numpy as np
from numpy.typing import NDArray

from workers.indexing.conditions import require_search, require_vectors
from workers.indexing.live import Live
from workers.indexing.protocol import MISSING, Distance, Found, Vectors


class MemoryIndex:
    """The ``Index`` that the others are compared with; for small numbers of rows."""

    def __init__(self, dimension: int, distance: Distance) -> None:
        self.dimension, self.distance = dimension, distance
        self._rows = np.empty((0, dimension), dtype=np.float32)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, vectors: Vectors) -> None:
        require_vectors(vectors, self.dimension, self.distance)
        self._rows = np.concatenate([self._rows, vectors])

    def search(self, queries: Vectors, k: int, live: Live | None = None) -> Found:
        require_vectors(queries, self.dimension, self.distance)
        require_search(k, len(self), live)
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        rows = np.full((len(queries), k), MISSING, dtype=np.int64)
        alive = np.arange(len(self)) if live is None else np.flatnonzero(live.rows)
        for number, query in enumerate(queries):
            near = self._scores(query)[alive].astype(np.float32)
            best = np.lexsort((alive, -near))[:k]
            scores[number, : len(best)], rows[number, : len(best)] = near[best], alive[best]
        return scores, rows

    def vectors(self) -> Vectors:
        return self._rows.copy()

    def _scores(self, query: NDArray[np.float32]) -> NDArray[np.float64]:
        rows, query = self._rows.astype(np.float64), query.astype(np.float64)
        if self.distance is Distance.EUCLIDEAN:
            return -np.sqrt(((rows - query) ** 2).sum(axis=1))
        return rows @ query
