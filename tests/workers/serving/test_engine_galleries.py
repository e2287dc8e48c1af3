"""A gallery that an engine searches: published, followed, and never passed off as whole."""

import numpy as np
import pytest

from registry.core.leases import MAX_ATTEMPTS
from registry.galleries.models import Gallery, Segment
from registry.galleries.services import seal, sweep
from tests.builders import galleries as build
from tests.builders.galleries import a_gallery, put, remove
from workers.engines import opened
from workers.engines.protocol import EngineUnavailableError
from workers.engines.publication import numbers_of
from workers.serving import segments as module
from workers.serving import views
from workers.tasks.seal_segment import seal_segment

pytestmark = pytest.mark.django_db(databases=["default", "vectors"])

EAST = [1, 0, 0]


@pytest.fixture(autouse=True)
def few_rows_are_worth_an_index(monkeypatch):
    monkeypatch.setattr(seal, "GROWN_ROWS", 2)


@pytest.fixture
def engine():
    return opened.engine_named("pgvector")


def an_engine_gallery(items=None):
    return a_gallery(items=items, engine="pgvector")


def name_of(segment):
    return f"g{segment.gallery_id}-s{segment.pk}"


def ask(search, gallery, k=10):
    gallery = Gallery.objects.get(pk=gallery.pk)
    return search.ids(gallery, vector=EAST, producer=str(gallery.live_view.encoder), k=k)


def publish(gallery, number=1):
    """Publish a segment as the sweeper and a worker do; return its row."""
    segment = gallery.segments.get(number=number)
    sweep.sweep()
    seal_segment(segment.pk)
    segment.refresh_from_db()
    return segment


def held(search_process, segment):
    return search_process.segments.held_indexes()[segment.pk]


def break_down(monkeypatch, engine, *calls):
    """Let an engine not answer."""

    def answer(*arguments, **named):
        raise EngineUnavailableError("pgvector: it is down")

    for call in calls:
        monkeypatch.setattr(engine._adapter, call, answer)


def test_what_is_published_is_in_the_engine_and_searched_there(
    search, search_process, engine, monkeypatch
):
    gallery = an_engine_gallery({"a": [3, 0, 0], "b": [2, 0, 0]})
    views.preparation.look()
    before = ask(search, gallery)

    segment = publish(gallery)
    assert held(search_process, segment) == ""
    monkeypatch.setattr(module, "read_chunk", lambda *_: pytest.fail("a chunk was read"))
    views.preparation.look()

    assert (segment.index_kind, segment.index_note) == ("pgvector", "flat")
    assert (segment.indexed_rows, segment.recall_at_10) == (2, 1.0)
    assert engine.count(name_of(segment)) == 2
    assert engine.find(name_of(segment)).space == segment.producer.digest
    assert held(search_process, segment) == segment.index_digest
    assert ask(search, gallery) == before == ["a", "b"]
    assert search_process.segments.sizes() == {"pgvector": (2, 0)}


def test_what_came_after_is_found_beside_it_and_what_went_is_hidden(search, search_process):
    gallery = an_engine_gallery({"a": [4, 0, 0], "b": [3, 0, 0], "gone": [9, 0, 0]})
    remove(gallery, "gone")
    for round_ in range(3):
        segment = publish(gallery)
        views.preparation.look()
        assert held(search_process, segment) == segment.index_digest
        put(gallery, {f"near{round_}": [10 + round_, 0, 0], f"far{round_}": [-1 - round_, 0, 0]})
        newer = [f"near{n}" for n in reversed(range(round_ + 1))]
        older = [f"far{n}" for n in range(round_ + 1)]
        assert ask(search, gallery) == [*newer, "a", "b", *older]

    remove(gallery, "a", "near2")
    assert ask(search, gallery)[:3] == ["near1", "near0", "b"]


def test_rows_that_a_later_publication_has_put_in_are_not_found_twice(
    search, search_process, engine, monkeypatch
):
    """The engine may hold more than the database says: a publication that is under way."""
    gallery = an_engine_gallery({"a": [2, 0, 0], "b": [1, 0, 0]})
    publish(gallery)
    views.preparation.look()
    put(gallery, {f"n{n}": [9 - n / 10, 0, 0] for n in range(4)})
    monkeypatch.setattr(seal, "record_sealed", lambda **_: False)
    publish(gallery)
    segment = gallery.segments.get()
    assert engine.count(name_of(segment)) == 6

    assert ask(search, gallery) == ["n0", "n1", "n2", "n3", "a", "b"]
    assert ask(search, gallery, k=2) == ["n0", "n1"]


def test_batches_that_are_finished_out_of_order_keep_their_rows(search, search_process, engine):
    gallery = an_engine_gallery()
    first = put(gallery, {"a": [4, 0, 0], "b": [3, 0, 0]})
    second = put(gallery, {"c": [2, 0, 0], "d": [1, 0, 0]})
    type(first).objects.filter(pk=first.pk).update(work_state="running")
    publish(gallery)
    type(first).objects.filter(pk=first.pk).update(work_state="done")
    segment = publish(gallery)
    views.preparation.look()

    assert ask(search, gallery) == ["a", "b", "c", "d"]
    rows = numbers_of(second.pk, 2)
    assert engine.fetch(name_of(segment), rows).tolist() == [[2, 0, 0], [1, 0, 0]]


