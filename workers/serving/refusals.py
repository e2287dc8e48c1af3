"""What every endpoint does with a request that it must refuse."""

import logging

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import Error as DatabaseError
from django.http import HttpRequest, JsonResponse
from django.utils.crypto import constant_time_compare

from workers.serving.errors import SearchError

REFUSED = (SearchError, RequestDataTooBig, DatabaseError)

log = logging.getLogger(__name__)


def require_secret(request: HttpRequest) -> None:
    """Raise ``unauthenticated`` unless the request carries the shared secret."""
    given = request.headers.get("Authorization", "")
    if not constant_time_compare(given, f"Bearer {settings.SEARCH_SECRET}"):
        raise SearchError("unauthenticated", "the shared secret is missing or wrong")


def as_refusal(exc: Exception) -> SearchError:
    """Return the refusal that one of ``REFUSED`` stands for."""
    if isinstance(exc, SearchError):
        return exc
    if isinstance(exc, RequestDataTooBig):
        return SearchError("body_too_large", "the body is too large")
    log.error("the database does not answer", exc_info=exc)
    return SearchError("database_unavailable", type(exc).__name__)


def refusal_of(exc: SearchError) -> JsonResponse:
    """Return the answer that tells of a refusal."""
    return JsonResponse({"code": exc.code, "detail": exc.detail}, status=exc.status)
