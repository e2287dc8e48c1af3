"""What the API says about itself: the OpenAPI document, a page that shows it, JSON schemas."""

from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings
from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request
from rest_framework.response import Response

from registry.api.endpoint import operation
from registry.catalog.manifest import schema as manifest_schema

INLINE_CHOICES: dict[str, Any] = {"POSTPROCESSING_HOOKS": []}
"""Lists of choices stay where they are used: several fields are called ``state``."""


@operation(scope=None, answers=OpenApiTypes.OBJECT)
def read_manifest_schema(request: Request) -> Response:
    """Read the JSON schema of manifests."""
    return Response(manifest_schema())


@operation(scope=None, answers=OpenApiTypes.OBJECT)
def read_openapi(request: Request) -> Response:
    """Read the OpenAPI document of this API."""
    return Response(openapi())


@cache
def openapi() -> dict[str, Any]:
    """Return the OpenAPI document; it follows from the code, so once is enough."""
    with patched_settings(INLINE_CHOICES):
        return SchemaGenerator().get_schema(public=True)


def show(request: HttpRequest) -> HttpResponse:
    """Show the OpenAPI document as a page, from assets of our own."""
    return render(request, "api/documents.html")


@csrf_exempt
def no_such_address(request: HttpRequest, rest: str = "") -> JsonResponse:
    """Refuse an address that is none, in the form of every other refusal."""
    return JsonResponse({"code": "not_found", "detail": "nothing has this address"}, status=404)
