"""An index that grows while it is searched: it is never changed, only followed by a larger one."""

import numpy as np
from numpy.typing import NDArray

from workers.indexing.conditions import require_search
from workers.indexing.faiss_flat import FaissFlat
from workers.indexing.protocol import MISSING, Distance, Found, Vectors


class Parts:
    """Consecutive rows in several flat indexes, searched as one.

    Each part has at least twice the rows of the one after it, so there are few: log2 of the rows.
    """

    def __init__(
        self, dimension: int, distance: Distance, parts: tuple[FaissFlat, ...] = ()
    ) -> None:
        self.dimension, self.distance = dimension, distance
        self.parts = parts
        self._starts = np.cumsum([0, *map(len, parts)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def plus(self, new: FaissFlat) -> "Parts":
        """Return an index of these rows and then ``new``; what is searched stays as it was."""
        if not len(new):
            return self
        kept, joined, rows = list(self.parts), [new], len(new)
        while kept and len(kept[-1]) < 2 * rows:
            joined.insert(0, kept.pop())
            rows += len(joined[0])
        return Parts(self.dimension, self.distance, (*kept, self._joined(joined)))

    def search(self, queries: Vectors, k: int, live: NDArray[np.bool_] | None = None) -> Found:
        """As ``Index.search``."""
        require_search(k, len(self), live)
        parts = self.parts or (FaissFlat(self.dimension, self.distance),)
        found_scores, found_rows = [], []
        for part, start in zip(parts, self._starts[: len(parts)], strict=True):
            mask = None if live is None else live[start : start + len(part)]
            near, local = part.search(queries, k, mask)
            found_scores.append(near)
            found_rows.append(np.where(local == MISSING, MISSING, local + start))
        scores, rows = np.hstack(found_scores), np.hstack(found_rows)
        order = np.lexsort((rows, -scores), axis=-1)[:, :k]
        return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)

    def vector(self, row: int) -> NDArray[np.float32]:
        """Return one row."""
        number = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self.parts[number].flat.reconstruct(int(row - self._starts[number]))

    def _joined(self, parts: list[FaissFlat]) -> FaissFlat:
        if len(parts) == 1:
            return parts[0]
        whole = FaissFlat(self.dimension, self.distance)
        for part in parts:
            whole.add(part.vectors())
        return whole
