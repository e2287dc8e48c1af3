"""A search with a filter finds the nearest items whose metadata equal it, in every engine."""

import pytest

from registry.core.errors import InvalidInputError
from registry.galleries.models import Gallery
from registry.galleries.services import seal, sweep
from registry.galleries.services.insert import insert_vectors
from tests.builders import galleries as build
from workers.serving import views
from workers.tasks.seal_segment import seal_segment

pytestmark = pytest.mark.django_db(databases=["default", "vectors"])

EAST = [1, 0, 0]
ITEMS = {
    "a": {"colour": "red", "size": 1, "new": True},
    "b": {"colour": "red", "size": 2, "new": False},
    "c": {"colour": "blue", "size": 1},
    "d": {},
    "e": {"colour": "1", "size": 0, "contains": "x"},
}


def insert(gallery, items, first=9):
    encoder = gallery.live_view.encoder
    return insert_vectors(
        gallery=gallery,
        producer=encoder,
        ids=list(items),
        vectors=[[float(first - n), 0.0, 0.0] for n in range(len(items))],
        metadata=list(items.values()),
        actor=gallery.created_by,
    )


@pytest.fixture(params=["memory", "files", "pgvector"])
def gallery(request, monkeypatch, search_process):
    """Items in memory alone, or most of them published and some beside."""
    monkeypatch.setattr(seal, "GROWN_ROWS", 2)
    engine = "pgvector" if request.param == "pgvector" else "files"
    gallery = build.a_gallery(engine=engine)
    insert(gallery, ITEMS)
    if request.param != "memory":
        sweep.sweep()
        seal_segment(gallery.segments.get().pk)
    insert(gallery, {"late": {"colour": "red"}}, first=1)
    views.preparation.look()
    return Gallery.objects.get(pk=gallery.pk)


def ids(search, gallery, where, k=10):
    producer = str(gallery.live_view.encoder)
    return search.ids(gallery, vector=EAST, producer=producer, k=k, filter=where)


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({}, ["a", "b", "c", "d", "e", "late"]),
        ({"colour": "red"}, ["a", "b", "late"]),
        ({"size": 1}, ["a", "c"]),
        ({"size": 1, "colour": "red"}, ["a"]),
        ({"new": True}, ["a"]),
        ({"new": 1}, []),
        ({"size": True}, []),
        ({"colour": 1}, []),
        ({"contains": "x"}, ["e"]),
        ({"shape": "round"}, []),
    ],
)
def test_only_items_whose_metadata_equal_it_are_found(search, gallery, where, found):
    assert ids(search, gallery, where) == found
    assert ids(search, gallery, where, k=1) == found[:1]


def test_it_holds_for_what_is_like_an_item_and_removed_ones_stay_hidden(search, gallery):
    asked = {"item_id": "a", "filter": {"colour": "red"}}
    assert search.ids(gallery, **asked) == ["b", "late"]

    build.remove(gallery, "b")

    assert search.ids(gallery, **asked) == ["late"]


@pytest.mark.parametrize("wrong", [[], "red", None, {"a.b": 1}, {"a": None}, {"a": 1.5}, {"a": []}])
def test_a_filter_that_nothing_could_equal_is_refused(search, search_process, wrong):
    gallery = build.a_gallery(items={"a": EAST})
    producer = str(gallery.live_view.encoder)

    refused = search.refusal(gallery, vector=EAST, producer=producer, filter=wrong)

    assert refused == (400, "invalid_filter")


def test_metadata_that_no_filter_could_ask_for_are_refused_and_nothing_is_inserted():
    gallery = build.a_gallery()

    with pytest.raises(InvalidInputError) as refused:
        insert(gallery, {"a": {"fine": 1}, "b": {"nested": {"x": 1}}})

    assert refused.value.code == "invalid_metadata"
    assert not gallery.items.exists()
