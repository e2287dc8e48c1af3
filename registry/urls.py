"""Addresses: the API, the pages, the health check."""

from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern, URLResolver, include, path


def health(request: HttpRequest) -> JsonResponse:
    """Answer that the process is up."""
    return JsonResponse({"status": "ok"})


urlpatterns: list[URLPattern | URLResolver] = [
    path("health/", health, name="health"),
    path("api/v1/", include("registry.api.urls")),
    path("", include("registry.web.urls")),
]
