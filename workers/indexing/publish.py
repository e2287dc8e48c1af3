"""Index files: written whole or not at all, read only after their digest was checked."""

import hashlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import faiss

from workers.errors import PermanentError
from workers.indexing.build import Index
from workers.indexing.faiss_approximate import FaissApproximate
from workers.indexing.faiss_flat import FaissFlat
from workers.indexing.protocol import Distance

INDEX_FILE = "index.faiss"

LOOP_LIMIT = 2**20
"""Rounds of any loop that FAISS runs on numbers out of a file; it has one round for each list."""

_reading = threading.Lock()
"""FAISS's limits belong to the process."""


@dataclass(frozen=True)
class Written:
    """What an index file holds: its rows and its sha256."""

    rows: int
    sha256: str


def write_index(index: Index, folder: Path) -> Written:
    """Write ``index.faiss`` into ``folder``: synced under another name, then linked to its own.

    Raises:
        PermanentError: ``index_exists``: there is one; readers may have it open.
        OSError: the disk is full, or the file larger than this process may write.
    """
    draft, place = folder / f".{INDEX_FILE}.{os.getpid()}", folder / INDEX_FILE
    try:
        with draft.open("xb") as file:
            digest = _serialise(index, file)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, place)
    except FileExistsError:
        raise PermanentError("index_exists", f"{INDEX_FILE} is never written over") from None
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(folder)
    return Written(len(index), digest)


def read_index(path: Path, *, digest: str, dimension: int, distance: Distance) -> Index:
    """Map an index file into memory, after all of it was checked against ``digest``.

    FAISS takes most damaged files without a word, so it sees none: the open file that was checked
    is the one that it maps, under limits that fit its size. What is mapped stays valid when the
    name goes away; the system reads its pages when they are needed and drops them when memory is.

    Raises:
        PermanentError: ``index_missing``, ``index_corrupt``.
    """
    try:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise PermanentError("index_corrupt", f"the bytes of index {digest[:12]} changed")
            engine = _mapped(file)
            length = os.fstat(file.fileno()).st_size
    except OSError as exc:
        raise PermanentError("index_missing", f"index {digest[:12]}: {exc.strerror}") from exc
    made = FaissFlat if isinstance(engine, faiss.IndexFlat) else FaissApproximate
    index = made(dimension, distance, engine)
    index.file_bytes = length
    return index


def _serialise(index: Index, file: BinaryIO) -> str:
    """Let FAISS write through Python, which, unlike FAISS, says why a write failed."""
    sha, failures = hashlib.sha256(), []

    def write(data: bytes) -> None:
        try:
            file.write(data)
        except OSError as exc:
            failures.append(exc)
            raise
        sha.update(data)

    try:
        faiss.write_index(index.engine, faiss.PyCallbackIOWriter(write))
    except RuntimeError:
        if failures:
            raise failures[0] from None
        raise
    return sha.hexdigest()


def _mapped(file: BinaryIO) -> faiss.Index:
    with _reading:
        faiss.set_deserialization_vector_byte_limit(os.fstat(file.fileno()).st_size)
        faiss.set_deserialization_loop_limit(LOOP_LIMIT)
        file.seek(0)
        try:
            return faiss.read_index(f"/dev/fd/{file.fileno()}", faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as exc:
            reason = str(exc).strip().partition("\n")[0]
            raise PermanentError("index_corrupt", f"FAISS refuses it: {reason}") from exc


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
