"""Content-addressed bytes on disk: written once under their sha256, never changed."""

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from registry.core.errors import StorageFullError, UnknownObjectError, UploadTooLargeError

CHUNK_BYTES = 1 << 20


class CorruptError(UnknownObjectError):
    """The stored bytes are not those that the digest names."""

    code = "artifact_corrupt"


@dataclass(frozen=True)
class Stored:
    """The digest and size of stored bytes, and the first of them."""

    digest: str
    size_bytes: int
    head: bytes


class Store:
    """A folder of files named by their sha256: ``ab/abcdef...``."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, chunks: Iterable[bytes], *, max_bytes: int) -> Stored:
        """Stream ``chunks`` to disk and publish them under their digest.

        Written to a temporary file, synced, renamed, and the folder synced; whatever goes wrong
        before the rename leaves nothing behind.

        Raises:
            UploadTooLargeError: more than ``max_bytes`` came.
            StorageFullError: the disk is full.
        """
        incoming = self._root / "incoming"
        incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=incoming)
        try:
            with os.fdopen(handle, "wb") as file:
                stored = _copy(chunks, file, max_bytes)
                file.flush()
                os.fsync(file.fileno())
            self._publish(Path(name), stored.digest)
        except OSError as exc:
            if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise StorageFullError("the disk has no room for this upload") from exc
            raise
        finally:
            Path(name).unlink(missing_ok=True)
        return stored

    def write_file(self, path: Path) -> Stored:
        """Store a copy of a local file that our own worker made."""
        with path.open("rb") as file:
            return self.write(_chunks(file), max_bytes=path.stat().st_size)

    def path(self, digest: str) -> Path:
        """Return where the bytes lie; checks only that they are there.

        Raises:
            UnknownObjectError: there are no such bytes.
        """
        path = self._place(digest)
        if not path.is_file():
            raise UnknownObjectError(f"no stored bytes {digest[:12]}", code="artifact_missing")
        return path

    def verified_path(self, digest: str) -> Path:
        """Return where the bytes lie after reading them all against the digest.

        Raises:
            UnknownObjectError: there are no such bytes.
            CorruptError: they are not the ones that were stored.
        """
        path = self.path(digest)
        sha = hashlib.sha256()
        with path.open("rb") as file:
            for chunk in _chunks(file):
                sha.update(chunk)
        if sha.hexdigest() != digest:
            raise CorruptError(f"the stored bytes of {digest[:12]} have changed")
        return path

    def discard(self, digest: str) -> None:
        """Remove the bytes that no row names any more; who has them open keeps them."""
        self._place(digest).unlink(missing_ok=True)

    @contextmanager
    def open(self, digest: str) -> Iterator[BinaryIO]:
        """Open the bytes for reading."""
        with self.path(digest).open("rb") as file:
            yield file

    def discard_stale_uploads(self, older_than: float) -> int:
        """Remove temporary files last touched before the time stamp; return how many."""
        discarded = 0
        for path in (self._root / "incoming").glob("*"):
            with suppress(FileNotFoundError):  # it was published meanwhile
                if path.stat().st_mtime < older_than:
                    path.unlink()
                    discarded += 1
        return discarded

    def _place(self, digest: str) -> Path:
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            raise UnknownObjectError("a digest is 64 lower-case hexadecimal digits")
        return self._root / digest[:2] / digest

    def _publish(self, temporary: Path, digest: str) -> None:
        place = self._place(digest)
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary.chmod(0o400)
        temporary.replace(place)
        sync_folder(place.parent)


def _copy(chunks: Iterable[bytes], file: BinaryIO, max_bytes: int) -> Stored:
    sha, size, head = hashlib.sha256(), 0, b""
    for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise UploadTooLargeError(f"an upload has at most {max_bytes} bytes")
        sha.update(chunk)
        head = head or bytes(chunk[:16])
        file.write(chunk)
    return Stored(sha.hexdigest(), size, head)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def sync_folder(folder: Path) -> None:
    """Make a name in the folder survive a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
