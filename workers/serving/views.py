"""The two endpoints: search, for who knows the secret, and health, for anybody."""

import functools
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import Error as DatabaseError
from django.http import HttpRequest, JsonResponse
from django.utils.crypto import constant_time_compare

from workers.serving.encoders import Encoders
from workers.serving.errors import SearchError
from workers.serving.preparation import Preparation
from workers.serving.queries import parse
from workers.serving.search import Search
from workers.serving.segments import Segments

SEARCHES_AT_ONCE = 8
"""Searches that run at the same time (chosen: beyond a few a core they only slow each other)."""

PATIENCE_S = 0.5
"""How long a search waits for its turn before it is told that the process is busy."""

View = Callable[..., JsonResponse]

log = logging.getLogger(__name__)

running = Search(Segments(), Encoders())
preparation = Preparation(running)
turns = threading.BoundedSemaphore(SEARCHES_AT_ONCE)


def refusals_as_json(view: View) -> View:
    """Answer what the view raises as ``{"code", "detail"}``."""

    @functools.wraps(view)
    def answered(request: HttpRequest, **named: str) -> JsonResponse:
        try:
            return view(request, **named)
        except SearchError as exc:
            return _refusal(exc)
        except RequestDataTooBig:
            return _refusal(SearchError("body_too_large", "the body is too large"))
        except DatabaseError as exc:
            log.exception("the database does not answer")
            return _refusal(SearchError("database_unavailable", type(exc).__name__))

    return answered


@refusals_as_json
def search(request: HttpRequest, name: str) -> JsonResponse:
    """Answer one query on the gallery ``name``."""
    _require_secret(request)
    if request.method != "POST":
        raise SearchError("method_not_allowed", "send a query with POST")
    query = parse(request.body)
    with _turn():
        return JsonResponse(running.answer(name, query))


def health(request: HttpRequest) -> JsonResponse:
    """Tell whether every gallery was made ready once, and which could not be."""
    problems = [
        {"gallery": name, "code": exc.code, "detail": exc.detail}
        for name, exc in preparation.problems.copy().items()
    ]
    ready = preparation.is_ready
    answer = {"alive": True, "ready": ready, "problems": problems}
    return JsonResponse(answer, status=200 if ready else 503)


def unknown_address(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer for an address that is none."""
    return _refusal(SearchError("unknown_address", "there is nothing at this address"))


def internal_error(request: HttpRequest) -> JsonResponse:
    """Answer for a bug, which the log tells about."""
    return _refusal(SearchError("internal_error", "the search process failed; its log says why"))


def _require_secret(request: HttpRequest) -> None:
    given = request.headers.get("Authorization", "")
    if not constant_time_compare(given, f"Bearer {settings.SEARCH_SECRET}"):
        raise SearchError("unauthenticated", "the shared secret is missing or wrong")


@contextmanager
def _turn() -> Iterator[None]:
    if not turns.acquire(timeout=PATIENCE_S):
        raise SearchError("busy", f"{SEARCHES_AT_ONCE} searches are running; try again")
    try:
        yield
    finally:
        turns.release()


def _refusal(exc: SearchError) -> JsonResponse:
    return JsonResponse({"code": exc.code, "detail": exc.detail}, status=exc.status)
