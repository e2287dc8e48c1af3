"""What Prometheus is told: every search counted once, under few names, by a format it can read."""

import threading

import pytest
from django.db import OperationalError
from prometheus_client.parser import text_string_to_metric_families

from registry.galleries.services import seal, sweep
from tests.builders.galleries import a_gallery, an_alias, an_encoder, files_of, move, put
from workers.serving import views
from workers.serving.metrics import STEPS, Counts
from workers.tasks.seal_segment import seal_segment

pytestmark = pytest.mark.django_db

EAST = [1, 0, 0]


@pytest.fixture(autouse=True)
def counts(search_process, monkeypatch):
    monkeypatch.setattr(views, "counts", Counts())


@pytest.fixture
def gallery():
    return a_gallery(items={"a": EAST, "b": [0, 1, 0]})


def scraped(search) -> dict[tuple, float]:
    """Return every sample by its name and the values of its labels."""
    response = search.client.get("/metrics")
    assert response.status_code == 200
    families = text_string_to_metric_families(response.content.decode())
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def searches(search) -> dict[tuple, float]:
    """Return the number of searches by gallery and outcome."""
    name = "graceful_search_requests_total"
    return {key[1:]: value for key, value in scraped(search).items() if key[0] == name}


def test_a_search_is_counted_once_by_its_outcome(search, gallery):
    views.preparation.look()
    search.ask(gallery, item_id="a")
    search.ask(gallery, item_id="b")
    search.refusal(gallery, item_id="c")
    search.post(gallery, b"{")

    name = gallery.name
    assert searches(search) == {
        (name, "answered"): 2,
        (name, "unknown_item"): 1,
        (name, "invalid_json"): 1,
    }


def test_an_answer_is_timed_whole_and_by_step(search, gallery):
    for _ in range(3):
        timings = search.ask(gallery, item_id="a")["timings_ms"]
    search.refusal(gallery, item_id="c")

    metrics = scraped(search)

    assert set(timings) == {*STEPS, "total"}
    assert metrics["graceful_search_seconds_count",] == 3
    assert all(metrics["graceful_search_step_seconds_count", step] == 3 for step in STEPS)
    steps = sum(metrics["graceful_search_step_seconds_sum", step] for step in STEPS)
    assert 0 < steps < metrics["graceful_search_seconds_sum",]


def test_a_caller_cannot_make_up_series(search, gallery, settings):
    views.preparation.look()
    for name in ("nowhere", "elsewhere"):
        search.refusal(name, item_id="a")
        search.post(name, b"{")
    search.secret = "wrong"
    search.refusal("beyond", item_id="a")

    assert searches(search) == {
        ("", "unknown_gallery"): 2,
        ("", "invalid_json"): 2,
        ("", "unauthenticated"): 1,
    }


def test_a_search_that_found_no_turn_is_counted_as_busy(search, gallery, monkeypatch):
    turns = threading.BoundedSemaphore(1)
    monkeypatch.setattr(views, "turns", turns)
    monkeypatch.setattr(views, "PATIENCE_S", 0.01)
    views.preparation.look()

    with turns:
        search.refusal(gallery, item_id="a")

    assert searches(search) == {(gallery.name, "busy"): 1}


def test_searches_in_progress_are_those_that_run_now(search, gallery, search_process, monkeypatch):
    seen = []
    answer = search_process.answer

    def watched(*arguments):
        seen.append(scraped(search)["graceful_search_in_progress",])
        return answer(*arguments)

    monkeypatch.setattr(search_process, "answer", watched)
    search.ask(gallery, item_id="a")
    search.refusal(gallery, item_id="c")

    assert seen == [1, 1]
    assert scraped(search)["graceful_search_in_progress",] == 0


@pytest.mark.parametrize(
    ("failure", "code"),
    [(OperationalError("gone"), "database_unavailable"), (KeyError("a bug"), "internal_error")],
)
def test_a_failure_is_counted_too(search, gallery, search_process, monkeypatch, failure, code):
    def fail(*_):
        raise failure

    views.preparation.look()
    search.client.raise_request_exception = False
    monkeypatch.setattr(search_process, "answer", fail)
    search.post(gallery, {"item_id": "a"})

    assert searches(search) == {(gallery.name, code): 1}


def test_the_epoch_is_the_one_that_was_prepared(search):
    alias = an_alias()
    old, new = an_encoder(alias), an_encoder(alias)
    gallery = a_gallery(old, {"a": EAST})
    views.preparation.look()
    move(gallery, new, covers=[old])
    key = ("graceful_search_gallery_epoch", gallery.name)

    before = scraped(search)[key]
    views.preparation.look()

    assert (before, scraped(search)[key]) == (1, 2)


def test_rows_without_an_index_are_chunks_of_four_bytes_a_number(search, gallery):
    views.preparation.look()

    metrics = scraped(search)

    assert metrics["graceful_search_segment_rows", "chunks"] == 2
    assert metrics["graceful_search_segment_bytes", "chunks"] == 2 * 3 * 4


def test_rows_of_an_index_are_told_by_its_kind_and_length(search, gallery, monkeypatch):
    monkeypatch.setattr(seal, "GROWN_ROWS", 2)
    sweep.sweep()
    segment = gallery.segments.get()
    seal_segment(segment.pk)
    segment.refresh_from_db()
    views.preparation.look()
    put(gallery, {"c": EAST})
    search.ask(gallery, item_id="c")

    metrics = scraped(search)

    length = files_of(segment).path(segment.index_digest).stat().st_size
    assert metrics["graceful_search_segment_rows", "flat"] == 2
    assert metrics["graceful_search_segment_bytes", "flat"] == length
    assert metrics["graceful_search_segment_rows", "chunks"] == 1


def test_a_scrape_asks_the_database_nothing(search, gallery, django_assert_num_queries):
    views.preparation.look()

    with django_assert_num_queries(0):
        scraped(search)


def test_how_long_ago_the_last_look_was_grows_until_the_next(search, gallery, monkeypatch):
    views.preparation.look()
    monkeypatch.setattr(views.preparation, "_looked_at", views.preparation._looked_at - 1000)

    assert scraped(search)["graceful_search_seconds_since_look",] >= 1000
    views.preparation.look()
    assert scraped(search)["graceful_search_seconds_since_look",] < 1000
