"""Galleries of any size for the search benchmark: rows and files as services leave them."""

from typing import Any

import numpy as np

from bench.search_data import DIMENSION, DISTANCE, IndexFile, parts, vectors

POSTGRESQL_ROWS = """
INSERT INTO galleries_item
    (gallery_id, segment_id, batch_id, "row", external_id, metadata)
SELECT %s, %s, %s, n, 'item-' || lpad((%s + n)::text, 9, '0'), '{}'
FROM generate_series(0, %s - 1) AS n
"""

SQLITE_ROWS = """
WITH RECURSIVE counted(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counted LIMIT %s)
INSERT INTO galleries_item
    (gallery_id, segment_id, batch_id, "row", external_id, metadata)
SELECT %s, %s, %s, n, printf('item-%%09d', %s + n), '{}' FROM counted
"""


def open_gallery(sizes: list[int]) -> tuple[Any, str]:
    """Return a gallery with a sealed segment of each size, and the encoder that asks in it."""
    from tests.builders import galleries as build

    alias = build.an_alias()
    encoder = build.an_encoder(alias, dimension=DIMENSION, distance=DISTANCE)
    gallery, made_by, first = build.a_gallery(encoder), [encoder], 0
    for size in sizes:
        _fill(gallery, first, size)
        first += size
        encoder = build.an_encoder(alias, dimension=DIMENSION, distance=DISTANCE)
        build.move(gallery, encoder, covers=made_by)
        made_by.append(encoder)
    return gallery, str(encoder)


def publish(gallery: Any, number: int, index: IndexFile | None) -> None:
    """Give a segment this index instead of what it has; with none it is read from its chunks."""
    from registry.galleries.models import Segment
    from registry.galleries.services import seal
    from tests.builders.galleries import files_of

    segment = gallery.segments.get(number=number)
    if index is None:
        segment.batches.update(index_digest="")
        Segment.objects.filter(pk=segment.pk).update(index_digest="")
        return
    digest = files_of(segment).write_file(index.path).digest
    Segment.objects.filter(pk=segment.pk).update(work_state="queued")
    job = seal.claim(segment_id=segment.pk)
    assert job is not None
    published = seal.PublishedIndex(digest, index.kind, index.recall_at_10)
    assert seal.record_sealed(job=job, index=published)


def _fill(gallery: Any, first: int, size: int) -> None:
    from django.db import connection, transaction
    from django.db.models import F
    from django.utils import timezone

    from registry.galleries.models import InsertBatch, Segment
    from tests.builders.galleries import files_of

    gallery.refresh_from_db()
    segment = gallery.live_view.insert_segment
    for start, rows in parts(first, size):
        chunk = np.ascontiguousarray(vectors(start, rows), dtype="<f4").tobytes()
        digest = files_of(segment).write([chunk], max_bytes=len(chunk)).digest
        with transaction.atomic(), connection.cursor() as cursor:
            batch = InsertBatch.objects.create(
                gallery=gallery,
                segment=segment,
                chunk_digest=digest,
                rows=rows,
                work_state="done",
                created_by=gallery.created_by,
                created_at=timezone.now(),
            )
            place = [gallery.pk, segment.pk, batch.pk, start]
            if connection.vendor == "postgresql":
                cursor.execute(POSTGRESQL_ROWS, [*place, rows])
            else:
                cursor.execute(SQLITE_ROWS, [rows, *place])
            Segment.objects.filter(pk=segment.pk).update(
                live_items=F("live_items") + rows, revision=F("revision") + 1
            )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
