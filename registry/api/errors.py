"""Errors to answers: one table from class to status, one from code to meaning."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.db import OperationalError
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler

from registry.audit.services.record import record_refusal
from registry.core.errors import (
    ConflictError,
    DuplicateError,
    GateNotPassedError,
    IdempotencyError,
    IllegalTransitionError,
    InvalidInputError,
    NotPermittedError,
    RegistryError,
    StorageFullError,
    UnavailableError,
    UnknownObjectError,
    UploadError,
    UploadTooLargeError,
)
from registry.core.store import CorruptError

log = logging.getLogger(__name__)

STATUS: dict[type[RegistryError], int] = {
    InvalidInputError: status.HTTP_400_BAD_REQUEST,
    UploadError: status.HTTP_400_BAD_REQUEST,
    NotPermittedError: status.HTTP_403_FORBIDDEN,
    UnknownObjectError: status.HTTP_404_NOT_FOUND,
    ConflictError: status.HTTP_409_CONFLICT,
    DuplicateError: status.HTTP_409_CONFLICT,
    GateNotPassedError: status.HTTP_409_CONFLICT,
    IllegalTransitionError: status.HTTP_409_CONFLICT,
    UploadTooLargeError: status.HTTP_413_REQUEST_ENTITY_TOO_LARGE,
    IdempotencyError: status.HTTP_422_UNPROCESSABLE_ENTITY,
    CorruptError: status.HTTP_500_INTERNAL_SERVER_ERROR,
    UnavailableError: status.HTTP_503_SERVICE_UNAVAILABLE,
    StorageFullError: status.HTTP_507_INSUFFICIENT_STORAGE,
}
"""Everything wrong with the request itself is 400; 422 is an idempotency key used twice."""

FRAMEWORK_CODES: dict[type[exceptions.APIException], str] = {
    exceptions.ValidationError: "invalid_input",
    exceptions.ParseError: "parse_error",
    exceptions.NotAuthenticated: "not_authenticated",
    exceptions.AuthenticationFailed: "invalid_token",
    exceptions.NotFound: "not_found",
    exceptions.MethodNotAllowed: "method_not_allowed",
    exceptions.UnsupportedMediaType: "unsupported_media_type",
    exceptions.Throttled: "throttled",
}


def status_of(exc: RegistryError) -> int:
    """Return the status of a domain error: its class's, or that of the nearest class above."""
    return next(STATUS[kind] for kind in type(exc).__mro__ if kind in STATUS)


def handle_exception(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """Turn an error into ``{"code", "detail"}``; what is not expected stays a crash.

    The refused transaction has rolled back by now, so a refusal that belongs in the ledger is
    written here.
    """
    if isinstance(exc, RegistryError):
        return _refused(exc, context["request"])
    if isinstance(exc, RequestDataTooBig):
        return _answer(413, "upload_too_large", "the fields beside the file are too large")
    if isinstance(exc, TooManyFieldsSent | TooManyFilesSent):
        return _answer(400, "invalid_input", str(exc))
    if isinstance(exc, OperationalError):
        log.warning("the database does not answer: %s", exc)
        return _answer(503, UnavailableError.code, "the database does not answer; try again")
    response = exception_handler(exc, context)
    if response is not None and isinstance(exc, exceptions.APIException):
        words = _in_words(exc.detail).encode(errors="backslashreplace").decode()
        response.data = {"code": _framework_code(exc), "detail": words}
    return response


def _refused(exc: RegistryError, request: Any) -> Response:
    if exc.refusal is not None:
        record_refusal(
            actor=request.user.get_username(),
            refusal=exc.refusal,
            code=exc.code,
            detail=str(exc),
        )
    return _answer(status_of(exc), exc.code, str(exc))


def _answer(status_code: int, code: str, detail: str) -> Response:
    return Response({"code": code, "detail": detail}, status=status_code)


def _framework_code(exc: exceptions.APIException) -> str:
    return FRAMEWORK_CODES.get(type(exc)) or str(exc.get_codes())


def _in_words(detail: Any, path: str = "") -> str:
    """Return REST framework's nested messages as one line: ``field: message; ...``.

    They may quote what was sent: half a surrogate pair, for instance, which no answer can hold.
    """
    if isinstance(detail, Mapping):
        named = ((f"{path}.{key}" if path else str(key), value) for key, value in detail.items())
        parts = [_in_words(value, "" if key == "non_field_errors" else key) for key, value in named]
    elif isinstance(detail, Sequence) and not isinstance(detail, str):
        parts = [_in_words(value, path) for value in detail if value]
    else:
        return f"{path}: {detail}" if path else str(detail)
    return "; ".join(part for part in parts if part)
