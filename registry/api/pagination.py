"""Lists by keyset: a signed, opaque token names the last row that was seen."""

import hashlib
from collections.abc import Sequence
from typing import Any

from django.core import signing
from django.db.models import Model, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from registry.core.errors import InvalidInputError

DEFAULT_SIZE = 50
LARGEST_SIZE = 200
SALT = "registry.api.page"


def page(
    request: Request, rows: QuerySet[Any], out: type[BaseSerializer], *, by: str = "-pk"
) -> Response:
    """Answer with one page of ``rows`` in the order of the unique column ``by``."""
    found, more = _found(request, rows, by)
    field = by.removeprefix("-")
    last = getattr(found[-1], field) if more else None
    return _answer(out(found, many=True).data, _token(request, last))


def follow(request: Request, rows: QuerySet[Any], out: type[BaseSerializer]) -> Response:
    """Answer with the rows after those seen; the token goes on where there is nothing new yet."""
    found, _ = _found(request, rows, "pk")
    last = found[-1].pk if found else _last_seen(request)
    return _answer(out(found, many=True).data, _token(request, last))


def slice_of(request: Request, rows: Sequence[Any]) -> tuple[list[Any], str | None]:
    """Return one page of a list that is kept as a whole, and the token of the next."""
    size, start = _size(request), _last_seen(request) or 0
    stop = start + size
    return list(rows[start:stop]), _token(request, stop if stop < len(rows) else None)


def _found(request: Request, rows: QuerySet[Any], by: str) -> tuple[list[Model], bool]:
    size, last = _size(request), _last_seen(request)
    comparison = "lt" if by.startswith("-") else "gt"
    if last is not None:
        rows = rows.filter(**{f"{by.removeprefix('-')}__{comparison}": last})
    found = list(rows.order_by(by)[: size + 1])
    return found[:size], len(found) > size


def _size(request: Request) -> int:
    wanted = request.query_params.get("page_size", str(DEFAULT_SIZE))
    if not (wanted.isascii() and wanted.isdigit() and len(wanted) <= 9 and int(wanted)):
        raise InvalidInputError(
            "page_size is a whole number of at least 1", code="invalid_page_size"
        )
    return min(int(wanted), LARGEST_SIZE)


def _last_seen(request: Request) -> Any:
    token = request.query_params.get("page_token")
    if token is None:
        return None
    try:
        bound, last = signing.loads(token, salt=SALT)
    except (signing.BadSignature, ValueError, TypeError):
        raise _invalid() from None
    if bound != _list_id(request):
        raise _invalid()
    return last


def _token(request: Request, last: Any) -> str | None:
    return None if last is None else signing.dumps((_list_id(request), last), salt=SALT)


def _list_id(request: Request) -> str:
    """Return what ties a token to its list: the path and the filters."""
    filters = sorted(
        (key, value)
        for key, value in request.query_params.items()
        if key not in {"page_token", "page_size"}
    )
    return hashlib.sha256(repr((request.path, filters)).encode()).hexdigest()[:16]


def _answer(results: Any, token: str | None) -> Response:
    return Response({"results": results, "next_page_token": token})


def _invalid() -> InvalidInputError:
    return InvalidInputError("the page token is not of this list", code="invalid_page_token")
