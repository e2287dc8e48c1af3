"""A search finds the nearest live items of the segments that the live view lets it meet."""

import numpy as np
import pytest

from registry.galleries.models import Gallery
from tests.builders.galleries import (
    a_gallery,
    an_alias,
    an_encoder,
    fill,
    move,
    put,
    remove,
)

pytestmark = pytest.mark.django_db

EAST, NORTH, UP = [1, 0, 0], [0, 1, 0], [0, 0, 1]


def by(gallery):
    """Return the name of the live encoder, whose vectors may be sent."""
    return str(Gallery.objects.get(pk=gallery.pk).live_view.encoder)


def test_the_answer_says_what_was_found_where_and_under_which_pointer(search):
    gallery = a_gallery(items={"near": [2, 0, 0], "far": [0, 1, 0], "between": [1, 1, 0]})

    answer = search.ask(gallery, vector=EAST, producer=by(gallery), k=2)

    assert answer["hits"] == [
        {"id": "near", "score": 2.0, "segment": 1, "producer": by(gallery), "calibrated": None},
        {"id": "between", "score": 1.0, "segment": 1, "producer": by(gallery), "calibrated": None},
    ]
    assert (answer["gallery"], answer["epoch"], answer["view"]) == (gallery.name, 1, 1)
    assert (answer["encoder"], answer["skipped"]) == (by(gallery), [])
    assert set(answer["timings_ms"]) == {
        "resolve",
        "encode",
        "load",
        "search",
        "look_up",
        "total",
    }


def test_an_input_is_encoded_by_the_live_encoder(search):
    weights = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]])
    gallery = a_gallery(an_encoder(weights=weights), {"east": EAST, "north": NORTH, "up": UP})

    answer = search.ask(gallery, input=[0.0, 3.0, 1.0, 9.0], k=2)

    assert [(hit["id"], hit["score"]) for hit in answer["hits"]] == [("north", 3), ("up", 1)]


def test_an_item_finds_its_neighbours_and_never_itself(search):
    gallery = a_gallery(items={"a": [3, 0, 0], "b": [2, 0, 0], "c": [1, 0, 0]})

    assert search.ids(gallery, item_id="a", k=2) == ["b", "c"]
    assert search.ids(gallery, item_id="a", k=1) == ["b"]


@pytest.mark.parametrize("distance", ["cosine", "inner_product", "euclidean"])
def test_scores_are_higher_for_what_is_nearer_under_every_distance(search, distance):
    items = {"same": [2, 0, 0], "near": [1.5, 1, 0], "far": [-1, 1, 0]}
    gallery = a_gallery(an_encoder(distance=distance), items)

    hits = search.ask(gallery, vector=[2, 0, 0], producer=by(gallery))["hits"]

    assert [hit["id"] for hit in hits] == ["same", "near", "far"]
    expected = {
        "cosine": [1, 1.5 / 3.25**0.5, -(0.5**0.5)],
        "inner_product": [4, 3, -2],
        "euclidean": [0, -(1.25**0.5), -(10**0.5)],
    }[distance]
    np.testing.assert_allclose([hit["score"] for hit in hits], expected, atol=1e-6)


def test_equal_scores_are_ordered_by_id_across_segments(search):
    old, new = encoders()
    gallery = a_gallery(old, {"d": EAST, "b": EAST})
    move(gallery, new, covers=[old])
    put(gallery, {"a": EAST, "c": EAST, "e": [0.5, 0, 0]})

    assert search.ids(gallery, vector=EAST, producer=by(gallery), k=5) == ["a", "b", "c", "d", "e"]
    assert search.ids(gallery, vector=EAST, producer=by(gallery), k=3) == ["a", "b", "c"]


def test_what_is_inserted_after_a_search_is_found_by_the_next(search):
    gallery = a_gallery(items={"a": EAST})
    assert search.ids(gallery, vector=EAST, producer=by(gallery)) == ["a"]

    for number in range(5):
        put(gallery, {f"b{number}": [2 + number, 0, 0]})
        found = search.ids(gallery, vector=EAST, producer=by(gallery))
        assert found[0] == f"b{number}"
        assert len(found) == number + 2


def test_an_empty_gallery_has_no_hits(search):
    gallery = a_gallery()

    answer = search.ask(gallery, vector=EAST, producer=by(gallery))

    assert (answer["hits"], answer["skipped"]) == ([], [])


@pytest.mark.parametrize("loaded_before", [True, False])
def test_removed_items_never_appear(search, loaded_before):
    gallery = a_gallery(items={f"i{n}": [n + 1, 0, 0] for n in range(20)})
    put(gallery, {f"j{n}": [n + 0.5, 0, 0] for n in range(20)})
    if loaded_before:
        assert search.ids(gallery, vector=EAST, producer=by(gallery), k=2) == ["i19", "j19"]

    remove(gallery, "i19", "j19", "i18")

    assert search.ids(gallery, vector=EAST, producer=by(gallery), k=2) == ["j18", "i17"]
    assert len(search.ids(gallery, vector=EAST, producer=by(gallery), k=50)) == 37
    assert search.refusal(gallery, item_id="i19") == (404, "unknown_item")


