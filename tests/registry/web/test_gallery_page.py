"""The page of a gallery: its live pointer, its segments, and search."""

import pytest

from registry.core.errors import UnavailableError
from registry.galleries.models import Gallery
from registry.galleries.services.acknowledge import acknowledge
from registry.galleries.services.attach import Attachment
from registry.galleries.services.create_gallery import create_gallery
from registry.web.pages import galleries
from tests.builders import registry as make
from tests.registry.web.conftest import HTMX, text_of

ANSWER = {
    "gallery": "g",
    "epoch": 3,
    "view": 2,
    "encoder": "m:2",
    "hits": [{"id": "<b>slip</b>", "score": 0.98765, "segment": 1, "producer": "m:1"}],
    "skipped": [{"segment": 2, "producer": "m:9", "items": 1200, "reason": "no_evidence"}],
    "timings_ms": {"total": 4.2},
}


@pytest.fixture
def asked(monkeypatch):
    """What the search process was asked."""
    bodies = []

    def search(gallery, body):
        bodies.append(body)
        return ANSWER

    monkeypatch.setattr(galleries, "ask_search_process", search)
    return bodies


def test_the_index_of_a_segment_is_shown_with_its_recall_and_why_it_is_flat(pages):
    gallery = make.a_gallery(name="g", items=5)
    gallery.segments.update(
        index_digest="d" * 64,
        index_kind="hnsw",
        index_note="a reason",
        indexed_rows=4,
        recall_at_10=0.9871,
    )

    text = text_of(pages.get("/galleries/g/"))

    assert "hnsw" in text
    assert "4 rows, recall at 10: 0.987" in text
    assert "a reason" in text


def test_the_live_pointer_and_every_segment_are_shown(pages):
    gallery = make.a_gallery(name="g", items=5)
    make.promote(upgrade_id=make.a_judged_upgrade(gallery.alias).pk, actor=gallery.created_by)

    response = pages.get("/galleries/g/")
    words = text_of(response)

    assert response.context["gallery"].epoch == 2
    assert "takes inserts" in words
    assert "sealed" in words
    assert "queried by #2" in words


def test_a_gallery_is_created(pages):
    alias = make.a_promoted_upgrade(make.an_alias(make.a_model("m", task="embedding"))).alias

    response = pages.post("/new/gallery/", {"name": "g", "alias": str(alias), "description": ""})

    assert response.url == "/galleries/g/"
    assert Gallery.objects.get().alias == alias


def test_an_item_is_searched_for(pages, asked):
    make.a_gallery(name="g")

    response = pages.post("/galleries/g/search/", {"item_id": "slip-1", "k": "5"})

    assert asked == [{"k": 5, "item_id": "slip-1"}]
    body = response.content.decode()
    assert "&lt;b&gt;slip&lt;/b&gt;" in body
    assert "0.9877" in body
    assert "segment 2 was not searched: 1,200 items of m:9 (no evidence)" in text_of(response)


def test_the_page_of_answers_loaded_again_asks_anew(pages, asked):
    make.a_gallery(name="g")

    response = pages.get("/galleries/g/search/")

    assert (response.status_code, asked) == (200, [])
    assert "Like the item" in text_of(response)
    assert b"field-error" not in response.content


def test_an_input_is_searched_for(pages, asked):
    make.a_gallery(name="g")

    pages.post("/galleries/g/search/", {"input": "[[0, 255]]", "k": "10"})

    assert asked == [{"k": 10, "input": [[0, 255]]}]


def test_htmx_gets_the_hits_alone(pages, asked):
    make.a_gallery(name="g")

    response = pages.post("/galleries/g/search/", {"item_id": "a", "k": "5"}, headers=HTMX)

    assert b"<html" not in response.content


@pytest.mark.parametrize(
    "form",
    [
        {"k": "5"},
        {"k": "5", "item_id": "a", "input": "[1]"},
        {"k": "0", "item_id": "a"},
        {"k": "5", "input": "[NaN]"},
        {"k": "5", "input": "nonsense"},
    ],
)
def test_a_search_for_nothing_or_for_nonsense_is_not_sent(pages, asked, form):
    make.a_gallery(name="g")

    response = pages.post("/galleries/g/search/", form)

    assert response.status_code == 422
    assert b"field-error" in response.content
    assert asked == []


def test_a_search_process_that_does_not_answer_is_told(pages, monkeypatch):
    make.a_gallery(name="g")

    def search(gallery, body):
        raise UnavailableError("the search process does not answer", code="search_unavailable")

    monkeypatch.setattr(galleries, "ask_search_process", search)
    response = pages.post("/galleries/g/search/", {"item_id": "a", "k": "5"})

    assert response.status_code == 503
    assert "search_unavailable" in text_of(response)


def an_attached_gallery(location="opensearch://search-eu/faces"):
    alias = make.an_alias(make.a_model(task="embedding"))
    make.a_promoted_upgrade(alias)
    return create_gallery(
        name="abroad",
        alias=alias,
        actor=make.a_user(),
        attachment=Attachment(location, [(alias.version, 12_000)]),
    )


def test_an_attached_gallery_shows_where_it_is_and_offers_nothing_that_needs_vectors(pages):
    an_attached_gallery(location="<b>opensearch</b>")

    response = pages.get("/galleries/abroad/")

    body, words = response.content.decode(), text_of(response)
    assert "&lt;b&gt;opensearch&lt;/b&gt;" in body
    assert "Items, as declared 12,000" in words
    assert "Nobody has acknowledged an epoch yet" in words
    for address in ("search/", "items/", "backfill/", "economics/"):
        assert f"/galleries/abroad/{address}" not in body
    listed = text_of(pages.get("/galleries/"))
    assert "attached" in listed
    assert "&lt;b&gt;opensearch&lt;/b&gt;" in listed


