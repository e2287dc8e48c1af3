"""Ask the search process, which alone holds vectors in memory; used by the API and the pages."""

import http.client
import json
from functools import cache
from typing import Any

from django.conf import settings

from registry.core.errors import (
    ConflictError,
    InvalidInputError,
    RegistryError,
    UnavailableError,
    UnknownObjectError,
    UploadTooLargeError,
)
from registry.galleries.kept_connections import KeptConnections
from registry.galleries.models import Gallery
from registry.galleries.services.holding import require_vectors_here

PASSED_ON: dict[int, type[RegistryError]] = {
    400: InvalidInputError,
    404: UnknownObjectError,
    409: ConflictError,
    413: UploadTooLargeError,
    503: UnavailableError,
}
"""What the search process refuses goes on to the client with its own code."""


def search(gallery: Gallery, body: dict[str, Any]) -> dict[str, Any]:
    """Search a gallery and return the answer of the search process as it came.

    Raises:
        ConflictError: the gallery is attached.
        RegistryError: the search process refused, with its code.
        UnavailableError: it does not answer in time, or not as it should (``search_unavailable``).
    """
    require_vectors_here(gallery)
    return _ask(f"galleries/{gallery.name}/search", body)


def preview(gallery: Gallery, body: dict[str, Any]) -> dict[str, Any]:
    """Answer a query by the live view and as if an upgrade were promoted; raises as ``search``."""
    require_vectors_here(gallery)
    return _ask(f"preview/galleries/{gallery.name}", body)


def preview_samples(gallery: Gallery, body: dict[str, Any]) -> dict[str, Any]:
    """Preview several queries of an evaluation set; raises as ``search``."""
    require_vectors_here(gallery)
    return _ask(f"preview/galleries/{gallery.name}/samples", body)


def _ask(path: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {
        "Authorization": f"Bearer {settings.SEARCH_SECRET}",
        "Content-Type": "application/json",
    }
    try:
        reply = _connections(settings.SEARCH_URL).post(
            path, json.dumps(body).encode(), headers, timeout_s=settings.SEARCH_TIMEOUT_S
        )
        answer = json.loads(reply.body)
    except (OSError, http.client.HTTPException, ValueError) as exc:
        raise _unavailable(type(exc).__name__) from exc
    if not isinstance(answer, dict):
        raise _unavailable("it answered with no object")
    if reply.status != 200:
        raise _refusal(reply.status, answer)
    return answer


@cache
def _connections(address: str) -> KeptConnections:
    return KeptConnections(address)


def _refusal(status: int, answer: dict[str, Any]) -> RegistryError:
    code, detail = answer.get("code"), answer.get("detail")
    if status not in PASSED_ON or not isinstance(code, str) or not isinstance(detail, str):
        return _unavailable(f"it answered {status}")
    return PASSED_ON[status](detail, code=code)


def _unavailable(reason: str) -> UnavailableError:
    return UnavailableError(
        f"the search process does not answer: {reason}", code="search_unavailable"
    )
