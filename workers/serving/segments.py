"""Segments that can be searched: mapped or read once from verified files, then followed."""

import logging
import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from django.db.models import Max
from numpy.typing import NDArray

from registry.core.errors import RegistryError
from registry.core.store import Store
from registry.galleries.models import InsertBatch
from registry.galleries.selectors import (
    LiveSegment,
    chunks_of,
    indexed_chunks_of,
    items_after,
    removed_after,
    twins_of,
)
from registry.galleries.services.insert import segment_store
from workers.engines.protocol import EngineUnavailableError
from workers.errors import PermanentError
from workers.indexing.chunks import read_chunk
from workers.indexing.conditions import comparable
from workers.indexing.faiss_flat import FaissFlat
from workers.indexing.live import Live
from workers.indexing.parts import Parts
from workers.indexing.protocol import MISSING, Distance
from workers.serving.errors import SearchError
from workers.serving.published import published_part, require_rows, told_as_unavailable

log = logging.getLogger(__name__)

Rows = NDArray[np.int64]
Key = tuple[int, int]


@dataclass(frozen=True)
class Loaded:
    """One segment at one revision; it never changes, a newer one takes its place.

    Attributes:
        revision: everything removed up to it is hidden here; some of what came later may be.
        last_item: the newest item row that was looked at.
        batches: (B,) ids of its batches in the order of their rows.
        starts: (B + 1,) first row of each batch, then the number of rows.
        live: (n,) which rows hold an item.
        index: the vectors.
        index_digest: the index that is searched; none, where the chunks were read instead.
    """

    revision: int
    last_item: int
    batches: Rows
    starts: Rows
    live: NDArray[np.bool_]
    index: Parts
    index_digest: str = ""

    def nearest(
        self,
        vector: NDArray[np.float32],
        k: int,
        among: Collection[tuple[int, int]] | None = None,
    ) -> tuple[NDArray[np.float32], Rows]:
        """Return scores and rows of the k nearest live rows, without padding.

        Args:
            among: the places that may be found, as ``places`` returns them; all if not given.
        """
        mask = self._mask if among is None else Live(self._chosen(among))
        scores, rows = self.index.search(vector, k, mask)
        found = rows[0] != MISSING
        return scores[0, found], rows[0, found]

    def _chosen(self, among: Collection[tuple[int, int]]) -> NDArray[np.bool_]:
        chosen = np.zeros(len(self.live), dtype=bool)
        chosen[self.rows_at(among)] = True
        return chosen & self.live

    @cached_property
    def live_rows(self) -> int:
        """Return how many rows hold an item."""
        return int(np.count_nonzero(self.live))

    @cached_property
    def _mask(self) -> Live | None:
        return None if self.live.all() else Live(self.live)

    def places(self, rows: Rows) -> list[tuple[int, int]]:
        """Return (batch id, row in the batch) of each row."""
        numbers = np.searchsorted(self.starts, rows, side="right") - 1
        pairs = zip(self.batches[numbers], rows - self.starts[numbers], strict=True)
        return [(int(batch), int(row)) for batch, row in pairs]

    def rows_at(self, places: Iterable[tuple[int, int]]) -> Rows:
        """Return the rows of the places whose batch is here."""
        wanted = np.array(list(places), dtype=np.int64).reshape(-1, 2)
        wanted = wanted[np.isin(wanted[:, 0], self.batches)]
        by_id = np.argsort(self.batches)
        numbers = by_id[np.searchsorted(self.batches, wanted[:, 0], sorter=by_id)]
        return self.starts[numbers] + wanted[:, 1]


