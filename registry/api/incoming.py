"""Uploads that arrive in pieces: a row says what is to come, a file holds what came.

A row's offset never runs ahead of what was synced to disk, and what lies behind it in the file is
cut off before the next piece is written. One request at a time holds the lock on the file.
"""

import errno
import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.utils import timezone

from registry.api.models import UploadSession
from registry.catalog.services.store_artifact import Upload, require_beginning, store_artifact
from registry.core.errors import (
    ConflictError,
    InvalidInputError,
    StorageFullError,
    UnknownObjectError,
    UploadError,
    UploadTooLargeError,
)
from registry.core.store import CHUNK_BYTES, sync_folder

KEPT = timedelta(days=1)
"""An upload that nobody touched for a day is removed (chosen)."""

HEAD_BYTES = 16


class OffsetMismatchError(ConflictError):
    """The piece does not begin where the upload goes on, which is at ``offset``."""

    code = "offset_mismatch"

    def __init__(self, detail: str, offset: int = 0) -> None:
        super().__init__(detail)
        self.offset = offset


class BusyError(ConflictError):
    """Another request is writing to the upload."""

    code = "upload_busy"


def open_session(
    *, owner: AbstractUser, kind: str, size_bytes: int, sha256: str, file_name: str
) -> UploadSession:
    """Open an upload, or return the owner's open one of the same bytes.

    Raises:
        UploadTooLargeError: above the size limit.
    """
    if size_bytes > settings.MAX_UPLOAD_BYTES:
        raise UploadTooLargeError(f"an upload has at most {settings.MAX_UPLOAD_BYTES} bytes")
    now = timezone.now()
    session, _ = UploadSession.objects.update_or_create(
        owner=owner,
        kind=kind,
        sha256=sha256.lower(),
        size_bytes=size_bytes,
        defaults={"file_name": file_name, "touched_at": now},
        create_defaults={
            "id": secrets.token_hex(16),
            "file_name": file_name,
            "created_at": now,
            "touched_at": now,
        },
    )
    return session


def session_of(owner: AbstractUser, session_id: str) -> UploadSession:
    """Return an upload of the owner's, or raise UnknownObjectError."""
    found = UploadSession.objects.select_related("artifact").filter(owner=owner, pk=session_id)
    session = found.first()
    if session is None:
        raise UnknownObjectError(f"no upload {session_id}", code="unknown_upload")
    return session


def held_bytes(session: UploadSession) -> int:
    """Return how many bytes of the upload are on disk for good."""
    if session.artifact_id:
        return session.size_bytes
    with suppress(FileNotFoundError):
        return min(session.offset, _path(session.pk).stat().st_size)
    return 0


def append(
    *, owner: AbstractUser, session_id: str, offset: int, size_bytes: int, chunks: Iterable[bytes]
) -> UploadSession:
    """Add a piece of ``size_bytes``; what came of it is kept, even where it ends early.

    Raises:
        OffsetMismatchError: the upload goes on elsewhere.
        BusyError: another request is writing to it.
        UploadTooLargeError: the piece is longer than what is still to come.
        UploadError: the beginning is not that of the announced kind (``wrong_file_type``), or fewer
            bytes came than were announced (``upload_truncated``).
        StorageFullError: no room.
    """
    session_of(owner, session_id)
    with _exclusive(session_id) as file:
        session = session_of(owner, session_id)
        held = held_bytes(session)
        if offset != held:
            raise OffsetMismatchError(f"the upload goes on at {held}, not at {offset}", held)
        if size_bytes > session.size_bytes - held:
            raise UploadTooLargeError(f"{session.size_bytes - held} bytes are still to come")
        if held < session.size_bytes:
            file.truncate(held)
            file.seek(held)
            _write(session, file, chunks)
    if session.offset < held + size_bytes:
        raise UploadError(
            f"{session.offset - held} bytes came, Content-Length announced {size_bytes}",
            code="upload_truncated",
        )
    return session


def take(*, owner: AbstractUser, session_id: str, kind: Upload) -> UploadSession:
    """Return a whole upload whose bytes are an artifact now, after holding them to the digest.

    Raises:
        InvalidInputError: it was announced as another kind (``wrong_upload_kind``).
        ConflictError: bytes are still to come (``upload_incomplete``), or are coming just now.
        UploadError: the bytes are not what was announced; the upload is discarded.
    """
    session = session_of(owner, session_id)
    if _kind(session) is not kind:
        raise InvalidInputError(f"the upload is a {session.kind}", code="wrong_upload_kind")
    if session.artifact_id:
        return session
    with _exclusive(session_id) as file:
        session = session_of(owner, session_id)
        if session.artifact_id is None:
            _require_whole(session)
            _store(session, file)
            _path(session_id).unlink()
    return session


def sweep(now: datetime) -> None:
    """Remove what nobody touched for long: rows with their files, and files without a row."""
    old = UploadSession.objects.filter(touched_at__lt=now - KEPT)
    for session_id in old.values_list("pk", flat=True):
        with suppress(BusyError), _exclusive(session_id):
            if old.filter(pk=session_id).delete()[0]:
                _path(session_id).unlink()
    for path in _folder().glob("*"):
        with suppress(FileNotFoundError):
            is_old = path.stat().st_mtime < (now - KEPT).timestamp()
            if is_old and not UploadSession.objects.filter(pk=path.name).exists():
                path.unlink()


def _write(session: UploadSession, file: BinaryIO, chunks: Iterable[bytes]) -> None:
    """Write the chunks; whatever ends them, sync what came and only then note the offset."""
    try:
        for chunk in chunks:
            if file.tell() == 0 and len(chunk) >= HEAD_BYTES:
                require_beginning(chunk[:HEAD_BYTES], _kind(session))
            _write_all(file, chunk)
    except OSError as exc:
        if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageFullError("the disk has no room for this upload") from exc
        raise
    finally:
        os.fsync(file.fileno())
        sync_folder(_folder())
        session.offset, session.touched_at = file.tell(), timezone.now()
        session.save(update_fields=["offset", "touched_at"])


def _write_all(file: BinaryIO, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]


def _require_whole(session: UploadSession) -> None:
    held = held_bytes(session)
    if held < session.size_bytes:
        raise ConflictError(
            f"{held} of {session.size_bytes} bytes are here", code="upload_incomplete"
        )


def _store(session: UploadSession, file: BinaryIO) -> None:
    try:
        session.artifact = store_artifact(
            iter(lambda: file.read(CHUNK_BYTES), b""),
            kind=_kind(session),
            expected_sha256=session.sha256,
        )
    except UploadError:
        _path(session.pk).unlink()
        session.delete()
        raise
    session.touched_at = timezone.now()
    session.save(update_fields=["artifact", "touched_at"])


@contextmanager
def _exclusive(session_id: str) -> Iterator[BinaryIO]:
    """Hold the file of an upload alone, making it where it is not there yet."""
    _folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(_path(session_id), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "r+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError("another request is writing to the upload") from None
        if os.fstat(file.fileno()).st_nlink == 0:
            raise BusyError("the file was removed before it could be held")
        yield file


def _kind(session: UploadSession) -> Upload:
    return Upload[session.kind.upper()]


def _folder() -> Path:
    return Path(settings.REGISTRY_DATA_DIR) / "incoming"


def _path(session_id: str) -> Path:
    return _folder() / session_id
