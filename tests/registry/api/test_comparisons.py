"""Comparisons: measurements, flips by page, the picture of a flip."""

import pytest

from registry.core.data import artifact_store
from registry.evaluation.models import Comparison
from tests.builders import registry as make
from tests.registry.api.conftest import refusal


@pytest.fixture
def comparison(db):
    return make.a_comparison(flips=5)


def test_a_comparison_shows_what_was_measured_and_against_what(api, comparison):
    found = api.get(f"comparisons/{comparison.pk}").json()

    assert found["work_state"] == "done"
    assert (found["old"], found["new"]) == (
        str(comparison.old_outputs.version),
        str(comparison.new_outputs.version),
    )
    assert found["producer"] is None
    assert found["evaluation_set"] == str(comparison.old_outputs.set_revision)
    assert found["null_test"] == {"passed": True, "reason": ""}
    assert found["flip_matrix"] == {"cat": {"dog": 5}}
    measured = {one["name"]: one for one in found["measurements"]}
    assert (measured["nfr"]["value"], measured["nfr"]["count"]) == (0.001, 1)
    assert measured["nfr"]["support"] == 1000
    assert measured["accuracy.new_minus_old"]["bounds"]["lower"]["0.95"] == 0.02


def test_a_measurement_that_is_not_finite_is_shown_by_its_name(api, comparison):
    measurements = comparison.measurements
    measurements[0] |= {"value": "inf", "count": None}
    Comparison.objects.filter(pk=comparison.pk).update(measurements=measurements)

    found = api.get(f"comparisons/{comparison.pk}").json()

    assert found["measurements"][0]["value"] == "inf"


def test_the_first_page_of_flips_comes_with_the_comparison(api, comparison):
    found = api.get(f"comparisons/{comparison.pk}", page_size=2).json()

    assert found["flip_count"] == 5
    first = found["flips"]["results"][0]
    assert first == {
        "row": 0,
        "id": "sample-0",
        "kind": "negative",
        "label": "cat",
        "old": "cat",
        "new": "dog",
        "has_image": True,
    }
    assert len(found["flips"]["results"]) == 2


def test_flips_are_read_page_by_page_to_the_end(api, comparison):
    path, rows, token = f"comparisons/{comparison.pk}/flips", [], None
    while True:
        query = {"page_size": 2} | ({"page_token": token} if token else {})
        found = api.get(path, **query).json()
        rows += [flip["row"] for flip in found["results"]]
        token = found["next_page_token"]
        if token is None:
            break

    assert rows == [0, 1, 2, 3, 4]


def test_the_picture_of_a_flip_is_served_and_may_be_kept(api, comparison):
    response = api.get(f"comparisons/{comparison.pk}/flips/3/image")

    assert b"".join(response.streaming_content) == make.PNG
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in response.headers["Cache-Control"]
    assert response.headers["ETag"] == f'"{comparison.flips[3]["thumbnail"]}"'


@pytest.mark.parametrize("thumbnail", [True, False])
def test_a_flip_without_a_picture_says_so(api, comparison, thumbnail):
    Comparison.objects.filter(pk=comparison.pk).update(flips=[make.a_flip(0, thumbnail=thumbnail)])

    found = api.get(f"comparisons/{comparison.pk}/flips").json()["results"][0]

    assert found["has_image"] is False
    assert refusal(api.get(f"comparisons/{comparison.pk}/flips/0/image")) == (404, "no_image")


def test_a_picture_that_rotted_is_not_served(api, comparison):
    path = artifact_store().path(comparison.flips[0]["thumbnail"])
    whole = path.read_bytes()
    path.chmod(0o600)
    try:
        path.write_bytes(whole[:-1])
        response = api.get(f"comparisons/{comparison.pk}/flips/0/image")
    finally:
        path.write_bytes(whole)

    assert refusal(response) == (500, "artifact_corrupt")


def test_what_is_not_there_is_named(api, comparison):
    path = f"comparisons/{comparison.pk}/flips/99/image"

    assert refusal(api.get(path)) == (404, "unknown_flip")
    for one in ("", "/flips", "/flips/1/image"):
        assert refusal(api.get(f"comparisons/987654{one}")) == (404, "unknown_comparison")
