"""Domain errors: each has a public, stable code; the message is for people."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Refusal:
    """What the ledger says about an act that was refused."""

    action: str
    subject: str
    body: dict[str, Any] = field(default_factory=dict)


class RegistryError(Exception):
    """A request that cannot be carried out; nothing was written.

    ``refusal`` is set where the refusal itself belongs in the ledger; the edge writes it in a
    transaction of its own, after the refused one has rolled back.
    """

    code = "registry_error"

    def __init__(
        self, detail: str, *, code: str | None = None, refusal: Refusal | None = None
    ) -> None:
        super().__init__(detail)
        self.code = code or type(self).code
        self.refusal = refusal


class UnknownObjectError(RegistryError):
    """Nothing of that name is here."""

    code = "unknown_object"


class InvalidInputError(RegistryError):
    """The request itself is wrong."""

    code = "invalid_input"


class UploadError(RegistryError):
    """The uploaded bytes cannot be taken."""

    code = "upload_refused"


class UploadTooLargeError(RegistryError):
    """The upload is above the size limit."""

    code = "upload_too_large"


class StorageFullError(RegistryError):
    """The disk has no room for the upload."""

    code = "storage_full"


class DuplicateError(RegistryError):
    """It is here already."""

    code = "duplicate"


class NotPermittedError(RegistryError):
    """The actor may not do that."""

    code = "not_permitted"


class IllegalTransitionError(RegistryError):
    """The object is in a state from which that is not possible."""

    code = "illegal_transition"


class GateNotPassedError(RegistryError):
    """No verdict that still stands lets this through."""

    code = "gate_not_passed"


class ConflictError(RegistryError):
    """Something moved meanwhile; read it again."""

    code = "conflict"


class IdempotencyError(RegistryError):
    """The idempotency key was used for another request."""

    code = "idempotency_key_reused"


class UnavailableError(RegistryError):
    """A part that is needed does not answer."""

    code = "unavailable"


@contextmanager
def noting_refusal(action: str, subject: str, **body: Any) -> Iterator[None]:
    """Have the ledger told where the act within is refused; an act on nothing is none."""
    try:
        yield
    except UnknownObjectError:
        raise
    except RegistryError as exc:
        exc.refusal = Refusal(action, subject, body)
        raise
