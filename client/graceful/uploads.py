"""Send a file in pieces, and go on where an earlier attempt stopped."""

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from graceful.answers import UploadSession
from graceful.errors import RefusedError, UnreachableError, UsageError
from graceful.transport import TRY_AGAIN, Transport

PIECE_BYTES = 8 << 20
"""What an interruption costs at most (chosen)."""

PATIENCE = 8
"""Attempts without one more byte before it is given up (chosen)."""

CHUNK_BYTES = 1 << 20

Progress = Callable[[str, int, int], None]
"""Called with what is done (``reading`` or ``sending``), the bytes done, and all of them."""

MOVED = frozenset({"offset_mismatch", "upload_truncated", "upload_busy"})
"""Refusals after which the registry is asked where the upload goes on."""


def silent(what: str, done: int, total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Sent:
    """An upload that is whole, and the digest of its bytes."""

    id: str
    sha256: str


def send_file(
    transport: Transport,
    path: Path,
    kind: str,
    *,
    progress: Progress = silent,
    piece_bytes: int = PIECE_BYTES,
) -> Sent:
    """Send a file; the registry knows by its digest what it holds of it already.

    Args:
        kind: ``model`` or ``table``.
        progress: told how far it is.
        piece_bytes: how much goes in one request.

    Raises:
        UsageError: the file is empty or cannot be read.
        RefusedError: the registry does not take it.
        UnreachableError: the registry does not answer; another attempt goes on from there.
    """
    try:
        with path.open("rb") as file:
            size, digest = _measure(file, progress)
            announced = {
                "size_bytes": size,
                "sha256": digest,
                "kind": kind,
                "file_name": path.name[:255],
            }
            session = _open(transport, announced)
            _send(transport, file, session, progress, piece_bytes)
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror}", code="unreadable") from exc
    return Sent(session["id"], digest)


def _measure(file: BinaryIO, progress: Progress) -> tuple[int, str]:
    total = file.seek(0, 2)
    file.seek(0)
    if not total:
        raise UsageError(f"{file.name} is empty", code="empty_upload")
    sha, done = hashlib.sha256(), 0
    while chunk := file.read(CHUNK_BYTES):
        sha.update(chunk)
        done += len(chunk)
        progress("reading", done, total)
    return done, sha.hexdigest()


def _open(transport: Transport, announced: dict[str, object]) -> UploadSession:
    return transport.post("uploads", announced, key=uuid.uuid4().hex)


def _send(
    transport: Transport,
    file: BinaryIO,
    session: UploadSession,
    progress: Progress,
    piece_bytes: int,
) -> None:
    offset, furthest, failures = session["offset"], session["offset"], 0
    while offset < session["size_bytes"]:
        progress("sending", offset, session["size_bytes"])
        file.seek(offset)
        offset = _send_piece(transport, session["id"], offset, file.read(piece_bytes), failures)
        failures = 0 if offset > furthest else failures + 1
        furthest = max(offset, furthest)
    progress("sending", offset, session["size_bytes"])


def _send_piece(transport: Transport, upload: str, offset: int, piece: bytes, failures: int) -> int:
    """Return where the upload goes on, whatever became of this piece."""
    if not piece:
        raise UsageError("the file has become shorter meanwhile", code="file_changed")
    headers = {"Upload-Offset": str(offset), "Content-Type": "application/octet-stream"}
    try:
        answer = transport.json("PATCH", f"uploads/{upload}", content=piece, headers=headers)
        return answer["offset"]
    except (UnreachableError, RefusedError) as exc:
        if failures >= PATIENCE or not _may_go_on(exc):
            raise
    transport.wait(failures + 1)
    return transport.get(f"uploads/{upload}")["offset"]


def _may_go_on(exc: UnreachableError | RefusedError) -> bool:
    if isinstance(exc, UnreachableError):
        return exc.code == "unreachable"
    return exc.code in MOVED or exc.status in TRY_AGAIN
