"""Bodies: JSON of bounded size, multipart whose files go to disk, pieces that are streamed."""

import errno
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Any

from django.conf import settings
from django.http import UnreadablePostError
from rest_framework import parsers
from rest_framework.exceptions import ParseError

from registry.core.errors import StorageFullError, UploadError, UploadTooLargeError

CHUNK_BYTES = 1 << 16


class JSONParser(parsers.JSONParser):
    """JSON up to ``DATA_UPLOAD_MAX_MEMORY_SIZE``, which REST framework alone does not hold to."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        _require_at_most(settings.DATA_UPLOAD_MAX_MEMORY_SIZE, parser_context)
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError("JSON parse error - nested too deeply") from None


class UploadParser(parsers.MultiPartParser):
    """Multipart; refuses a body that is too long before reading it, and one that ends early."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        announced = _require_at_most(settings.MAX_UPLOAD_BYTES, parser_context)
        counted = _CountedStream(stream)
        try:
            parsed = self._parse(counted, media_type, parser_context)
        except Exception:
            for handler in (parser_context or {})["request"].upload_handlers:
                handler.upload_interrupted()
            counted.drain()
            _require_whole(counted.seen, announced)
            raise
        if counted.seen < announced:
            for file in parsed.files.values():
                file.close()
            raise _truncated(counted.seen, announced)
        return parsed

    def _parse(self, *arguments: Any) -> Any:
        try:
            return super().parse(*arguments)
        except OSError as exc:
            if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise StorageFullError("the disk has no room for this upload") from exc
            raise


class PieceParser(parsers.BaseParser):
    """Bytes as they are; the operation reads them. One that is too long is refused unread."""

    media_type = "application/octet-stream"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        _require_at_most(settings.MAX_UPLOAD_BYTES, parser_context)
        return _CountedStream(stream)


class _CountedStream:
    """A readable stream that counts what was read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.seen = 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size)
        self.seen += len(chunk)
        return chunk

    def drain(self) -> None:
        """Read the rest, so that its length is known."""
        with suppress(UnreadablePostError):
            while self.read(CHUNK_BYTES):
                pass


def _require_at_most(limit: int, parser_context: Mapping[str, Any] | None) -> int:
    request = (parser_context or {})["request"]
    announced = int(request.META.get("CONTENT_LENGTH") or 0)
    if announced > limit:
        raise UploadTooLargeError(f"a request body has at most {limit} bytes, not {announced}")
    return announced


def _require_whole(seen: int, announced: int) -> None:
    if seen < announced:
        raise _truncated(seen, announced)


def _truncated(seen: int, announced: int) -> UploadError:
    return UploadError(
        f"{seen} bytes came, Content-Length announced {announced}", code="upload_truncated"
    )
