"""After a rollback: what the older encoder has embedded as well is found by its own vectors."""

import numpy as np
import pytest

from registry.galleries.models import Twin
from registry.galleries.services import twins
from tests.builders import registry as make
from tests.builders.galleries import (
    a_gallery,
    an_alias,
    an_encoder,
    files_of,
    move,
    put,
    remove,
)
from workers.serving import views

pytestmark = pytest.mark.django_db

OLD = np.array([[1, 0], [0, 1], [0, 0], [0, 0]])
NEW = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 0]])


@pytest.fixture
def line():
    """A gallery that went back: "x" is of the old encoder, "y" and "z" of a newer one."""
    alias = an_alias()
    old, new = an_encoder(alias, OLD), an_encoder(alias, NEW)
    gallery = a_gallery(old, {"x": [1, 0]})
    move(gallery, new, covers=[old])
    batch = put(gallery, {"y": [0, 1, 0], "z": [0, 0, 5]})
    batch.upload = make.an_artifact(kind=make.Upload.TABLE)
    batch.save()
    move(gallery, old, returning=True)
    gallery.refresh_from_db()
    return gallery


def finish(gallery, vectors):
    """Record the twin of the newer batch as its worker does."""
    segment = gallery.segments.get(number=2)
    data = np.array(vectors, dtype="<f4").tobytes()
    stored = files_of(segment).write([data], max_bytes=len(data))
    job = twins.claim(twin_id=Twin.objects.get().pk)
    assert twins.record_twin(job=job, chunk_digest=stored.digest)


def test_until_it_is_embedded_again_the_answer_says_what_it_does_not_hold(search, line):
    answer = search.ask(line, input=[1.0, 3.0, 0.0, 0.0])

    assert [hit["id"] for hit in answer["hits"]] == ["x"]
    assert answer["skipped"] == [
        {
            "segment": 2,
            "producer": str(line.live_view.encoder),
            "items": 2,
            "reason": "not_embedded_yet",
        }
    ]


def test_what_was_embedded_again_is_found_by_the_next_search(search, line):
    search.ask(line, input=[1.0, 3.0, 0.0, 0.0])
    finish(line, [[0, 1], [0.5, 0]])

    answer = search.ask(line, input=[1.0, 3.0, 0.0, 0.0])

    assert [(hit["id"], hit["score"]) for hit in answer["hits"]] == [
        ("y", 3.0), ("x", 1.0), ("z", 0.5)
    ]  # fmt: skip
    assert {hit["producer"] for hit in answer["hits"]} == {str(line.live_view.encoder)}
    assert (answer["skipped"], answer["merged_by"]) == ([], "score")


def test_what_was_removed_before_it_was_embedded_again_stays_removed(search, line):
    search.ask(line, input=[1.0, 3.0, 0.0, 0.0])
    remove(line, "y")
    search.ask(line, input=[1.0, 3.0, 0.0, 0.0])
    finish(line, [[0, 1], [0.5, 0]])

    answer = search.ask(line, input=[1.0, 3.0, 0.0, 0.0])

    assert [hit["id"] for hit in answer["hits"]] == ["x", "z"]
    assert answer["skipped"] == []


def test_an_item_is_a_query_once_it_is_embedded_again(search, line):
    assert search.refusal(line, item_id="y") == (409, "item_not_searchable")
    finish(line, [[0, 1], [0.5, 0]])

    assert search.ids(line, item_id="z") == ["x", "y"]


def test_the_same_segment_is_held_in_both_spaces_apart(search, line):
    """The newer encoder meets its own vectors again, whose dimension is another one."""
    finish(line, [[0, 1], [0.5, 0]])
    search.ask(line, input=[1.0, 3.0, 0.0, 0.0])
    old, new = line.live_view.encoder, line.segments.get(number=2).producer
    move(line, new, covers=[old])

    answer = search.ask(line, input=[1.0, 3.0, 2.0, 0.0])

    found = {hit["id"]: hit["score"] for hit in answer["hits"]}
    assert (found["y"], found["z"]) == (3.0, 5.0)


def test_a_look_of_the_preparation_reads_twins_and_no_index_for_them(search, line, search_process):
    finish(line, [[0, 1], [0.5, 0]])

    views.preparation.look()
    views.preparation.look()

    assert not views.preparation.problems
    segment = line.segments.get(number=2)
    assert (segment.pk, line.live_view.encoder_id) in search_process.segments.held()
    assert segment.pk not in search_process.segments.held_indexes()
