"""The endpoints: search, for who knows the secret; health and metrics, for anybody.

Previews are in ``preview_views``.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse

from workers.serving.database import on_a_live_connection
from workers.serving.encoders import Encoders
from workers.serving.errors import SearchError
from workers.serving.metrics import CONTENT_TYPE, Counts, exposition
from workers.serving.preparation import Preparation
from workers.serving.preview import Preview
from workers.serving.queries import Query, parse
from workers.serving.refusals import as_refusal, refusal_of, require_secret
from workers.serving.samples import Samples
from workers.serving.search import Search
from workers.serving.segments import Segments
from workers.serving.shadowing import Shadowing

SEARCHES_AT_ONCE = 8
"""Searches that run at the same time (chosen: beyond a few a core they only slow each other)."""

PATIENCE_S = 0.5
"""How long a search waits for its turn before it is told that the process is busy."""

running = Search(Segments(), Encoders())
preparation = Preparation(running)
samples = Samples()
shadowing = Shadowing(Preview(running, samples, keep=preparation.keep))
counts = Counts()
turns = threading.BoundedSemaphore(SEARCHES_AT_ONCE)


def search(request: HttpRequest, name: str) -> JsonResponse:
    """Answer one query on the gallery ``name``, and count it."""
    started = time.perf_counter()
    try:
        query, answer = _answer(request, name)
    except (SearchError, RequestDataTooBig, DatabaseError) as exc:
        refusal = as_refusal(exc)
        counts.refused(_known(name), refusal.code)
        return refusal_of(refusal)
    except Exception:
        counts.refused(_known(name), "internal_error")
        raise
    counts.answered(name, answer["timings_ms"], time.perf_counter() - started)
    return shadowing.followed(name, query, answer)


def health(request: HttpRequest) -> JsonResponse:
    """Tell whether every gallery was made ready once, and which could not be."""
    problems = [
        {"gallery": name, "code": exc.code, "detail": exc.detail}
        for name, exc in preparation.problems.copy().items()
    ]
    ready = preparation.is_ready
    answer = {"alive": True, "ready": ready, "problems": problems}
    return JsonResponse(answer, status=200 if ready else 503)


def metrics(request: HttpRequest) -> HttpResponse:
    """Tell Prometheus what was counted."""
    return HttpResponse(exposition(counts, running, preparation), content_type=CONTENT_TYPE)


def unknown_address(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer for an address that is none."""
    return refusal_of(SearchError("unknown_address", "there is nothing at this address"))


def internal_error(request: HttpRequest) -> JsonResponse:
    """Answer for a bug, which the log tells about."""
    return refusal_of(SearchError("internal_error", "the search process failed; its log says why"))


def _answer(request: HttpRequest, name: str) -> tuple[Query, dict[str, Any]]:
    require_secret(request)
    if request.method != "POST":
        raise SearchError("method_not_allowed", "send a query with POST")
    query = parse(request.body)
    with _turn(), counts.one_running():
        return query, on_a_live_connection(lambda: running.answer(name, query))


def _known(name: str) -> str:
    """Return the name of a gallery that exists, or nothing: callers must not make up series."""
    return name if name in preparation.epochs() else ""


@contextmanager
def _turn() -> Iterator[None]:
    if not turns.acquire(timeout=PATIENCE_S):
        raise SearchError("busy", f"{SEARCHES_AT_ONCE} searches are running; try again")
    try:
        yield
    finally:
        turns.release()