def test_after_a_cutover_the_sealed_segment_is_published_for_good(search, search_process, engine):
    gallery = an_engine_gallery({"a": [3, 0, 0], "b": [2, 0, 0]})
    old = gallery.live_view.encoder
    build.move(gallery, build.an_encoder(gallery.alias), covers=[old])

    segment = publish(gallery)
    views.preparation.look()

    assert (segment.state, segment.sealed_rows, segment.work_state) == ("sealed", 2, "done")
    assert ask(search, gallery) == ["a", "b"]
    hit = search.ask(gallery, item_id="a", k=5)["hits"]
    assert [one["id"] for one in hit] == ["b"]


def test_cosine_is_compared_by_direction(search, search_process):
    encoder = build.an_encoder(distance="cosine")
    gallery = a_gallery(encoder, {"a": [3, 4, 0], "b": [9, 0, 0]}, engine="pgvector")
    publish(gallery)
    views.preparation.look()

    answer = search.ask(gallery, vector=EAST, producer=str(encoder))["hits"]

    assert [hit["id"] for hit in answer] == ["b", "a"]
    np.testing.assert_allclose([hit["score"] for hit in answer], [1, 0.6], atol=1e-6)


def test_an_engine_that_does_not_answer_is_waited_for_and_said(
    search, search_process, engine, monkeypatch
):
    gallery = an_engine_gallery({"a": [3, 0, 0], "b": [2, 0, 0]})
    with monkeypatch.context() as patch:
        break_down(patch, engine, "upsert")
        for _ in range(MAX_ATTEMPTS + 2):
            segment = publish(gallery)
            assert (segment.work_state, segment.error_code) == ("queued", "engine_unavailable")
    segment = publish(gallery)
    assert (segment.work_state, segment.error_code, segment.indexed_rows) == ("done", "", 2)

    views.preparation.look()
    with monkeypatch.context() as patch:
        break_down(patch, engine, "find", "nearest")
        producer = str(gallery.live_view.encoder)
        asked = {"vector": EAST, "producer": producer}
        assert search.refusal(gallery, **asked) == (503, "engine_unavailable")
        assert search.refusal(gallery, item_id="a") == (503, "engine_unavailable")
        search_process.segments.keep_only(())
        assert search.refusal(gallery, **asked) == (503, "engine_unavailable")
        views.preparation._prepare(gallery.name)
        assert views.preparation.problems[gallery.name].code == "engine_unavailable"
    assert ask(search, gallery) == ["a", "b"]


def test_an_index_whose_engine_does_not_answer_is_adopted_when_it_does(
    search, search_process, engine, monkeypatch
):
    gallery = an_engine_gallery({"a": [3, 0, 0], "b": [2, 0, 0]})
    views.preparation.look()
    segment = publish(gallery)
    with monkeypatch.context() as patch:
        break_down(patch, engine, "find")
        views.preparation.look()
        assert held(search_process, segment) == ""
        assert ask(search, gallery) == ["a", "b"]

    views.preparation.look()

    assert held(search_process, segment) == segment.index_digest


def test_a_process_that_finds_fewer_rows_reads_the_chunks(search, search_process, engine, caplog):
    gallery = an_engine_gallery({"a": [3, 0, 0], "b": [2, 0, 0]})
    segment = publish(gallery)
    engine.delete(name_of(segment), numbers_of(gallery.batches.get().pk, 2)[:1])

    assert ask(search, gallery) == ["a", "b"]
    assert held(search_process, segment) == ""
    assert "row_count" in caplog.text


def test_rows_that_get_lost_are_not_passed_over_in_silence(search, search_process, engine):
    gallery = an_engine_gallery({"a": [3, 0, 0], "b": [2, 0, 0]})
    segment = publish(gallery)
    views.preparation.look()
    producer = str(gallery.live_view.encoder)

    engine.delete(name_of(segment), numbers_of(gallery.batches.get().pk, 2)[:1])
    lost = search.refusal(gallery, vector=EAST, producer=producer)
    engine.drop(name_of(segment))
    gone = search.refusal(gallery, vector=EAST, producer=producer)

    assert lost == gone == (503, "segment_unavailable")


def test_published_again_lost_rows_are_back_and_adopted(search, search_process, engine):
    gallery = an_engine_gallery({"a": [3, 0, 0], "b": [2, 0, 0]})
    segment = publish(gallery)
    engine.drop(name_of(segment))
    assert ask(search, gallery) == ["a", "b"]
    views.preparation.look()
    assert held(search_process, segment) == ""

    Segment.objects.filter(pk=segment.pk).update(work_state="queued")
    again = publish(gallery)
    views.preparation.look()

    assert again.index_digest != segment.index_digest
    assert held(search_process, segment) == again.index_digest
    assert ask(search, gallery) == ["a", "b"]


def test_an_engine_that_is_no_longer_set_up_leaves_the_chunks(
    search, search_process, settings, caplog
):
    gallery = an_engine_gallery({"a": [3, 0, 0], "b": [2, 0, 0]})
    segment = publish(gallery)
    settings.VECTORS_URL = ""
    assert ask(search, gallery) == ["a", "b"]
    assert "engine_not_configured" in caplog.text

    put(gallery, {"c": [1, 0, 0], "d": [0.5, 0, 0]})
    failed = publish(gallery)
    assert (failed.work_state, failed.error_code) == ("failed", "engine_not_configured")
    assert failed.index_digest == segment.index_digest


def test_a_cutover_asks_no_engine_anything(engine, monkeypatch):
    gallery = an_engine_gallery({"a": [3, 0, 0], "b": [2, 0, 0]})
    publish(gallery)
    calls = [name for name in vars(type(engine._adapter)) if not name.startswith("_")]
    break_down(monkeypatch, engine, *(set(calls) - {"label"}))

    old = gallery.live_view.encoder
    build.move(gallery, build.an_encoder(gallery.alias), covers=[old])

    assert gallery.segments.get(number=1).state == "sealed"