def test_consumers_are_shown_with_those_that_lag_behind(pages):
    gallery = an_attached_gallery()
    for consumer in ("search-eu", "search-us"):
        acknowledge(gallery=gallery, consumer=consumer, epoch=1, actor=make.a_user())
    make.a_promoted_upgrade(gallery.alias)
    acknowledge(gallery=gallery, consumer="search-us", epoch=2, actor=make.a_user())

    words = text_of(pages.get("/galleries/abroad/"))

    assert "1 behind the live epoch" in words
    assert "1 epoch behind , since" in words
    assert words.count("at the live epoch") == 1


def test_the_owner_declares_on_the_page_how_many_items_a_segment_holds(pages):
    gallery = an_attached_gallery()
    segment = gallery.segments.get()
    path = f"/galleries/{gallery.name}/"

    response = pages.post(path + "declare/", {"segment": segment.number, "items": "12,500"})

    segment.refresh_from_db()
    assert (response.url, segment.live_items) == (path + "#segments", 12_500)
    words = text_of(pages.get(path))
    assert f"Segment {segment.number} holds 12,500 items." in words
    assert f"{segment.number}, made by {segment.producer}, 12,500 items" in words


@pytest.mark.parametrize("asked", [{"items": "many"}, {"items": "-1"}, {"segment": "9"}])
def test_a_count_or_a_segment_that_is_none_declares_nothing(pages, asked):
    gallery = an_attached_gallery()
    segment = gallery.segments.get()
    path = f"/galleries/{gallery.name}/"

    pages.post(path + "declare/", {"segment": segment.number, "items": "5"} | asked)

    segment.refresh_from_db()
    assert segment.live_items == 12_000
    assert "say how many items: 0 to 2,000,000,000" in text_of(pages.get(path))


def test_a_gallery_that_counts_its_own_items_offers_no_count_to_declare(pages):
    gallery = make.a_gallery()
    number = gallery.segments.get().number

    pages.post(f"/galleries/{gallery.name}/declare/", {"segment": number, "items": "5"})

    page = pages.get(f"/galleries/{gallery.name}/")
    assert "gallery_embedded" in text_of(page)
    assert b"/declare/" not in page.content


def test_a_backfill_of_an_attached_gallery_is_refused_in_words(pages):
    an_attached_gallery()

    for address in ("backfill/", "economics/"):
        response = pages.get(f"/galleries/abroad/{address}")
        assert response.status_code == 409
        assert "its vectors are in an index of its owner" in text_of(response)


def test_a_gallery_without_consumers_says_nothing_of_them(pages):
    make.a_gallery(name="g")

    assert 'id="consumers"' not in pages.get("/galleries/g/").content.decode()


@pytest.fixture
def line():
    alias = make.an_alias(make.a_model("m", task="embedding"))
    make.a_promoted_upgrade(alias)
    return alias


def attached_form(**changes):
    form = {"name": "g", "alias": "m@production", "description": "", "kind": "attached"}
    rows = {"held-TOTAL_FORMS": "4", "held-INITIAL_FORMS": "0"}
    return form | rows | {"location": "opensearch://search-eu/faces"} | changes


def test_an_attached_gallery_is_created_with_what_it_holds(pages, line):
    other = make.a_version(line.model)
    held = {
        "held-0-producer": "m:1",
        "held-0-items": "12000",
        "held-2-producer": str(other),
        "held-2-items": "70",
    }

    response = pages.post("/new/gallery/", attached_form(**held))

    assert response.url == "/galleries/g/"
    gallery = Gallery.objects.get()
    assert (gallery.kind, gallery.location) == ("attached", "opensearch://search-eu/faces")
    counted = gallery.segments.order_by("number").values_list("producer__number", "live_items")
    assert list(counted) == [(other.number, 70), (1, 12_000)]


def test_what_was_typed_about_an_index_is_left_out_where_the_vectors_are_here(pages, line):
    pages.post("/new/gallery/", attached_form(kind="embedded", **{"held-0-producer": "m:1"}))

    assert (Gallery.objects.get().kind, Gallery.objects.get().location) == ("embedded", "")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"location": " "}, "Say where the index is."),
        ({"held-0-producer": "m:1"}, "Say how many items it made."),
        ({"held-0-items": "5"}, "Say which version made them."),
        ({"held-0-producer": "m:9", "held-0-items": "5"}, "no version m:9"),
        ({"held-0-producer": "m:1", "held-0-items": "0"}, "greater than or equal to 1"),
        (
            {f"held-{i}-{k}": v for i in (0, 1) for k, v in (("producer", "m:1"), ("items", "5"))},
            "a version is named twice",
        ),
        ({"held-TOTAL_FORMS": ""}, "ManagementForm data is missing"),
    ],
)
def test_what_is_wrong_with_an_attached_gallery_is_shown_and_nothing_is_made(
    pages, line, changes, words
):
    response = pages.post("/new/gallery/", attached_form(**changes))

    assert response.status_code == 422
    assert words in text_of(response)
    assert "opensearch" in response.content.decode() or changes == {"location": " "}
    assert not Gallery.objects.exists()
