"""The one interface to every engine: what goes in is checked, what comes out is scored here."""

from collections.abc import Sequence

import numpy as np

from workers.engines.conditions import (
    require_collection,
    require_filter,
    require_metadata,
    require_rows,
)
from workers.engines.protocol import Adapter, Candidates, Collection, Metadata, Rows
from workers.errors import PermanentError
from workers.indexing.conditions import require_search, require_vectors
from workers.indexing.protocol import MISSING, Found, Vectors

SPARE = 16
"""Candidates beyond k that are asked for where some may be hidden (chosen)."""

GROWTH = 4
"""By how much more are asked for the second time; the third time every row is compared."""


class Engine:
    """An adapter behind its checks; every engine refuses, scores and orders alike.

    An engine proposes rows and gives their vectors. They are compared again here, by the
    arithmetic of a flat index, so that scores of engines and of files can be merged: equal
    vectors have equal scores to the last bit, whatever holds them.
    """

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self.label = adapter.label

    def create(self, collection: Collection) -> None:
        """Make an empty collection; one that is there and the same is left as it is.

        Raises:
            PermanentError: ``invalid_collection``; ``collection_differs``: one of that name has
                another dimension, distance or space.
        """
        require_collection(collection)
        there = self._adapter.create(collection)
        if there != collection:
            raise PermanentError("collection_differs", f"{collection.name} is there as {there}")

    def find(self, name: str) -> Collection | None:
        """Return the collection of that name, if there is one."""
        return self._adapter.find(name)

    def names(self) -> list[str]:
        """Return the names of all collections, sorted."""
        return sorted(self._adapter.names())

    def upsert(
        self,
        name: str,
        rows: Rows,
        vectors: Vectors,
        *,
        space: str,
        metadata: Sequence[Metadata] | None = None,
    ) -> None:
        """Put in (n,) rows with their (n, D) vectors, in place of those that are there.

        Told the same again, nothing changes. Metadata not given are empty.

        Raises:
            PermanentError: ``unknown_collection``, ``unknown_space``, ``invalid_rows``,
                ``invalid_metadata``, and what ``require_vectors`` refuses; nothing was written.
            EngineUnavailableError: some rows may have been written.
        """
        collection = self._of_space(name, space)
        require_rows(rows)
        require_vectors(vectors, collection.dimension, collection.distance)
        if len(rows) != len(vectors):
            raise PermanentError("invalid_rows", f"{len(rows)} rows of {len(vectors)} vectors")
        require_metadata(metadata, len(rows))
        if len(rows):
            self._adapter.upsert(collection, rows, np.ascontiguousarray(vectors), metadata)

    def delete(self, name: str, rows: Rows) -> None:
        """Take rows out; one that is not there is passed over.

        Raises:
            PermanentError: ``unknown_collection``, ``invalid_rows``.
        """
        collection = self._known(name)
        require_rows(rows)
        if len(rows):
            self._adapter.delete(collection, rows)

    def search(
        self,
        name: str,
        queries: Vectors,
        k: int,
        *,
        space: str,
        where: Metadata | None = None,
        allowed: Rows | None = None,
        exact: bool = False,
    ) -> Found:
        """Return scores and rows of the k nearest of each query, best first, equal ones by row.

        As many are found as there are; an engine that approximates may pass over near ones.

        Args:
            queries: (Q, D) float32.
            space: whose vectors the caller takes these to be that are searched.
            where: only rows whose metadata equal it in every name that it has.
            allowed: (m,) the rows that may be found, ascending; all if not given.
            exact: compare every row, however long that takes.

        Raises:
            PermanentError: ``unknown_collection``, ``unknown_space``, ``invalid_k``,
                ``invalid_rows``, ``invalid_filter``, and what ``require_vectors`` refuses.
        """
        collection = self._of_space(name, space)
        require_vectors(queries, collection.dimension, collection.distance)
        require_search(k, 0, None)
        require_filter(where)
        if allowed is not None and (np.diff(allowed) <= 0).any():
            raise PermanentError("invalid_rows", "the rows that may be found ascend")
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        rows = np.full((len(queries), k), MISSING, dtype=np.int64)
        for number, query in enumerate(queries):
            find = self._adapter.compared if exact else self._candidates
            found = find(collection, query[None], k, where or None, allowed)
            best, nearest = _scored(collection, query[None], found)
            scores[number, : len(best[:k])] = best[:k]
            rows[number, : len(best[:k])] = nearest[:k]
        return scores, rows

    def fetch(self, name: str, rows: Rows) -> Vectors:
        """Return the (n, D) vectors of rows, in their order.

        Raises:
            PermanentError: ``unknown_collection``, ``invalid_rows``, ``unknown_row``.
        """
        collection = self._known(name)
        require_rows(rows)
        held, vectors = _by_row(self._adapter.fetch(collection, rows))
        missing = np.setdiff1d(rows, held)
        if len(missing):
            raise PermanentError("unknown_row", f"{name} has no row {missing[0]}")
        return vectors[np.searchsorted(held, rows)]

    def missing(self, name: str, rows: Rows) -> Rows:
        """Return which of ``rows`` are not there, ascending.

        Raises:
            PermanentError: ``unknown_collection``, ``invalid_rows``.
        """
        collection = self._known(name)
        require_rows(rows)
        return np.setdiff1d(rows, self._adapter.held(collection, rows))

    def count(self, name: str) -> int:
        """Return how many rows there are, exactly.

        Raises:
            PermanentError: ``unknown_collection``.
        """
        return self._adapter.count(self._known(name))

    def arrange(self, name: str, *, approximate: bool = True) -> str:
        """Make what was put in fast to search; return how it is kept.

        ``flat`` stands for: every row is compared. So it is whenever it may not be
        ``approximate``.

        Raises:
            PermanentError: ``unknown_collection``.
        """
        return self._adapter.arrange(self._known(name), approximate=approximate)

    def drop(self, name: str) -> None:
        """Remove a collection and all of its rows; one that is not there is passed over."""
        collection = self._adapter.find(name)
        if collection is not None:
            self._adapter.drop(collection)

    def close_thread(self) -> None:
        """Let go of what the calling thread alone used."""
        self._adapter.close_thread()

    def close(self) -> None:
        """Let go of connections and files; what is asked next opens them again."""
        self._adapter.close()

    def _known(self, name: str) -> Collection:
        collection = self._adapter.find(name)
        if collection is None:
            raise PermanentError("unknown_collection", f"there is no collection {name[:60]}")
        return collection

    def _of_space(self, name: str, space: str) -> Collection:
        collection = self._known(name)
        if collection.space != space:
            raise PermanentError(
                "unknown_space", f"{name} holds vectors of {collection.space}, not of {space[:100]}"
            )
        return collection

    def _candidates(
        self,
        collection: Collection,
        query: Vectors,
        k: int,
        where: Metadata | None,
        allowed: Rows | None,
    ) -> Candidates:
        """Return at least the k nearest that may be found, or all that there are.

        Whatever an approximate search leaves short is made up for by comparing every row.
        """
        wanted = k if allowed is None else k + SPARE
        for _ in range(2):
            rows, vectors = self._adapter.nearest(collection, query, wanted, where)
            may_be_found = _within(rows, allowed)
            if np.count_nonzero(may_be_found) >= k:
                return rows[may_be_found], vectors[may_be_found]
            if len(rows) < wanted:
                break
            wanted *= GROWTH
        return self._adapter.compared(collection, query, k, where, allowed)


def _within(rows: Rows, allowed: Rows | None) -> np.ndarray:
    if allowed is None or not len(allowed):
        return np.full(len(rows), allowed is None)
    places = np.searchsorted(allowed, rows).clip(max=len(allowed) - 1)
    return allowed[places] == rows


def _scored(
    collection: Collection, query: Vectors, found: Candidates
) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and rows of candidates, best first, equal ones by row."""
    # Who only writes never loads FAISS: a Celery process that had used it could not fork safely.
    from workers.indexing.faiss_flat import FaissFlat

    rows, vectors = _by_row(found)
    if not len(rows):
        return np.empty(0, np.float32), rows
    flat = FaissFlat(collection.dimension, collection.distance)
    flat.add(vectors)
    scores, places = flat.search(query, len(rows))
    return scores[0], rows[places[0]]


def _by_row(found: Candidates) -> Candidates:
    rows, vectors = found
    order = np.argsort(rows)
    return rows[order], vectors[order]
