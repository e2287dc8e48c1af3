"""Segments are read from verified files only, and a restart finds everything there."""

import os

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registry.galleries.models import Gallery, InsertBatch, Item
from registry.galleries.selectors import live_view
from tests.builders.galleries import (
    a_gallery,
    an_alias,
    an_encoder,
    files_of,
    fill,
    move,
    put,
    remove,
    seal_with,
)
from workers.pipelines import seal_segment
from workers.serving import segments as module
from workers.serving.errors import SearchError
from workers.serving.segments import Segments

pytestmark = pytest.mark.django_db

EAST = [1, 0, 0]


def a_sealed_gallery(tmp_path, distance="inner_product"):
    """Return a gallery cut over once, with its first segment sealed by the real job."""
    alias = an_alias()
    old, new = an_encoder(alias, distance=distance), an_encoder(alias, distance=distance)
    gallery = a_gallery(old, {"a": [3, 1, 0], "b": [2, 1, 0]})
    put(gallery, {"c": [1, 1, 0], "d": [0.5, 1, 0]})
    remove(gallery, "b")
    move(gallery, new, covers=[old])
    segment = gallery.segments.get(number=1)
    chunks = [
        str(files_of(segment).path(batch.chunk_digest)) for batch in segment.batches.order_by("pk")
    ]
    job = {"chunks": chunks, "dimension": 3, "distance": distance}
    result = seal_segment.main(job, tmp_path, lambda done, total: None)
    sealed = seal_with(gallery, (tmp_path / "index.faiss").read_bytes())
    assert (sealed.index_digest, sealed.sealed_rows) == (result["sha256"], 4)
    return gallery


def ask(search, gallery):
    gallery = Gallery.objects.get(pk=gallery.pk)
    return search.ids(gallery, vector=EAST, producer=str(gallery.live_view.encoder))


def damage(path):
    """Flip one bit of the last number."""
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


@pytest.mark.parametrize("distance", ["cosine", "inner_product"])
def test_a_sealed_segment_is_read_from_its_index_alone(search, tmp_path, distance, monkeypatch):
    gallery = a_sealed_gallery(tmp_path, distance)
    monkeypatch.setattr(module, "read_chunk", lambda *_: pytest.fail("a chunk was read"))

    assert ask(search, gallery) == ["a", "c", "d"]


def test_what_was_removed_before_or_after_the_seal_is_hidden(search, tmp_path):
    gallery = a_sealed_gallery(tmp_path)
    assert ask(search, gallery) == ["a", "c", "d"]

    remove(gallery, "a")

    assert ask(search, gallery) == ["c", "d"]


def test_a_corrupt_index_is_refused_and_verified_chunks_answer(search, tmp_path, caplog):
    gallery = a_sealed_gallery(tmp_path)
    segment = gallery.segments.get(number=1)
    damage(files_of(segment).path(segment.index_digest))

    assert ask(search, gallery) == ["a", "c", "d"]
    assert "index_corrupt" in caplog.text


def test_a_missing_index_is_replaced_by_verified_chunks(search, tmp_path, caplog):
    gallery = a_sealed_gallery(tmp_path)
    segment = gallery.segments.get(number=1)
    files_of(segment).path(segment.index_digest).unlink()

    assert ask(search, gallery) == ["a", "c", "d"]
    assert "no stored bytes" in caplog.text


def test_an_index_with_another_number_of_rows_than_the_database_is_refused(
    search, tmp_path, caplog
):
    gallery = a_sealed_gallery(tmp_path)
    segment = gallery.segments.get(number=1)
    other = tmp_path / "other"
    other.mkdir()
    first = segment.batches.order_by("pk").first()
    job = {
        "chunks": [str(files_of(segment).path(first.chunk_digest))],
        "dimension": 3,
        "distance": "inner_product",
    }
    seal_segment.main(job, other, lambda done, total: None)
    data = (other / "index.faiss").read_bytes()
    segment.index_digest = files_of(segment).write([data], max_bytes=len(data)).digest
    segment.save(update_fields=["index_digest"])
    segment.batches.update(index_digest=segment.index_digest)

    assert ask(search, gallery) == ["a", "c", "d"]
    assert "row_count" in caplog.text


def test_a_corrupt_chunk_makes_the_segment_unavailable_and_not_a_part_of_it(search):
    gallery = a_gallery(items={"a": EAST})
    put(gallery, {"b": EAST})
    segment = gallery.segments.get()
    damage(files_of(segment).path(segment.batches.order_by("pk").last().chunk_digest))

    response = search.post(gallery, {"item_id": "a"})

    assert (response.status_code, response.json()["code"]) == (503, "segment_unavailable")
    assert "chunk_corrupt" in response.json()["detail"]


def test_neither_index_nor_chunks_are_trusted_when_both_are_corrupt(search, tmp_path):
    gallery = a_sealed_gallery(tmp_path)
    segment = gallery.segments.get(number=1)
    damage(files_of(segment).path(segment.index_digest))
    damage(files_of(segment).path(segment.batches.first().chunk_digest))

    assert search.refusal(gallery, item_id="a") == (503, "segment_unavailable")


def test_a_missing_chunk_makes_the_segment_unavailable_until_it_is_back(search):
    gallery = a_gallery(items={"a": EAST})
    segment = gallery.segments.get()
    path = files_of(segment).path(segment.batches.get().chunk_digest)
    os.rename(path, path.with_suffix(".away"))

    assert search.refusal(gallery, item_id="a") == (503, "segment_unavailable")
    os.rename(path.with_suffix(".away"), path)
    assert ask(search, gallery) == ["a"]


