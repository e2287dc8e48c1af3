"""The compare pipeline on stored outputs: what it measures, lists and draws."""

import numpy as np
import pytest
import torch
from PIL import Image

from tests.builders.comparisons import (
    MANIFESTS,
    ROWS,
    a_classifier,
    a_set,
    an_encoder,
    compared,
    named,
)
from workers.pipelines.compare import NO_CLASS, THUMBNAILS, main


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_flips_are_counted_listed_and_named(tmp_path):
    judged = a_set(tmp_path)
    a_classifier(tmp_path, "old", judged, wrong=[1, 2])
    a_classifier(tmp_path, "new", judged, wrong=[2, 30, 33], unknown=[4])

    result = compared(tmp_path)

    found = named(result)
    assert (found["nfr"].count, found["nfr"].support) == (3, ROWS)
    assert found["pfr"].count == 1
    assert found["accuracy.new_minus_old"].value == pytest.approx(-2 / ROWS)
    assert result["flips"] == [
        {
            "row": 4,
            "id": "m-4",
            "kind": "negative",
            "label": "dog",
            "old": "dog",
            "new": NO_CLASS,
            "thumbnail": True,
        },
        {
            "row": 30,
            "id": "m-30",
            "kind": "negative",
            "label": "cat",
            "old": "cat",
            "new": "dog",
            "thumbnail": True,
        },
        {
            "row": 33,
            "id": "m-33",
            "kind": "negative",
            "label": "cat",
            "old": "cat",
            "new": "dog",
            "thumbnail": True,
        },
        {
            "row": 1,
            "id": "m-1",
            "kind": "positive",
            "label": "dog",
            "old": "owl",
            "new": "dog",
            "thumbnail": True,
        },
    ]
    assert result["flip_matrix"] == {"cat": {"dog": 2}, "dog": {NO_CLASS: 1}}
    assert result["null_test"] == {"passed": True, "reason": ""}


def test_every_slice_value_is_measured_on_its_own_samples(tmp_path):
    judged = a_set(tmp_path)
    night = judged.slices["light"] == "night"
    a_classifier(tmp_path, "old", judged)
    a_classifier(tmp_path, "new", judged, wrong=np.flatnonzero(night)[:2])

    result = compared(tmp_path)

    slices = {m["slice"] for m in result["measurements"]}
    assert slices == {"", "light=day", "light=night"}  # an empty value is no value
    by_night = named(result, "light=night")
    assert (by_night["nfr"].count, by_night["nfr"].support) == (2, night.sum())
    assert named(result, "light=day")["nfr"].count == 0
    everywhere = tuple(name for name in named(result) if name != "classes_lost")
    assert {tuple(named(result, s)) for s in slices - {""}} == {everywhere}


@pytest.mark.parametrize("task", ["classification", "embedding"])
def test_outputs_in_another_order_are_aligned_by_id(tmp_path, task):
    judged = a_set(tmp_path, task)
    make = a_classifier if task == "classification" else an_encoder
    make(tmp_path, "old", judged)
    make(tmp_path, "new", judged, **({"wrong": [4]} if task == "classification" else {"seed": 2}))
    before = compared(tmp_path, task)
    with np.load(tmp_path / "new.npz") as kept:
        arrays = dict(kept)
    order = np.random.default_rng(0).permutation(ROWS)
    for column in ("ids", "outputs", "predicted"):
        if column in arrays:
            arrays[column] = arrays[column][order]
    arrays["repeat_rows"] = np.array([0, 5])
    arrays["repeat_outputs"] = arrays["outputs"][[0, 5]]
    np.savez(tmp_path / "new.npz", **arrays)

    assert compared(tmp_path, task) == before


@pytest.mark.parametrize("task", ["classification", "embedding"])
def test_the_first_version_is_compared_with_itself_and_shows_nothing(tmp_path, task):
    judged = a_set(tmp_path, task)
    make = a_classifier if task == "classification" else an_encoder
    make(tmp_path, "old", judged, repeat_rows=[3, 9])

    result = compared(tmp_path, task, new=str(tmp_path / "old.npz"))

    assert result["null_test"]["passed"]
    assert result["flips"] == []
    assert result["flip_matrix"] == {}
    for name, found in named(result).items():
        if "_minus_" in name and not name.endswith(("chance", "majority")):
            assert found.value == 0, name
    flips = [m for n, m in named(result).items() if n in ("nfr", "retrieval_nfr")]
    assert [m.count for m in flips] == [0]


