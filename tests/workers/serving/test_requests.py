"""What is no proper request is refused with its own code; nothing of it reaches an engine."""

import threading

import pytest
from django.db import OperationalError

from tests.builders.galleries import a_gallery, an_encoder
from workers.errors import PermanentError
from workers.runners.resident import ResidentChild
from workers.serving import views

pytestmark = pytest.mark.django_db

EAST = [1, 0, 0]


@pytest.fixture
def gallery():
    return a_gallery(items={"a": EAST})


@pytest.fixture
def producer(gallery):
    return str(gallery.live_view.encoder)


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer wrong", "Basic only for tests", "only for tests"]
)
def test_without_the_shared_secret_nothing_is_answered(search, gallery, header, settings):
    response = search.client.post(
        f"/galleries/{gallery.name}/search",
        {"item_id": "a"},
        content_type="application/json",
        headers={"Authorization": header},
    )

    assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")


def test_only_post_searches(search, gallery, settings):
    response = search.client.get(
        f"/galleries/{gallery.name}/search",
        headers={"Authorization": f"Bearer {settings.SEARCH_SECRET}"},
    )

    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")


def test_other_addresses_are_none(search, search_process):
    response = search.client.get("/elsewhere")

    assert (response.status_code, response.json()["code"]) == (404, "unknown_address")


def test_an_unknown_gallery_or_item_is_named_so(search, gallery):
    assert search.refusal("nowhere", item_id="a") == (404, "unknown_gallery")
    assert search.refusal(gallery, item_id="b") == (404, "unknown_item")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b'{"k": 1', b"[" * 100_000, b'{"item_id": "a"} x']
)
def test_a_body_that_is_no_json_is_refused(search, gallery, body):
    response = search.post(gallery, body)

    assert (response.status_code, response.json()["code"]) == (400, "invalid_json")


def test_a_body_beyond_the_limit_is_refused_unread(search, gallery, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

    response = search.post(gallery, b" " * 101)

    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "body",
    [
        [],
        "a",
        {},
        {"k": 3},
        {"vector": EAST},
        {"vector": EAST, "producer": ""},
        {"vector": EAST, "producer": 1},
        {"vector": EAST, "producer": "m:1", "item_id": "a"},
        {"vector": EAST, "producer": "m:1", "gallery": "x"},
        {"input": EAST, "producer": "m:1"},
        {"item_id": ""},
        {"item_id": 7},
        {"vector": 1, "producer": "m:1"},
        {"vector": [[1, 0, 0]], "producer": "m:1"},
        {"vector": [1, 0, "0"], "producer": "m:1"},
        {"vector": [1, 0, None], "producer": "m:1"},
        {"vector": [1, 0, True], "producer": "m:1"},
    ],
)
def test_a_query_that_is_not_one_of_the_three_is_refused(search, gallery, body):
    response = search.post(gallery, body)

    assert (response.status_code, response.json()["code"]) == (400, "invalid_query")


@pytest.mark.parametrize("k", [0, -1, 1001, 10**30, 1.5, "3", None, True])
def test_k_is_a_whole_number_from_1_to_1000(search, gallery, k):
    assert search.refusal(gallery, item_id="a", k=k) == (400, "invalid_k")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e39", "1e400"])
@pytest.mark.parametrize("query", ['"vector": [1, 0, {}], "producer": "m:1"', '"input": [0.5, {}]'])
def test_numbers_that_float32_does_not_hold_are_refused(search, gallery, number, query):
    body = "{" + query.format(number) + "}"

    response = search.post(gallery, body.encode())

    assert (response.status_code, response.json()["code"]) == (400, "not_finite")


def test_whole_numbers_beyond_every_float_are_refused(search, gallery):
    assert search.refusal(gallery, vector=[10**400], producer="m:1") == (400, "not_finite")
    assert search.refusal(gallery, input=[10**400]) == (400, "input_shape")


@pytest.mark.parametrize("vector", [[], [1], [1, 0], [1, 0, 0, 0]])
def test_a_vector_of_another_dimension_is_refused(search, gallery, producer, vector):
    assert search.refusal(gallery, vector=vector, producer=producer) == (400, "wrong_dimension")


def test_a_vector_whose_scores_would_overflow_is_refused(search, gallery, producer):
    vector = [3e38, 3e38, 3e38]

    assert search.refusal(gallery, vector=vector, producer=producer) == (400, "out_of_range")


def test_the_zero_vector_has_no_direction_to_compare(search):
    gallery = a_gallery(an_encoder(distance="cosine"), {"a": EAST})
    producer = str(gallery.live_view.encoder)

    assert search.refusal(gallery, vector=[0, 0, 0], producer=producer) == (400, "zero_vector")


@pytest.mark.parametrize("producer", ["elsewhere:1", "x"])
def test_a_vector_of_another_version_is_refused(search, gallery, producer):
    assert search.refusal(gallery, vector=EAST, producer=producer) == (409, "wrong_producer")


@pytest.mark.parametrize(
    "sample", [3, "x", [1, "x"], [[1], [1, 2]], [None], {"a": 1}, [True], [], [1, 2, 3], [[1] * 4]]
)
def test_an_input_of_another_shape_is_refused(search, gallery, sample):
    assert search.refusal(gallery, input=sample) == (400, "input_shape")


def test_an_encoder_that_cannot_run_is_unavailable_and_vectors_still_work(
    search, gallery, producer, monkeypatch
):
    def crash(*_):
        raise PermanentError("child_crashed", "it does not start")

    monkeypatch.setattr(ResidentChild, "run", crash)

    assert search.refusal(gallery, input=[1.0, 0, 0, 0]) == (503, "encoder_unavailable")
    assert search.ids(gallery, vector=EAST, producer=producer) == ["a"]


def test_when_every_turn_is_taken_a_search_is_told_so_and_health_still_answers(
    search, gallery, producer, monkeypatch
):
    turns = threading.BoundedSemaphore(1)
    monkeypatch.setattr(views, "turns", turns)
    monkeypatch.setattr(views, "PATIENCE_S", 0.01)

    with turns:
        assert search.refusal(gallery, item_id="a") == (503, "busy")
        assert search.client.get("/health/").json()["alive"] is True
    assert search.ids(gallery, vector=EAST, producer=producer) == ["a"]


def test_a_refused_search_gives_its_turn_back(search, gallery, producer, monkeypatch):
    monkeypatch.setattr(views, "turns", threading.BoundedSemaphore(1))

    for _ in range(3):
        assert search.refusal("nowhere", item_id="a") == (404, "unknown_gallery")
    assert search.ids(gallery, vector=EAST, producer=producer) == ["a"]


def test_a_database_that_does_not_answer_is_named_so(search, gallery, search_process, monkeypatch):
    def refuse(*_):
        raise OperationalError("password=secret refused")

    monkeypatch.setattr(search_process, "answer", refuse)

    response = search.post(gallery, {"item_id": "a"})

    assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")
    assert b"password" not in response.content


def test_a_bug_is_answered_with_a_code_and_without_its_details(
    search, gallery, search_process, monkeypatch
):
    search.client.raise_request_exception = False
    monkeypatch.setattr(search_process, "answer", lambda *_: 1 / 0)

    response = search.post(gallery, {"item_id": "a"})

    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert b"division" not in response.content
