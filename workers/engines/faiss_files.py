"""Files on disk, searched by FAISS: each write is one more record; what is in memory follows.

The engine of an installation without servers, as one adapter. Galleries on files do not go through
it: their index is one mapped file (``workers.indexing``).
"""

import fcntl
import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shutil import rmtree

import numpy as np

from compat.metadata import equals
from workers.engines.protocol import Candidates, Collection, Metadata, Rows
from workers.indexing.faiss_flat import FaissFlat
from workers.indexing.protocol import Distance, Vectors

SPECIFICATION = "collection.json"


@dataclass
class _State:
    """What the first ``records`` records of a collection amount to.

    Attributes:
        made: which collection of the name it is: one may be dropped and made again elsewhere.
        place: where the vector of each row lies in ``flat``; of replaced ones the last counts.
    """

    made: tuple[int, int]
    flat: FaissFlat
    records: int = 0
    place: dict[int, int] = field(default_factory=dict)
    metadata: dict[int, Metadata] = field(default_factory=dict)


class FaissFilesAdapter:
    """The ``Adapter`` over one folder; several processes may write to it."""

    label = "FAISS over files on disk"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._states: dict[str, _State] = {}
        self._guard = threading.RLock()

    def create(self, collection: Collection) -> Collection:
        with self._locked():
            there = self.find(collection.name)
            if there is None:
                place = self._folder / collection.name
                rmtree(place, ignore_errors=True)  # half made, or half dropped
                place.mkdir()
                _write(place / SPECIFICATION, json.dumps(asdict(collection)).encode())
            return there or collection

    def find(self, name: str) -> Collection | None:
        try:
            said = json.loads((self._folder / name / SPECIFICATION).read_bytes())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        return Collection(**said | {"distance": Distance(said["distance"])})

    def names(self) -> list[str]:
        return [place.parent.name for place in self._folder.glob(f"*/{SPECIFICATION}")]

    def upsert(
        self,
        collection: Collection,
        rows: Rows,
        vectors: Vectors,
        metadata: Sequence[Metadata] | None,
    ) -> None:
        said = json.dumps(list(metadata or [])).encode()
        self._append(collection, rows=rows, vectors=vectors, metadata=np.frombuffer(said, np.uint8))

    def delete(self, collection: Collection, rows: Rows) -> None:
        self._append(collection, rows=rows)

    def nearest(
        self, collection: Collection, query: Vectors, n: int, where: Metadata | None
    ) -> Candidates:
        return self.compared(collection, query, n, where, None)

    def compared(
        self,
        collection: Collection,
        query: Vectors,
        n: int,
        where: Metadata | None,
        among: Rows | None,
    ) -> Candidates:
        with self._current(collection) as state:
            asked = state.place if among is None else among.tolist()
            rows = sorted(
                row
                for row in asked
                if row in state.place and (where is None or equals(state.metadata[row], where))
            )
            chosen = FaissFlat(collection.dimension, collection.distance)
            held = state.flat.held()
            chosen.add(held[[state.place[row] for row in rows]])
        places = chosen.search(query, n)[1][0, : len(rows)]
        return np.array(rows, dtype=np.int64)[places], chosen.held()[places].copy()

    def fetch(self, collection: Collection, rows: Rows) -> Candidates:
        with self._current(collection) as state:
            held = [row for row in rows.tolist() if row in state.place]
            vectors = state.flat.held()[[state.place[row] for row in held]]
        return np.array(held, dtype=np.int64), vectors.reshape(-1, collection.dimension)

    def held(self, collection: Collection, rows: Rows) -> Rows:
        return self.fetch(collection, rows)[0]

    def count(self, collection: Collection) -> int:
        with self._current(collection) as state:
            return len(state.place)

    def arrange(self, collection: Collection, *, approximate: bool) -> str:
        return "flat"

    def drop(self, collection: Collection) -> None:
        with self._locked():
            place = self._folder / collection.name
            (place / SPECIFICATION).unlink(missing_ok=True)
            rmtree(place, ignore_errors=True)
            self._states.pop(collection.name, None)

    def close_thread(self) -> None:
        """Nothing belongs to a thread."""

    def close(self) -> None:
        """Forget what was read."""
        self._states.clear()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the folder against every other writer, in this process or another."""
        with self._guard, (self._folder / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _append(self, collection: Collection, **arrays: np.ndarray) -> None:
        place = self._folder / collection.name
        with self._locked():
            number = len(list(place.glob("*.npz"))) + 1
            draft = place / f".{number}.draft"
            with draft.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(place / f"{number}.npz")
            _sync(place)

    @contextmanager
    def _current(self, collection: Collection) -> Iterator[_State]:
        """Give what all records amount to, of which nothing changes meanwhile."""
        with self._guard:
            place = self._folder / collection.name
            written = (place / SPECIFICATION).stat()
            made = (written.st_ino, written.st_mtime_ns)
            state = self._states.get(collection.name)
            if state is None or state.made != made:
                state = _State(made, FaissFlat(collection.dimension, collection.distance))
                self._states[collection.name] = state
            while (record := place / f"{state.records + 1}.npz").exists():
                _follow(state, record)
            yield state


def _follow(state: _State, record: Path) -> None:
    with np.load(record, allow_pickle=False) as kept:
        rows = kept["rows"].tolist()
        if "vectors" not in kept:
            for row in rows:
                state.place.pop(row, None)
        else:
            first = len(state.flat)
            state.flat.add(kept["vectors"])
            metadata = json.loads(kept["metadata"].tobytes()) or [{}] * len(rows)
            state.place.update(zip(rows, range(first, first + len(rows)), strict=True))
            state.metadata.update(zip(rows, metadata, strict=True))
    state.records += 1


def _write(path: Path, data: bytes) -> None:
    draft = path.with_suffix(".draft")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
