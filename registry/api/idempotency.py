"""Creating requests that may be repeated: the same key gets the answer of the first time."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.http import QueryDict
from django.utils import timezone
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from registry.api.models import IdempotencyKey
from registry.catalog.models import Artifact
from registry.core.errors import IdempotencyError, InvalidInputError

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"


def once(
    request: Request,
    act: Callable[[], Response],
    *,
    artifact: Artifact | None = None,
    secret: str = "",
) -> Response:
    """Run ``act`` and keep its answer under the request's key, in one transaction.

    An act that is refused leaves no key. While a request of the same key is under way, the
    database makes the second one wait for the first.

    Args:
        artifact: what was uploaded; its digest stands for the file when requests are compared.
        secret: a field of the answer that is not kept, and null when the answer is replayed.

    Raises:
        IdempotencyError: the key was used for another request.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return act()
    if not (0 < len(key) <= 100 and key.isascii() and key.isprintable()):
        raise InvalidInputError(
            "an idempotency key has 1 to 100 printable characters", code="invalid_idempotency_key"
        )
    digest = _digest(request, artifact)
    with transaction.atomic():
        kept, is_new = IdempotencyKey.objects.get_or_create(
            owner=request.user,
            key=key,
            defaults={"request_sha256": digest, "created_at": timezone.now()},
        )
        if not is_new:
            return _replay(kept, digest)
        response = act()
        kept.status = response.status_code
        kept.body = _plain(response.data) | ({secret: None} if secret else {})
        kept.save(update_fields=["status", "body"])
    return response


def _replay(kept: IdempotencyKey, digest: str) -> Response:
    if kept.request_sha256 != digest:
        raise IdempotencyError(f"the key {kept.key} was used for another request")
    return Response(kept.body, status=kept.status, headers={REPLAYED: "true"})


def _digest(request: Request, artifact: Artifact | None) -> str:
    said = [
        request.method,
        request.get_full_path(),
        _fields(request),
        artifact.digest if artifact else "",
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _fields(request: Request) -> Any:
    """Return what was asked, without what the digest of the artifact stands for."""
    if not isinstance(request.data, QueryDict):
        return {key: value for key, value in request.data.items() if key != "upload"}
    replaced = {*request.FILES, "upload"}
    return {key: values for key, values in request.data.lists() if key not in replaced}


def _plain(data: Any) -> dict[str, Any]:
    return json.loads(JSONRenderer().render(data))