def test_a_chunk_of_fewer_rows_than_the_database_says_is_refused(search):
    gallery = a_gallery(items={"a": EAST, "b": EAST})
    InsertBatch.objects.filter(gallery=gallery).update(rows=3)

    assert search.refusal(gallery, item_id="a") == (503, "segment_unavailable")


def test_a_vector_that_has_no_item_is_never_a_hit(search):
    gallery = a_gallery(items={"a": EAST, "b": [5, 0, 0]})
    Item.objects.filter(gallery=gallery, external_id="b").delete()

    assert ask(search, gallery) == ["a"]


def test_a_batch_that_was_begun_earlier_and_finished_later_is_found(search):
    """Batches finish in any order: what is new is told by the items, not by the batch ids."""
    gallery = a_gallery()
    early = InsertBatch.objects.create(
        gallery=gallery,
        created_by=gallery.created_by,
        created_at=gallery.created_at,
        work_state="running",
    )
    put(gallery, {"late": EAST})
    assert ask(search, gallery) == ["late"]

    put(gallery, {"early": [2, 0, 0]})
    swap_ids(InsertBatch.objects.exclude(pk=early.pk).order_by("pk").last(), early)

    assert ask(search, gallery) == ["early", "late"]
    remove(gallery, "early")
    assert ask(search, gallery) == ["late"]


def swap_ids(finished, begun):
    """Let ``begun`` be the batch that ``finished`` is, as if it had been begun first."""
    items = Item.objects.filter(batch=finished)
    begun.segment, begun.chunk_digest = finished.segment, finished.chunk_digest
    begun.rows, begun.work_state = finished.rows, "done"
    begun.save()
    items.update(batch=begun)
    finished.delete()


def test_a_refresh_reads_new_chunks_only(search, search_process, monkeypatch):
    gallery = a_gallery(items={"a": EAST})
    ask(search, gallery)
    read, paths = module.read_chunk, []
    monkeypatch.setattr(module, "read_chunk", lambda p, d: paths.append(p) or read(p, d))

    put(gallery, {"b": EAST})
    ask(search, gallery)
    ask(search, gallery)

    newest = InsertBatch.objects.filter(gallery=gallery).order_by("pk").last()
    assert [path.name for path in paths] == [newest.chunk_digest]


def test_a_search_of_what_is_in_memory_makes_two_queries(search, django_assert_num_queries):
    """The pointer with its segments, and the ids of the hits."""
    gallery = a_gallery()
    fill(gallery, [f"i{n}" for n in range(400)], np.random.default_rng(0).normal(size=(400, 3)))
    ask(search, gallery)
    gallery.refresh_from_db()
    producer = str(gallery.live_view.encoder)

    with django_assert_num_queries(2):
        assert len(search.ids(gallery, vector=EAST, producer=producer)) == 10


def test_a_search_of_several_segments_makes_two_queries_too(search, django_assert_num_queries):
    """With the ids comes what became of the segments: nothing is asked for that alone."""
    alias = an_alias()
    versions = [an_encoder(alias) for _ in range(3)]
    gallery = a_gallery(versions[0], {"a": EAST})
    for number, name in ((1, "b"), (2, "c")):
        move(gallery, versions[number], covers=versions[:number])
        put(gallery, {name: EAST})
    ask(search, gallery)
    gallery.refresh_from_db()
    producer = str(gallery.live_view.encoder)

    with django_assert_num_queries(2):
        assert search.ids(gallery, vector=EAST, producer=producer) == ["a", "b", "c"]


def test_searching_writes_nothing(search, tmp_path):
    gallery = a_sealed_gallery(tmp_path)

    with CaptureQueriesContext(connection) as first:
        ask(search, gallery)

    assert {query["sql"].split()[0] for query in first.captured_queries} == {"SELECT"}


def test_a_failed_refresh_leaves_what_was_held_for_the_next_try(search):
    gallery = a_gallery(items={"a": EAST})
    ask(search, gallery)
    put(gallery, {"b": [2, 0, 0]})
    segment = gallery.segments.get()
    path = files_of(segment).path(segment.batches.order_by("pk").last().chunk_digest)
    whole = path.read_bytes()
    damage(path)

    assert search.refusal(gallery, item_id="a") == (503, "segment_unavailable")
    path.write_bytes(whole)
    assert ask(search, gallery) == ["b", "a"]


def test_only_the_named_segments_are_kept():
    gallery = a_gallery(items={"a": EAST})
    other = a_gallery(items={"b": EAST})
    held = Segments()
    for one in (gallery, other):
        view = live_view(one.name)
        held.current(view.gallery_id, view.segments[0])

    kept = gallery.segments.get().pk
    held.keep_only({(kept, 0)})

    assert held.held() == {(kept, 0)}


def test_why_a_segment_is_unavailable_is_said_with_its_number():
    gallery = a_gallery(items={"a": EAST})
    segment = gallery.segments.get()
    damage(files_of(segment).path(segment.batches.get().chunk_digest))
    view = live_view(gallery.name)

    with pytest.raises(SearchError, match="segment 1: chunk_corrupt"):
        Segments().current(view.gallery_id, view.segments[0])