def test_an_item_that_was_removed_and_inserted_again_is_found_once_with_its_new_vector(search):
    gallery = a_gallery(items={"a": EAST, "b": NORTH})
    search.ask(gallery, vector=EAST, producer=by(gallery))

    remove(gallery, "a")
    put(gallery, {"a": UP})

    hits = search.ask(gallery, vector=[0, 0, 5], producer=by(gallery))["hits"]
    assert [(hit["id"], hit["score"]) for hit in hits] == [("a", 5), ("b", 0)]


def test_what_is_removed_while_a_search_runs_is_left_out(search, search_process, monkeypatch):
    gallery = a_gallery(items={f"i{n}": [9 - n, 0, 0] for n in range(9)})
    current = search_process.segments.current

    def removed_after_loading(gallery_id, wanted):
        loaded = current(gallery_id, wanted)
        remove(gallery, "i0")
        return loaded

    monkeypatch.setattr(search_process.segments, "current", removed_after_loading)

    assert search.ids(gallery, vector=EAST, producer=by(gallery), k=3) == ["i1", "i2"]


def encoders():
    """Return two encoders of one line."""
    alias = an_alias()
    return an_encoder(alias), an_encoder(alias)


def test_after_a_cutover_the_new_encoder_queries_what_the_evidence_covers(search):
    old, new = encoders()
    gallery = a_gallery(old, {"kept": EAST})
    search.ask(gallery, vector=EAST, producer=by(gallery))

    move(gallery, new, covers=[old])
    put(gallery, {"added": NORTH})

    answer = search.ask(gallery, vector=EAST, producer=str(new))
    assert (answer["epoch"], answer["encoder"]) == (2, str(new))
    assert [(hit["id"], hit["segment"], hit["producer"]) for hit in answer["hits"]] == [
        ("kept", 1, str(old)),
        ("added", 2, str(new)),
    ]
    assert search.refusal(gallery, vector=EAST, producer=str(old)) == (409, "wrong_producer")


def test_a_segment_without_evidence_is_not_searched_and_is_named(search):
    old, new = encoders()
    gallery = a_gallery(old, {"hidden": EAST, "also": UP})

    move(gallery, new)
    put(gallery, {"seen": NORTH})

    answer = search.ask(gallery, vector=EAST, producer=str(new))
    assert [hit["id"] for hit in answer["hits"]] == ["seen"]
    assert answer["skipped"] == [
        {"segment": 1, "producer": str(old), "items": 2, "reason": "no_evidence"}
    ]
    assert search.refusal(gallery, item_id="hidden") == (409, "item_not_searchable")


def test_an_item_of_an_older_version_meets_the_segments_of_that_version_only(search):
    old, new = encoders()
    gallery = a_gallery(old, {"a": EAST, "b": [0.5, 0, 0]})
    move(gallery, new, covers=[old])
    put(gallery, {"c": EAST})

    from_old = search.ask(gallery, item_id="a")
    from_new = search.ask(gallery, item_id="c")

    assert [hit["id"] for hit in from_old["hits"]] == ["b"]
    assert from_old["skipped"] == [
        {"segment": 2, "producer": str(new), "items": 1, "reason": "other_space"}
    ]
    assert [hit["id"] for hit in from_new["hits"]] == ["a", "b"]
    assert from_new["skipped"] == []


def test_segments_of_another_dimension_or_distance_are_skipped_and_named(search):
    alias = an_alias()
    longer = an_encoder(alias, dimension=5)
    other = an_encoder(alias, distance="cosine")
    new = an_encoder(alias)
    gallery = a_gallery(longer, {"five": [1, 0, 0, 0, 0]})
    move(gallery, other, covers=[longer])
    put(gallery, {"turned": EAST})
    move(gallery, new, covers=[longer, other])

    answer = search.ask(gallery, vector=EAST, producer=str(new))

    assert answer["hits"] == []
    assert [(entry["segment"], entry["reason"]) for entry in answer["skipped"]] == [
        (1, "other_dimension"),
        (2, "other_distance"),
    ]


def test_a_thousand_hits_from_a_thousand_batches_are_one_answer(search):
    gallery = a_gallery()
    ids = [f"i{number:04d}" for number in range(1010)]
    vectors = np.outer(np.arange(1010), EAST)
    fill(gallery, ids, vectors, batch_rows=1)

    found = search.ids(gallery, vector=EAST, producer=by(gallery), k=1000)

    assert found == ids[:9:-1]