def test_cells_differences_and_retrieval_flips_are_measured(tmp_path):
    judged = a_set(tmp_path, "embedding")
    an_encoder(tmp_path, "old", judged, noise=1.5, seed=1)
    an_encoder(tmp_path, "new", judged, noise=0.8, seed=2)

    result = compared(tmp_path, "embedding")

    found = named(result)
    assert found["map.new_old_minus_old_old"].value == pytest.approx(
        found["map.new_old"].value - found["map.old_old"].value
    )
    assert found["map.new_old_minus_old_old"].interval(0.95) is not None
    assert result["chance"] == pytest.approx(19 / 59)
    negative = [flip for flip in result["flips"] if flip["kind"] == "negative"]
    positive = [flip for flip in result["flips"] if flip["kind"] == "positive"]
    assert len(negative) == found["retrieval_nfr"].count > 0
    assert len(positive) == found["retrieval_pfr"].count > 0
    assert all(f["old"] == f["label"] != f["new"] for f in negative)
    assert all(f["new"] == f["label"] != f["old"] for f in positive)
    assert sum(n for row in result["flip_matrix"].values() for n in row.values()) == len(negative)
    assert 0 < found["strict.same_class"].value < 1
    assert not any("producer" in name for name in found)


def test_slices_of_an_embedding_restrict_the_queries_only(tmp_path):
    is_query = np.arange(ROWS) % 2 == 0
    judged = a_set(tmp_path, "embedding", is_query=is_query)
    an_encoder(tmp_path, "old", judged, seed=1)
    an_encoder(tmp_path, "new", judged, seed=2)

    result = compared(tmp_path, "embedding")

    at_night = (judged.slices["light"] == "night")[is_query]
    with np.load(tmp_path / "samples.npz") as samples:
        wanted = samples["map.new_old"][at_night].mean()
    found = named(result, "light=night")["map.new_old"]
    assert found.value == pytest.approx(wanted)
    assert found.support == at_night.sum()


def test_a_producer_adds_its_cells(tmp_path):
    judged = a_set(tmp_path, "embedding")
    for seed, name in enumerate(("old", "new", "producer")):
        an_encoder(tmp_path, name, judged, seed=seed)

    found = named(compared(tmp_path, "embedding", producer=str(tmp_path / "producer.npz")))

    assert found["map.new_producer_minus_old_producer"].value == pytest.approx(
        found["map.new_producer"].value - found["map.old_producer"].value
    )
    assert found["map.new_producer_minus_producer_producer"].value is not None


def test_unequal_dimensions_are_undefined_and_list_no_flip(tmp_path):
    judged = a_set(tmp_path, "embedding")
    an_encoder(tmp_path, "old", judged, d=5)
    an_encoder(tmp_path, "new", judged, d=7)

    result = compared(tmp_path, "embedding")

    found = named(result)
    for name in ("map.new_old", "map.new_old_minus_old_old", "retrieval_nfr"):
        assert (found[name].value, found[name].undefined) == (None, "dimensions_differ")
    assert found["map.new_new"].value is not None
    assert result["flips"] == []
    with np.load(tmp_path / "samples.npz") as samples:
        assert "new_right" not in samples


