"""The endpoints of previews: a query under the live view and under the one it may become.

They take no turn of a search, so that no preview keeps users waiting for one.
"""

import threading
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, JsonResponse

from workers.serving import views
from workers.serving.database import on_a_live_connection
from workers.serving.errors import SearchError
from workers.serving.preview import Preview
from workers.serving.queries import json_of
from workers.serving.refusals import REFUSED, as_refusal, refusal_of, require_secret

PREVIEWS_AT_ONCE = 2
"""Chosen: enough for two people; each takes the time of two searches and more."""

PATIENCE_S = 5.0

turns = threading.BoundedSemaphore(PREVIEWS_AT_ONCE)


def preview(request: HttpRequest, name: str) -> JsonResponse:
    """Answer one query twice."""
    return _answered(request, lambda asked: _preview().compare(name, asked))


def preview_samples(request: HttpRequest, name: str) -> JsonResponse:
    """Answer several queries of an evaluation set twice, and say how they turned."""
    return _answered(request, lambda asked: _preview().compare_samples(name, asked))


def _preview() -> Preview:
    return Preview(views.running, views.samples, keep=views.preparation.keep)


def _answered(request: HttpRequest, answer: Callable[[Any], dict[str, Any]]) -> JsonResponse:
    try:
        require_secret(request)
        if request.method != "POST":
            raise SearchError("method_not_allowed", "send a query with POST")
        asked = json_of(request.body)
        if not turns.acquire(timeout=PATIENCE_S):
            raise SearchError("busy", f"{PREVIEWS_AT_ONCE} previews are running; try again")
        try:
            return JsonResponse(on_a_live_connection(lambda: answer(asked)))
        finally:
            turns.release()
    except REFUSED as exc:
        return refusal_of(as_refusal(exc))
