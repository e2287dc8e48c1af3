"""Which search engines this installation can keep vectors in."""

from django.conf import settings

from registry.core.errors import ConflictError, InvalidInputError
from registry.galleries.models import Gallery

NAMES = dict(Gallery.Engine.choices)


def configured_engines() -> list[str]:
    """Return the engines that a new gallery may be kept in; files are always one of them."""
    addresses = {Gallery.Engine.FILES: "always", Gallery.Engine.PGVECTOR: settings.VECTORS_URL}
    return [engine.value for engine in Gallery.Engine if addresses[engine]]


def require_configured(engine: str) -> None:
    """Refuse an engine that there is not, or not here.

    Raises:
        InvalidInputError: ``unknown_engine``.
        ConflictError: ``engine_not_configured``.
    """
    if engine not in Gallery.Engine.values:
        raise InvalidInputError(f"there is no engine {engine[:60]}", code="unknown_engine")
    if engine not in configured_engines():
        raise ConflictError(
            f"{NAMES[engine]} is not set up in this installation", code="engine_not_configured"
        )
