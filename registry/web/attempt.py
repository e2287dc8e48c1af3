"""Try a service on behalf of a page; what it refuses becomes a message and, if due, an entry."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest

from registry.audit.services.record import record_refusal
from registry.core.errors import (
    InvalidInputError,
    RegistryError,
    StorageFullError,
    UnavailableError,
    UploadError,
    UploadTooLargeError,
)

STATUS: dict[type[RegistryError], int] = {
    InvalidInputError: 422,
    UploadError: 422,
    UploadTooLargeError: 413,
    StorageFullError: 507,
    UnavailableError: 503,
}
"""Everything else is a conflict: 409."""


@dataclass
class Attempt:
    """How a try went; ``error`` is what refused it."""

    error: RegistryError | None = None

    @property
    def status(self) -> int:
        """The HTTP status of a page that shows the form again."""
        return STATUS.get(type(self.error), 409) if self.error else 200


@contextmanager
def attempt(request: HttpRequest) -> Iterator[Attempt]:
    """Keep a RegistryError, tell the person, and write a refusal after its act has rolled back."""
    tried = Attempt()
    try:
        yield tried
    except RegistryError as exc:
        tried.error = exc
        if exc.refusal is not None:
            record_refusal(
                actor=request.user.get_username(),
                refusal=exc.refusal,
                code=exc.code,
                detail=str(exc),
            )
        messages.error(request, str(exc), extra_tags=exc.code)
