"""An index that grows while it is searched: it is never changed, only followed by a larger one."""

from bisect import bisect_right
from itertools import accumulate
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from workers.indexing.conditions import require_search
from workers.indexing.faiss_flat import FaissFlat, best_of
from workers.indexing.live import Live
from workers.indexing.protocol import MISSING, Distance, Found, Vectors

CHUNKS = "chunks"
"""The kind of rows that no index holds."""

FLOAT_BYTES = 4


class Part(Protocol):
    """What can be searched as one of several."""

    def __len__(self) -> int: ...

    def search(self, queries: Vectors, k: int, live: Live | None = None) -> Found:
        """As ``Index.search``."""

    def vector(self, row: int) -> NDArray[np.float32]:
        """Return a copy of one row."""


class Published(Part, Protocol):
    """A part that lies in a file, or that an engine holds.

    Attributes:
        kind: how the file arranges its rows, or the name of the engine.
        file_bytes: its length; 0 for an engine.
    """

    kind: str
    file_bytes: int


class Parts:
    """Consecutive rows in several indexes, searched as one: a published one, then flat ones.

    Of the flat parts each has at least twice the rows of the one after it, so there are few: log2
    of the rows. The published one lies in a file and is never joined with others.
    """

    def __init__(
        self,
        dimension: int,
        distance: Distance,
        published: Published | None = None,
        grown: tuple[FaissFlat, ...] = (),
    ) -> None:
        self.dimension, self.distance = dimension, distance
        self.published, self.grown = published, grown
        self.parts: tuple[Part, ...] = (*(() if published is None else (published,)), *grown)
        self._starts = [0, *accumulate(map(len, self.parts))]

    def __len__(self) -> int:
        return self._starts[-1]

    def plus(self, new: FaissFlat) -> "Parts":
        """Return an index of these rows and then ``new``; what is searched stays as it was."""
        if not len(new):
            return self
        kept, joined, rows = list(self.grown), [new], len(new)
        while kept and len(kept[-1]) < 2 * rows:
            joined.insert(0, kept.pop())
            rows += len(joined[0])
        grown = (*kept, self._joined(joined))
        return Parts(self.dimension, self.distance, self.published, grown)

    def search(self, queries: Vectors, k: int, live: Live | None = None) -> Found:
        """As ``Index.search``."""
        require_search(k, len(self), live)
        if len(self.parts) == 1:
            return self.parts[0].search(queries, k, live)
        parts = self.parts or (FaissFlat(self.dimension, self.distance),)
        found_scores, found_rows = [], []
        for part, start in zip(parts, self._starts, strict=False):  # the last start is the end
            mask = None if live is None else live.part(start, start + len(part))
            near, local = part.search(queries, k, mask)
            found_scores.append(near)
            found_rows.append(np.where(local == MISSING, MISSING, local + start))
        return best_of(np.hstack(found_scores), np.hstack(found_rows), k)

    def sizes(self) -> list[tuple[str, int, int]]:
        """Return kind, rows and bytes of what is mapped, then of what was read into memory."""
        grown = sum(map(len, self.grown))
        sizes = [(CHUNKS, grown, grown * self.dimension * FLOAT_BYTES)] if grown else []
        if self.published is not None:
            mapped = self.published
            sizes.insert(0, (str(mapped.kind), len(mapped), mapped.file_bytes))
        return sizes

    def vector(self, row: int) -> NDArray[np.float32]:
        """Return one row."""
        number = bisect_right(self._starts, row) - 1
        return self.parts[number].vector(row - self._starts[number])

    def _joined(self, parts: list[FaissFlat]) -> FaissFlat:
        if len(parts) == 1:
            return parts[0]
        whole = FaissFlat(self.dimension, self.distance)
        for part in parts:
            whole.add(part.vectors())
        return whole
