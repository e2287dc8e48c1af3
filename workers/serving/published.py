"""What is published of a segment, as a part that can be searched: a mapped file, or an engine."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from registry.galleries.models import Gallery, InsertBatch
from registry.galleries.selectors import LiveSegment
from registry.galleries.services.insert import segment_store
from workers.engines.opened import collection_of, engine_named
from workers.engines.part import EnginePart
from workers.engines.protocol import EngineUnavailableError
from workers.errors import PermanentError
from workers.indexing.parts import Published
from workers.indexing.protocol import Distance
from workers.indexing.publish import read_index
from workers.serving.errors import SearchError


def published_part(
    gallery_id: int, wanted: LiveSegment, batches: Sequence[InsertBatch]
) -> Published:
    """Return the rows of ``batches``, which the index of a segment holds, in their order.

    Raises:
        PermanentError: it is not what the database says, or its engine is not set up here.
        RegistryError: the file is missing.
        EngineUnavailableError: the engine does not answer.
    """
    if wanted.engine == Gallery.Engine.FILES:
        part: Published = read_index(
            segment_store(gallery_id, wanted.segment_id).path(wanted.index_digest),
            digest=wanted.index_digest,
            dimension=wanted.dimension,
            distance=Distance(wanted.distance),
        )
    else:
        collection = collection_of(
            gallery_id,
            wanted.segment_id,
            dimension=wanted.dimension,
            distance=wanted.distance,
            space=wanted.space,
        )
        held = [(batch.pk, batch.rows) for batch in batches]
        part = EnginePart(wanted.engine, engine_named(wanted.engine), collection, held)
    require_rows(len(part), sum(batch.rows for batch in batches), "the index")
    return part


def require_rows(found: int, expected: int, where: str) -> None:
    """Refuse bytes that are not as many rows as the database says.

    Raises:
        PermanentError: ``row_count``.
    """
    if found != expected:
        raise PermanentError("row_count", f"{found} rows in {where}, {expected} in the database")


@contextmanager
def told_as_unavailable(wanted: LiveSegment) -> Iterator[None]:
    """Say of which segment it is that an engine does not answer, or not with what it was given.

    Raises:
        SearchError: ``engine_unavailable``, ``segment_unavailable``.
    """
    try:
        yield
    except EngineUnavailableError as exc:
        raise SearchError("engine_unavailable", f"segment {wanted.number}: {exc}") from exc
    except PermanentError as exc:
        raise SearchError("segment_unavailable", f"segment {wanted.number}: {exc}") from exc