def test_roles_and_identities_of_the_set_are_used(tmp_path):
    is_query = np.arange(ROWS) >= 20
    judged = a_set(
        tmp_path,
        "embedding",
        is_query=is_query,
        is_gallery=~is_query,
        identities=np.where(is_query, np.arange(ROWS) // 2, np.arange(ROWS) + 1000),
    )
    an_encoder(tmp_path, "old", judged, seed=1)
    an_encoder(tmp_path, "new", judged, seed=2)

    found = named(compared(tmp_path, "embedding"))

    assert (found["map.new_old"].support, found["map.new_old"].clusters) == (40, 20)
    with np.load(tmp_path / "samples.npz") as samples:
        assert samples["rows"].tolist() == list(range(20, ROWS))
        assert samples["map.new_old"].mean() == pytest.approx(found["map.new_old"].value)


def test_samples_of_one_identity_are_not_taken_for_independent_ones(tmp_path):
    judged = a_set(tmp_path, identities=np.arange(ROWS) // 2)
    a_classifier(tmp_path, "old", judged)
    a_classifier(tmp_path, "new", judged, wrong=[4, 5])

    found = named(compared(tmp_path))

    assert (found["nfr"].support, found["nfr"].clusters, found["nfr"].count) == (ROWS, 30, None)


def test_samples_tell_the_story_of_every_sample(tmp_path):
    judged = a_set(tmp_path)
    a_classifier(tmp_path, "old", judged, wrong=[1])
    a_classifier(tmp_path, "new", judged, wrong=[2])

    compared(tmp_path)

    with np.load(tmp_path / "samples.npz", allow_pickle=False) as samples:
        assert samples["ids"].tolist() == judged.ids.tolist()
        assert np.flatnonzero(~samples["old_right"]).tolist() == [1]
        assert np.flatnonzero(~samples["new_right"]).tolist() == [2]
        assert samples["new_answers"][2] == 0


def test_flips_have_pictures_up_to_the_limit(tmp_path):
    rows = THUMBNAILS + 30
    judged = a_set(tmp_path, rows=rows, inputs=np.zeros((rows, 8, 8), np.uint8), slices={})
    a_classifier(tmp_path, "old", judged)
    a_classifier(tmp_path, "new", judged, wrong=range(rows))

    result = compared(tmp_path)

    pictured = {f["row"] for f in result["flips"] if f["thumbnail"]}
    written = {int(p.stem) for p in (tmp_path / "thumbnails").iterdir()}
    assert pictured == written
    assert len(written) == THUMBNAILS
    with Image.open(tmp_path / "thumbnails" / "0.png") as picture:
        assert picture.size == (32, 32)


def test_a_flood_of_flips_is_listed_up_to_the_limit_and_counted_in_full(tmp_path, monkeypatch):
    monkeypatch.setattr("workers.pipelines.compare.LISTED_FLIPS", 2)
    judged = a_set(tmp_path)
    a_classifier(tmp_path, "old", judged, wrong=range(5))
    a_classifier(tmp_path, "new", judged, wrong=range(5, 12))

    result = compared(tmp_path)

    assert [f["row"] for f in result["flips"]] == [5, 6, 0, 1]
    assert named(result)["nfr"].count == 7
    assert sum(n for row in result["flip_matrix"].values() for n in row.values()) == 7


@pytest.mark.parametrize("inputs", [None, np.zeros((ROWS, 12), np.float32)])
def test_a_set_without_pictures_has_flips_without_pictures(tmp_path, inputs):
    judged = a_set(tmp_path, inputs=inputs)
    a_classifier(tmp_path, "old", judged)
    a_classifier(tmp_path, "new", judged, wrong=[5])

    assert [f["thumbnail"] for f in compared(tmp_path)["flips"]] == [False]


@pytest.mark.parametrize("task", ["classification", "embedding"])
@pytest.mark.parametrize("which", ["old", "new"])
def test_a_repeated_row_that_changed_fails_the_null_test(tmp_path, task, which):
    judged = a_set(tmp_path, task)
    make = a_classifier if task == "classification" else an_encoder
    for name in ("old", "new"):
        make(tmp_path, name, judged, repeat_rows=[3, 9])
    with np.load(tmp_path / f"{which}.npz") as kept:
        arrays = dict(kept)
    arrays["repeat_outputs"][1] = arrays["repeat_outputs"][1][::-1] + 0.01
    np.savez(tmp_path / f"{which}.npz", **arrays)

    found = compared(tmp_path, task)["null_test"]

    assert not found["passed"]
    assert found["reason"].startswith(f"{which} version: row 9")


@pytest.mark.parametrize("task", ["classification", "embedding"])
def test_measuring_code_that_cannot_see_equality_fails_the_null_test(tmp_path, task, monkeypatch):
    judged = a_set(tmp_path, task)
    make = a_classifier if task == "classification" else an_encoder
    for name in ("old", "new"):
        make(tmp_path, name, judged)
    monkeypatch.setattr("compat.metrics.null.order_by_id", lambda ids, found: np.arange(len(ids)))

    found = compared(tmp_path, task)["null_test"]

    assert not found["passed"]
    assert "differ from themselves" in found["reason"]


@pytest.mark.parametrize("task", ["classification", "embedding"])
def test_progress_rises_to_its_total(tmp_path, task):
    judged = a_set(tmp_path, task)
    make = a_classifier if task == "classification" else an_encoder
    for name in ("old", "new"):
        make(tmp_path, name, judged)
    seen = []
    job = {
        "task": task,
        "distance": "cosine",
        "set": "set.npz",
        "old": "old.npz",
        "new": "new.npz",
        "producer": None,
        "ancestors": [],
        "asks": {},
        "old_manifest": MANIFESTS.get(task, {"output": {}}),
        "new_manifest": MANIFESTS.get(task, {"output": {}}),
        "device": "auto",
    }

    main(job, tmp_path, lambda done, total: seen.append((done, total)))

    done, totals = zip(*seen, strict=True)
    assert list(done) == list(range(1, totals[0] + 1))
    assert len(set(totals)) == 1
