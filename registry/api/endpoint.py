"""What every endpoint is made of: an address, a plain function a method, a scope, its documents."""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    inline_serializer,
)
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from registry.accounts.models import Scope
from registry.api.codes import CODES
from registry.api.idempotency import HEADER
from registry.api.parsers import JSONParser, PieceParser, UploadParser

Operation = Callable[..., HttpResponseBase]

JSON, MULTIPART, OCTETS = "application/json", "multipart/form-data", "application/octet-stream"
PARSERS = {JSON: JSONParser, MULTIPART: UploadParser, OCTETS: PieceParser}

EVERYWHERE = ("unavailable",)
WITH_TOKEN = ("not_authenticated", "invalid_token", "missing_scope")
WITH_BODY = ("parse_error", "invalid_input", "unsupported_media_type", "upload_too_large")
WITH_FILE = (
    "upload_truncated",
    "empty_upload",
    "wrong_file_type",
    "digest_mismatch",
    "upload_refused",
    "storage_full",
)
WITH_UPLOAD = ("unknown_upload", "upload_busy", "upload_incomplete", "wrong_upload_kind")
WITH_KEY = ("invalid_idempotency_key", "idempotency_key_reused")
WITH_PAGES = ("invalid_page_token", "invalid_page_size")


class ErrorOut(serializers.Serializer):
    """Every error has this form."""

    code = serializers.CharField(help_text="stable; made for programs")
    detail = serializers.CharField(help_text="made for people")


class HasScope(BasePermission):
    """The token carries the scope of the operation; each scope is granted by name."""

    def has_permission(self, request: Request, view: "Endpoint") -> bool:
        operation = view.operation(request.method or "")
        if operation is None or operation.scope is None:
            return True
        if request.auth is None:
            return False
        if operation.scope not in request.auth.scopes:
            raise PermissionDenied(
                f"this needs a token with the scope {operation.scope}", code="missing_scope"
            )
        return True


class Endpoint(APIView):
    """One address; each method is a plain function. Always answers JSON, whatever is accepted."""

    operations: Mapping[str, Operation] = {}
    permission_classes = [HasScope]
    renderer_classes = [JSONRenderer]

    def operation(self, method: str) -> Any:
        """Return the function behind a method, or None where the method is not known here."""
        return self.operations.get("get" if method == "HEAD" else method.lower())

    def get_parsers(self) -> list[Any]:
        # The generator of the OpenAPI document asks without a request.
        operation = self.operation(self.request.method or "") if self.request else None
        return [parser() for parser in operation.parsers] if operation else []

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        return super().perform_content_negotiation(request, force=True)


def endpoint(**operations: Operation) -> Operation:
    """Return the view of one address; the keywords are its methods."""
    members: dict[str, Any] = {name: _as_method(one) for name, one in operations.items()}
    members["operations"] = operations
    members["http_method_names"] = [*operations, *(["head"] if "get" in operations else [])]
    return type("Endpoint", (Endpoint,), members).as_view()


def operation(
    *,
    scope: Scope | None,
    answers: Any,
    status: int = 200,
    takes: Mapping[str, Any] | type[serializers.Serializer] | None = None,
    query: Sequence[OpenApiParameter | type[serializers.Serializer]] = (),
    pages: bool = False,
    once: bool = False,
    refuses: Sequence[str] = (),
    also: Mapping[int, Any] | None = None,
) -> Callable[[Operation], Operation]:
    """Make a function an operation: who may, what it takes, what it answers, what it refuses.

    Args:
        scope: what the token must carry; None where anybody may ask.
        takes: the serializer of a JSON body, or serializers by media type.
        answers: the serializer of ``status``, or types by status and media type.
        pages: whether the answer is one page of a list of ``answers``.
        once: whether an idempotency key is taken.
        refuses: codes beside those that follow from the other arguments.
        also: further answers by status.
    """
    bodies = takes if isinstance(takes, Mapping) else ({JSON: takes} if takes else {})
    codes = [*refuses, *EVERYWHERE]
    parameters: list[Any] = [*query]
    if scope is not None:
        codes += WITH_TOKEN
    if bodies:
        codes += WITH_BODY
    if MULTIPART in bodies:
        codes += WITH_FILE
    if pages:
        codes += WITH_PAGES
        parameters += PAGE_PARAMETERS
    if once:
        codes += WITH_KEY
        parameters.append(IDEMPOTENCY_PARAMETER)
    if query:
        codes.append("invalid_input")

    def decorate(function: Operation) -> Operation:
        documented = extend_schema(
            operation_id=function.__name__,
            tags=[function.__module__.rpartition(".")[2].replace("_", " ")],
            description=_description(function, scope),
            summary=_summary(function),
            parameters=parameters,
            request=dict(bodies) or None,
            responses=_answers(status, answers, pages) | dict(also or {}) | _refusals(codes),
            auth=[] if scope is None else None,
        )(function)
        documented.scope = scope  # type: ignore[attr-defined]
        documented.parsers = [PARSERS[media] for media in bodies]  # type: ignore[attr-defined]
        return documented

    return decorate


def checked(takes: type[serializers.Serializer], data: Any, *, many: bool = False) -> Any:
    """Return the validated fields, or raise what becomes ``invalid_input``."""
    given = takes(data=data, many=many)
    given.is_valid(raise_exception=True)
    return given.validated_data


PAGE_PARAMETERS = (
    OpenApiParameter("page_token", str, description="`next_page_token` of the page before"),
    OpenApiParameter("page_size", int, description="50 unless told, never more than 200"),
)
IDEMPOTENCY_PARAMETER = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    description="1 to 100 characters; a repetition gets the first answer again, "
    "with `Idempotency-Replayed: true`",
)


def _as_method(one: Operation) -> Operation:
    @wraps(one)
    def method(self: Endpoint, request: Request, **parts: Any) -> HttpResponseBase:
        return one(request, **parts)

    return method


def _answers(status: int, answers: Any, pages: bool) -> dict[Any, Any]:
    if isinstance(answers, dict):
        return answers
    return {status: _page_of(answers) if pages else answers}


def _page_of(out: type[serializers.Serializer]) -> serializers.Serializer:
    return inline_serializer(
        f"{out.__name__.removesuffix('Out')}Page",
        {
            "results": out(many=True),
            "next_page_token": serializers.CharField(
                allow_null=True, help_text="null on the last page"
            ),
        },
    )


def _refusals(codes: Sequence[str]) -> dict[int, OpenApiResponse]:
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys(codes):
        statuses, meaning = CODES[code]
        for status in statuses:
            by_status.setdefault(status, []).append(f"`{code}`: {meaning}")
    return {
        status: OpenApiResponse(ErrorOut, description="  \n".join(sorted(lines)))
        for status, lines in sorted(by_status.items())
    }


def _summary(function: Operation) -> str:
    return (function.__doc__ or "").strip().partition("\n")[0].removesuffix(".")


def _description(function: Operation, scope: Scope | None) -> str:
    more = " ".join((function.__doc__ or "").strip().partition("\n")[2].split())
    needs = f"Needs a token with the scope `{scope}`." if scope else "Needs no token."
    return f"{more} {needs}".strip()
