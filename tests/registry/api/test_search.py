"""The way to the search process: a stand-in answers in its place, over a real socket."""

import json
from contextlib import closing

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registry.core.errors import UnavailableError
from registry.galleries.services import search as searching
from registry.galleries.services.search import search
from tests.builders import registry as make
from tests.registry.api.conftest import StandIn, refusal

HITS = {
    "gallery": "faces",
    "epoch": 1,
    "view": 1,
    "encoder": "embedder:1",
    "hits": [{"id": "item-0", "score": 0.9, "segment": 1, "producer": "embedder:1"}],
    "skipped": [],
    "timings_ms": {"search": 0.2},
}


@pytest.fixture
def process(process):
    process.answer = json.dumps(HITS).encode()
    return process


@pytest.fixture
def gallery(db):
    return make.a_gallery(name="faces", items=1)


def test_a_search_goes_to_the_search_process_and_its_answer_comes_back(api, gallery, process):
    response = api.post("galleries/faces/search", vector=[1, 2, 3, 4], producer="embedder:1", k=3)

    assert (response.status_code, response.json()) == (200, HITS)
    assert process.path == "/galleries/faces/search"
    assert process.secret == "Bearer shared"
    sent = json.loads(process.body)
    assert sent == {"vector": [1, 2, 3, 4], "producer": "embedder:1", "k": 3}


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_k"),
        (404, "unknown_item"),
        (409, "item_not_searchable"),
        (413, "body_too_large"),
        (503, "busy"),
    ],
)
def test_what_the_search_process_refuses_is_passed_on(api, gallery, process, status, code):
    process.status = status
    process.answer = json.dumps({"code": code, "detail": "because"}).encode()

    response = api.post("galleries/faces/search", item_id="item-0")

    assert refusal(response) == (status, code)
    assert response.json()["detail"] == "because"


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, b"<html>"),
        (200, b"[]"),
        (500, b'{"code": "internal_error", "detail": "a bug"}'),
        (401, b'{"code": "unauthenticated", "detail": "wrong secret"}'),
        (404, b'{"detail": "no code"}'),
        (409, b'{"code": 7, "detail": "no text"}'),
    ],
)
def test_an_answer_that_is_none_means_unavailable(api, gallery, process, status, answer):
    process.status, process.answer = status, answer

    response = api.post("galleries/faces/search", item_id="item-0")

    assert refusal(response) == (503, "search_unavailable")


def test_a_search_process_that_is_down_is_named(api, gallery, settings):
    settings.SEARCH_URL = "http://127.0.0.1:1"

    response = api.post("galleries/faces/search", item_id="item-0")

    assert refusal(response) == (503, "search_unavailable")


def test_a_search_process_that_hangs_is_given_up(gallery, settings):
    with closing(StandIn()) as slow:
        slow.server.shutdown()
        settings.SEARCH_URL, settings.SEARCH_TIMEOUT_S = slow.url, 0.1

        with pytest.raises(UnavailableError) as refused:
            search(gallery, {"item_id": "a"})

    assert refused.value.code == "search_unavailable"


@pytest.mark.parametrize("body", ["[]", "3", '"text"', "null"])
def test_a_search_is_an_object(api, gallery, process, body):
    assert refusal(api.send("POST", "galleries/faces/search", body)) == (400, "invalid_input")
    assert process.path == ""


def test_the_secret_goes_through_no_proxy(api, gallery, process, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    searching._connections.cache_clear()

    assert api.post("galleries/faces/search", item_id="item-0").status_code == 200


def test_a_search_costs_the_web_process_the_token_and_one_plain_row(api, gallery, process):
    api.get("models")  # notes when the token was used

    with CaptureQueriesContext(connection) as queries:
        api.post("galleries/faces/search", item_id="item-0")

    token, row = [query["sql"] for query in queries]
    assert "accounts_token" in token
    assert "galleries_gallery" in row
    assert "JOIN" not in row
