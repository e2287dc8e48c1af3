"""Uploads in pieces, so that one that was interrupted goes on where it stopped."""

from collections.abc import Iterator
from typing import Any

from django.http import UnreadablePostError
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Scope
from registry.api.endpoint import OCTETS, checked, operation
from registry.api.fields import Sha256Field
from registry.api.idempotency import once
from registry.api.incoming import (
    KEPT,
    OffsetMismatchError,
    append,
    held_bytes,
    open_session,
    session_of,
)
from registry.api.models import UploadSession
from registry.core.errors import InvalidInputError

HEADER = "Upload-Offset"
CHUNK_BYTES = 1 << 20


class SessionIn(serializers.Serializer):
    """What is to come."""

    size_bytes = serializers.IntegerField(min_value=1, max_value=2**62)
    sha256 = Sha256Field()
    kind = serializers.ChoiceField(
        choices=UploadSession.Kind.values, error_messages={"invalid_choice": "is model or table"}
    )
    file_name = serializers.CharField(default="", allow_blank=True, max_length=255)


class SessionOut(serializers.Serializer):
    """An upload and how much of it is here."""

    id = serializers.CharField(help_text="goes as `upload` into the creating request")
    offset = serializers.SerializerMethodField(help_text="bytes that are on disk for good")
    size_bytes = serializers.IntegerField()
    sha256 = serializers.CharField()
    kind = serializers.ChoiceField(choices=UploadSession.Kind.values)
    file_name = serializers.CharField()
    expires_at = serializers.SerializerMethodField(help_text="unless more comes before")

    def get_offset(self, session: UploadSession) -> int:
        return held_bytes(session)

    def get_expires_at(self, session: UploadSession) -> str:
        return (session.touched_at + KEPT).isoformat()


@operation(
    scope=Scope.WRITE,
    takes=SessionIn,
    status=201,
    answers=SessionOut,
    once=True,
)
def open_upload(request: Request) -> Response:
    """Open an upload in pieces; your open one of the same bytes is returned."""
    given = checked(SessionIn, request.data)

    def act() -> Response:
        return Response(SessionOut(open_session(owner=request.user, **given)).data, status=201)

    return once(request, act)


@operation(scope=Scope.READ, answers=SessionOut, refuses=["unknown_upload"])
def read_upload(request: Request, upload: str) -> Response:
    """Read how much of an upload is here."""
    return Response(SessionOut(session_of(request.user, upload)).data)


@operation(
    scope=Scope.WRITE,
    takes={OCTETS: OpenApiTypes.BINARY},
    answers=SessionOut,
    query=[
        OpenApiParameter(
            HEADER,
            int,
            OpenApiParameter.HEADER,
            required=True,
            description="where the piece begins; in the answer, also in a refusal "
            "with `offset_mismatch`, where the upload goes on",
        )
    ],
    refuses=[
        "unknown_upload",
        "offset_mismatch",
        "upload_busy",
        "upload_truncated",
        "wrong_file_type",
        "storage_full",
    ],
)
def append_to_upload(request: Request, upload: str) -> Response:
    """Add a piece; its offset is answered once it is on disk for good."""
    piece: Any = request.data
    session_of(request.user, upload)
    try:
        session = append(
            owner=request.user,
            session_id=upload,
            offset=_offset(request),
            size_bytes=int(request.META.get("CONTENT_LENGTH") or 0),
            chunks=_chunks(piece) if piece else (),
        )
    except OffsetMismatchError as exc:
        body = {"code": exc.code, "detail": str(exc)}
        return Response(body, status=409, headers={HEADER: str(exc.offset)})
    finally:
        if piece:
            piece.drain()
    answer = SessionOut(session).data
    return Response(answer, headers={HEADER: str(answer["offset"])})


def _offset(request: Request) -> int:
    given = request.headers.get(HEADER, "")
    if not (given.isascii() and given.isdigit() and len(given) <= 19):
        raise InvalidInputError(f"{HEADER} is a whole number: where the piece begins")
    return int(given)


def _chunks(piece: Any) -> Iterator[bytes]:
    """Yield what comes; a client that hangs up ends it."""
    try:
        while chunk := piece.read(CHUNK_BYTES):
            yield chunk
    except UnreadablePostError:
        return
