"""What every page has in common: response headers, and domain errors as pages."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from registry.audit.services.record import record_refusal
from registry.core.errors import NotPermittedError, RegistryError, UnknownObjectError

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)

GetResponse = Callable[[HttpRequest], HttpResponse]


def content_security_policy(get_response: GetResponse) -> GetResponse:
    """Let pages load nothing from elsewhere and run no inline script."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response

    return middleware


class DomainErrors:
    """Shows a domain error that a page let through, with its code; the API answers its own."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Turn a RegistryError into a page; leave the rest to Django."""
        if not isinstance(exception, RegistryError):
            return None
        if exception.refusal is not None:
            record_refusal(
                actor=request.user.get_username(),
                refusal=exception.refusal,
                code=exception.code,
                detail=str(exception),
            )
        return problem(request, exception)


def problem(request: HttpRequest, error: RegistryError) -> HttpResponse:
    """Return the page of an error: not found, not permitted, or not possible now."""
    status = 409
    if isinstance(error, UnknownObjectError):
        status = 404
    elif isinstance(error, NotPermittedError):
        status = 403
    context = {"status": status, "code": error.code, "detail": str(error)}
    return render(request, "problem.html", context, status=status)
