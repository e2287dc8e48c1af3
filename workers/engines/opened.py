"""The engines that this installation has set up, each opened once in a process."""

from functools import cache

from django.conf import settings

from workers.engines.engine import Engine
from workers.engines.protocol import Collection
from workers.errors import PermanentError
from workers.indexing.protocol import Distance


def engine_named(name: str) -> Engine:
    """Return the engine that galleries are kept in under that name.

    Raises:
        PermanentError: ``engine_not_configured``, ``engine_not_installed``.
    """
    if name == "pgvector" and settings.VECTORS_URL:
        return _pgvector()
    if name == "milvus" and settings.MILVUS_URL:
        return _milvus(settings.MILVUS_URL)
    raise PermanentError("engine_not_configured", f"{name} is not set up in this installation")


def collection_of(
    gallery_id: int, segment_id: int, *, dimension: int, distance: str, space: str
) -> Collection:
    """Return the collection that holds the rows of a segment."""
    return Collection(f"g{gallery_id}-s{segment_id}", dimension, Distance(distance), space)


@cache
def _pgvector() -> Engine:
    try:  # its tables are an application of Django only where there is a database for them
        from workers.engines.pgvector import PgvectorAdapter
    except ImportError as exc:
        raise PermanentError("engine_not_installed", f"a package is missing: {exc.name}") from exc
    return Engine(PgvectorAdapter())


@cache
def _milvus(url: str) -> Engine:
    from workers.engines.milvus import MilvusAdapter  # its client is installed apart

    return Engine(MilvusAdapter(url))
