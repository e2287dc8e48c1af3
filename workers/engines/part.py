"""The published rows of a segment where an engine holds them, as one of the segment's parts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workers.engines.engine import Engine
from workers.engines.protocol import Collection, Rows
from workers.engines.publication import numbers_of
from workers.errors import PermanentError
from workers.indexing.conditions import require_search
from workers.indexing.live import Live
from workers.indexing.protocol import MISSING, Found, Vectors


class EnginePart:
    """Rows of one publication; what the engine holds beside them is never found.

    Raises, of every method: EngineUnavailableError.

    Attributes:
        kind: the name of the engine.
        file_bytes: none are mapped here.
    """

    file_bytes = 0

    def __init__(
        self,
        kind: str,
        engine: Engine,
        collection: Collection,
        batches: Sequence[tuple[int, int]],
    ) -> None:
        """Search the rows of ``batches`` (id and rows of each), in the order of their ids.

        Raises:
            PermanentError: ``unknown_collection``, ``unknown_space``, ``collection_differs``;
                ``row_count``: the engine holds fewer rows.
        """
        self.kind = kind
        self._engine, self._collection = engine, collection
        numbers = [numbers_of(batch_id, rows) for batch_id, rows in batches]
        self._numbers: Rows = np.concatenate([np.empty(0, np.int64), *numbers])
        self._allowed: tuple[Live | None, Rows] = (None, self._numbers)
        there = engine.find(collection.name)
        if there is None:
            raise PermanentError("unknown_collection", f"there is no collection {collection.name}")
        if there != collection:
            raise PermanentError("collection_differs", f"{collection.name} is there as {there}")
        held = engine.count(collection.name)
        if held < len(self):
            raise PermanentError("row_count", f"{held} rows in {engine.label}, {len(self)} asked")

    def __len__(self) -> int:
        return len(self._numbers)

    def search(self, queries: Vectors, k: int, live: Live | None = None) -> Found:
        """As ``Index.search``.

        Raises:
            PermanentError: also ``row_count``: rows are missing that were there.
        """
        require_search(k, len(self), live)
        allowed = self._numbers_of(live)
        scores, found = self._engine.search(
            self._collection.name, queries, k, space=self._collection.space, allowed=allowed
        )
        is_found = found != MISSING
        if (np.count_nonzero(is_found, axis=1) < min(k, len(allowed))).any():
            raise PermanentError("row_count", f"{self._engine.label} has lost rows")
        return scores, np.where(is_found, np.searchsorted(self._numbers, found), MISSING)

    def vector(self, row: int) -> NDArray[np.float32]:
        """Return a copy of one row."""
        return self._engine.fetch(self._collection.name, self._numbers[row : row + 1])[0]

    def _numbers_of(self, live: Live | None) -> Rows:
        """Return the rows that may be found; kept for the mask that was asked with last."""
        if live is None:
            return self._numbers
        mask, numbers = self._allowed
        if mask is not live:
            numbers = self._numbers[live.rows]
            self._allowed = (live, numbers)
        return numbers