class Segments:
    """The segments that this process holds, by ``LiveSegment.key``."""

    def __init__(self) -> None:
        self._loaded: dict[Key, Loaded] = {}
        self._locks: dict[Key, threading.Lock] = {}
        self._refused: set[tuple[str, int, int]] = set()
        self._guard = threading.Lock()

    def current(self, gallery_id: int, wanted: LiveSegment) -> Loaded:
        """Return a segment that is at least as new as the revision that was resolved.

        Raises:
            SearchError: ``segment_unavailable``: its files are missing or are not what they were;
                ``engine_unavailable``: what searches it does not answer.
        """
        held = self._loaded.get(wanted.key)
        if held is not None and held.revision >= wanted.revision:
            return held
        with self._lock(wanted.key):
            held = self._loaded.get(wanted.key)
            if held is None or held.revision < wanted.revision:
                held = _newer(gallery_id, wanted, held)
                self._loaded[wanted.key] = held
            return held

    def adopt_index(self, gallery_id: int, wanted: LiveSegment) -> None:
        """Search by the index that was published since a segment was read.

        Until that is done the segment is searched as it is held; an index that cannot be used
        is not tried again unless its file was written anew, and an engine that does not answer is
        asked at the next look.
        """
        held = self._loaded.get(wanted.key)
        if held is None or wanted.index_digest in {"", held.index_digest}:
            return
        file = _file_of(gallery_id, wanted)
        if file in self._refused:
            return
        try:
            indexed = _from_index(gallery_id, wanted)
        except EngineUnavailableError as exc:
            log.warning("segment %s is searched as it is held: %s", wanted.segment_id, exc)
            return
        if indexed is None:
            self._refused.add(file)
            return
        adopted = _newer(gallery_id, wanted, indexed)
        with self._lock(wanted.key):
            if wanted.key in self._loaded:
                self._loaded[wanted.key] = adopted

    def held_indexes(self) -> dict[int, str]:
        """Return the index digest of every segment that is held; empty for one without.

        Twins have none: they are what a probation wrote, and are compared row by row.
        """
        held = self._loaded.copy()
        return {pk: found.index_digest for (pk, twins), found in held.items() if not twins}

    def keep_only(self, keys: Collection[Key]) -> None:
        """Let go of every other segment; who still searches one keeps it until done."""
        with self._guard:
            for key in set(self._loaded) - set(keys):
                del self._loaded[key]
                self._locks.pop(key, None)

    def held(self) -> set[Key]:
        """Return the keys of the segments in memory."""
        return set(self._loaded)

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Return rows and bytes by the kind of their index; ``chunks`` are in none yet."""
        sizes: dict[str, tuple[int, int]] = {}
        for held in self._loaded.copy().values():
            for kind, rows, held_bytes in held.index.sizes():
                known = sizes.get(kind, (0, 0))
                sizes[kind] = known[0] + rows, known[1] + held_bytes
        return sizes

    def _lock(self, key: Key) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(key, threading.Lock())


def _file_of(gallery_id: int, wanted: LiveSegment) -> tuple[str, int, int]:
    """Return what tells an index from every other: the same digest may be written again."""
    try:
        file = segment_store(gallery_id, wanted.segment_id).path(wanted.index_digest).stat()
    except (RegistryError, OSError):  # it is in an engine, or gone
        return wanted.index_digest, 0, 0
    return wanted.index_digest, file.st_ino, file.st_mtime_ns


def _newer(gallery_id: int, wanted: LiveSegment, held: Loaded | None) -> Loaded:
    try:
        with told_as_unavailable(wanted):
            files = segment_store(gallery_id, wanted.segment_id)
            if held is None:
                held = _from_index(gallery_id, wanted) or _empty(wanted)
            add = _with_twins if wanted.twins_by else _with_added
            return _with_removed(wanted, add(files, wanted, held))
    except RegistryError as exc:
        detail = f"segment {wanted.number}: {exc.code}: {exc}"
        raise SearchError("segment_unavailable", detail) from exc


def _empty(wanted: LiveSegment) -> Loaded:
    none = np.empty(0, dtype=np.int64)
    index = Parts(wanted.dimension, Distance(wanted.distance))
    return Loaded(0, 0, none, np.zeros(1, dtype=np.int64), np.empty(0, dtype=bool), index)


def _from_index(gallery_id: int, wanted: LiveSegment) -> Loaded | None:
    """Return a segment as its index holds it, or nothing where that cannot be used.

    Raises:
        EngineUnavailableError: it may be of use later.
    """
    if not wanted.index_digest:
        return None
    empty = _empty(wanted)
    try:
        batches = list(indexed_chunks_of(wanted.segment_id, wanted.index_digest))
        published = published_part(gallery_id, wanted, batches)
    except (PermanentError, RegistryError) as exc:
        log.error("segment %s is read from its chunks: %s", wanted.segment_id, exc)
        return None
    index = Parts(wanted.dimension, empty.index.distance, published)
    return _followed(replace(empty, index_digest=wanted.index_digest), batches, index)


def _with_added(files: Store, wanted: LiveSegment, held: Loaded) -> Loaded:
    """Read the batches that are not held yet.

    The newest item is read before the batches, so what is committed in between is seen again.
    """
    added = items_after(wanted.segment_id, held.last_item).order_by()
    last_item = added.aggregate(last=Max("pk"))["last"]
    if last_item is None:
        return held
    batches = chunks_of(wanted.segment_id)
    if held.last_item:
        batches = batches.filter(pk__in=added.values("batch"))
    known = set(held.batches.tolist())
    new = [(batch, batch.chunk_digest) for batch in batches if batch.pk not in known]
    return replace(_grown(files, wanted, held, new), last_item=last_item)


def _with_twins(files: Store, wanted: LiveSegment, held: Loaded) -> Loaded:
    """Read the twins that are not held yet; they are finished in any order.

    Items of theirs may have been removed long ago, so every removal is looked at again.
    """
    known = set(held.batches.tolist())
    found = twins_of(wanted.segment_id, wanted.twins_by)
    new = [(twin.batch, twin.chunk_digest) for twin in found if twin.batch_id not in known]
    return replace(_grown(files, wanted, held, new), revision=0) if new else held


def _grown(
    files: Store, wanted: LiveSegment, held: Loaded, new: list[tuple[InsertBatch, str]]
) -> Loaded:
    """Return ``held`` with the rows of more chunks, each named with its batch."""
    flat = FaissFlat(wanted.dimension, held.index.distance)
    for batch, digest in new:
        chunk = read_chunk(files.path(digest), wanted.dimension)
        require_rows(len(chunk), batch.rows, f"the chunk of batch {batch.pk}")
        flat.add(comparable(chunk, held.index.distance))
    return _followed(held, [batch for batch, _ in new], held.index.plus(flat))


def _followed(held: Loaded, new: list[InsertBatch], index: Parts) -> Loaded:
    """Return ``held`` with the rows of more batches after its own."""
    ends = held.starts[-1] + np.cumsum([batch.rows for batch in new], dtype=np.int64)
    live = np.ones(sum(batch.rows for batch in new), dtype=bool)
    return replace(
        held,
        batches=np.append(held.batches, np.array([batch.pk for batch in new], dtype=np.int64)),
        starts=np.append(held.starts, ends),
        live=np.append(held.live, live),
        index=index,
    )


def _with_removed(wanted: LiveSegment, held: Loaded) -> Loaded:
    removed = removed_after(wanted.segment_id, held.revision).values_list("batch", "row")
    live = held.live.copy()
    live[held.rows_at(removed)] = False
    return replace(held, live=live, revision=wanted.revision)
