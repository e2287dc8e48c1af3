"""A dual query: each segment is asked by the version that made it, hits merged by calibration."""

from dataclasses import replace

import numpy as np
import pytest

from compat.calibration import Calibration
from registry.galleries.selectors import view_plan
from registry.galleries.services.cutover import OwnQuery
from tests.builders.galleries import a_gallery, an_alias, an_encoder, move, put
from workers.serving.preparation import Preparation

pytestmark = pytest.mark.django_db

AXES = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]])
SAMPLE = [1.0, 2.0, 3.0, 0.0]


@pytest.fixture
def line():
    """A gallery of an old version with scores near 1 and a new one with scores near 100."""
    alias = an_alias()
    old = an_encoder(alias, AXES)
    new = an_encoder(alias, AXES[:, ::-1] * 100)
    gallery = a_gallery(old, {"old-x": [1, 0, 0], "old-z": [0, 0, 1]})
    own = OwnQuery("comparison:7", Calibration(0.0, 1.0, 5000), Calibration(0.0, 100.0, 5000))
    move(gallery, new, dual={old.pk: own})
    put(gallery, {"new-first": [1, 0, 0], "new-last": [0, 0, 1]})
    return gallery, old, new


def test_an_input_is_asked_by_each_version_and_hits_are_put_in_one_order(search, line):
    gallery, old, new = line

    answer = search.ask(gallery, input=SAMPLE, k=4)

    assert answer["merged_by"] == "calibrated"
    assert answer["skipped"] == []
    assert [(h["id"], h["score"], h["calibrated"]) for h in answer["hits"]] == [
        ("new-first", 300.0, 3.0),
        ("old-z", 3.0, 3.0),
        ("new-last", 100.0, 1.0),
        ("old-x", 1.0, 1.0),
    ]
    assert {h["producer"] for h in answer["hits"]} == {str(old), str(new)}


def test_raw_scores_of_two_versions_are_never_put_in_one_order(search, line):
    """By raw score the new version's worst hit would stand before the old one's best."""
    ids = search.ids(line[0], input=SAMPLE, k=2)

    assert set(ids) == {"new-first", "old-z"}


def test_vectors_of_both_versions_find_what_the_input_finds(search, line):
    gallery, old, new = line

    found = search.ask(gallery, vectors={str(old): [1, 2, 3], str(new): [300, 200, 100]}, k=4)

    assert found["hits"] == search.ask(gallery, input=SAMPLE, k=4)["hits"]


def test_a_vector_of_one_version_meets_its_own_segments_only(search, line):
    gallery, old, new = line

    held = {old: {"old-x", "old-z"}, new: {"new-first", "new-last"}}
    for version, other in ((old, new), (new, old)):
        answer = search.ask(gallery, vector=[1, 2, 3], producer=str(version))
        assert {hit["id"] for hit in answer["hits"]} == held[version]
        assert answer["merged_by"] == "score"
        assert [(s["producer"], s["reason"]) for s in answer["skipped"]] == [
            (str(other), "other_space")
        ]


def test_a_vector_of_a_version_that_does_not_ask_here_is_refused(search, line):
    gallery, old, _ = line
    third = an_encoder(gallery.alias, AXES * 2)

    asked = {str(old): [1, 2, 3], str(third): [1, 2, 3]}
    assert search.refusal(gallery, vectors=asked) == (409, "wrong_producer")


@pytest.mark.parametrize("vectors", [{}, [], {"m:1": "x"}, {f"m:{i}": [1.0] for i in range(17)}])
def test_vectors_that_are_none_are_refused(search, line, vectors):
    assert search.refusal(line[0], vectors=vectors) == (400, "invalid_query")


def test_a_view_without_calibration_answers_nothing_rather_than_by_hope(
    search, search_process, line, monkeypatch
):
    def bare(view_id):
        plan = view_plan(view_id)
        return replace(plan, segments=tuple(replace(s, calibration=None) for s in plan.segments))

    monkeypatch.setattr(search_process, "_plan", bare)

    assert search.refusal(line[0], input=SAMPLE) == (503, "not_calibrated")


def test_both_encoders_are_warm_before_they_are_asked(search_process, line):
    Preparation(search_process).look()

    assert search_process.encoders.held() == {line[1].pk, line[2].pk}
