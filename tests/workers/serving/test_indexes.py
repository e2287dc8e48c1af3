"""A search process maps what was indexed since it read a segment, and searches what came after."""

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registry.galleries.models import Gallery, Segment
from registry.galleries.services import seal, sweep
from registry.galleries.services.publish_again import publish_again
from tests.builders.galleries import a_gallery, files_of, fill, put, remove
from workers.serving import segments as module
from workers.serving import views
from workers.tasks.seal_segment import seal_segment

pytestmark = pytest.mark.django_db

EAST = [1, 0, 0]


@pytest.fixture(autouse=True)
def few_rows_are_worth_an_index(monkeypatch):
    monkeypatch.setattr(seal, "GROWN_ROWS", 2)


def ask(search, gallery):
    gallery = Gallery.objects.get(pk=gallery.pk)
    return search.ids(gallery, vector=EAST, producer=str(gallery.live_view.encoder))


def index(gallery):
    """Index the insert segment as the sweeper and a worker do; return its row."""
    segment = gallery.segments.get()
    sweep.sweep()
    seal_segment(segment.pk)
    segment.refresh_from_db()
    assert segment.index_digest
    return segment


def mapped(search_process, segment):
    return search_process.segments.held_indexes()[segment.pk]


def damage(path):
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def test_an_index_that_is_published_takes_the_place_of_the_rows_in_memory(
    search, search_process, monkeypatch
):
    gallery = a_gallery(items={"a": [3, 0, 0], "b": [2, 0, 0]})
    views.preparation.look()
    before = ask(search, gallery)

    segment = index(gallery)
    assert mapped(search_process, segment) == ""
    monkeypatch.setattr(module, "read_chunk", lambda *_: pytest.fail("a chunk was read"))
    views.preparation.look()

    assert mapped(search_process, segment) == segment.index_digest
    assert ask(search, gallery) == before == ["a", "b"]


def test_what_came_after_an_index_is_found_beside_it_and_what_went_is_hidden(
    search, search_process
):
    gallery = a_gallery(items={"a": [4, 0, 0], "b": [3, 0, 0], "gone": [9, 0, 0]})
    remove(gallery, "gone")
    for round_ in range(3):
        segment = index(gallery)
        views.preparation.look()
        assert mapped(search_process, segment) == segment.index_digest
        put(gallery, {f"near{round_}": [10 + round_, 0, 0], f"far{round_}": [-1 - round_, 0, 0]})
        newer = [f"near{n}" for n in reversed(range(round_ + 1))]
        older = [f"far{n}" for n in range(round_ + 1)]
        assert ask(search, gallery) == [*newer, "a", "b", *older]

    remove(gallery, "a", "near2")
    assert ask(search, gallery)[:3] == ["near1", "near0", "b"]


def test_a_process_that_starts_later_reads_the_index_and_the_chunks_after_it(search, monkeypatch):
    gallery = a_gallery(items={"a": [3, 0, 0], "b": [2, 0, 0]})
    index(gallery)
    put(gallery, {"c": [1, 0, 0]})
    read, paths = module.read_chunk, []
    monkeypatch.setattr(module, "read_chunk", lambda p, d: paths.append(p) or read(p, d))

    assert ask(search, gallery) == ["a", "b", "c"]
    assert len(paths) == 1


def test_an_index_that_is_damaged_is_not_adopted_and_not_tried_again(
    search, search_process, caplog
):
    gallery = a_gallery(items={"a": [3, 0, 0], "b": [2, 0, 0]})
    views.preparation.look()
    segment = index(gallery)
    damage(files_of(segment).path(segment.index_digest))

    views.preparation.look()
    views.preparation.look()

    assert mapped(search_process, segment) == ""
    assert ask(search, gallery) == ["a", "b"]
    assert caplog.text.count("index_corrupt") == 1


def test_an_index_that_was_damaged_is_adopted_once_it_is_published_again(search, search_process):
    gallery = a_gallery(items={"a": [3, 0, 0], "b": [2, 0, 0]})
    ask(search, gallery)
    segment = index(gallery)
    damage(files_of(segment).path(segment.index_digest))
    views.preparation.look()
    assert mapped(search_process, segment) == ""

    publish_again(gallery=gallery, actor="a person")
    seal_segment(segment.pk)
    views.preparation.look()

    assert mapped(search_process, segment) == segment.index_digest, "the same bytes, written anew"
    assert ask(search, gallery) == ["a", "b"]


def test_a_search_through_an_index_makes_as_many_queries_as_one_without(
    search, django_assert_num_queries
):
    gallery = a_gallery()
    fill(gallery, [f"i{n}" for n in range(40)], np.random.default_rng(0).normal(size=(40, 3)))
    index(gallery)
    ask(search, gallery)
    gallery.refresh_from_db()
    producer = str(gallery.live_view.encoder)

    with django_assert_num_queries(2):
        search.ids(gallery, vector=EAST, producer=producer)


def test_looking_again_reads_no_item_and_no_batch_when_nothing_happened(search_process):
    a_gallery(items={"a": EAST})
    views.preparation.look()

    with CaptureQueriesContext(connection) as looked:
        views.preparation.look()

    tables = ("galleries_item", "galleries_insertbatch")
    assert not [q for q in looked.captured_queries if any(table in q["sql"] for table in tables)]


def test_an_index_of_a_segment_that_is_not_held_is_left_alone(search_process):
    gallery = a_gallery(items={"a": [3, 0, 0], "b": [2, 0, 0]})
    views.preparation.look()
    search_process.segments.keep_only(())
    index(gallery)

    views.preparation.look()

    assert search_process.segments.held() == set()
    assert Segment.objects.exclude(index_digest="").exists()
