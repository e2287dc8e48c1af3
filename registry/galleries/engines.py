"""Which search engines this installation can keep vectors in."""

from importlib.util import find_spec

from django.conf import settings

from registry.core.errors import ConflictError, InvalidInputError
from registry.galleries.models import Gallery

NAMES = dict(Gallery.Engine.choices)


def configured_engines() -> list[str]:
    """Return the engines that a new gallery may be kept in; files are always one of them."""
    is_there = {
        Gallery.Engine.FILES: True,
        Gallery.Engine.PGVECTOR: bool(settings.VECTORS_URL),
        Gallery.Engine.MILVUS: bool(settings.MILVUS_URL) and has_package("pymilvus"),
    }
    return [engine.value for engine in Gallery.Engine if is_there[engine]]


def has_package(name: str) -> bool:
    """Tell whether a package that the project does not install by itself is there."""
    return find_spec(name) is not None


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
