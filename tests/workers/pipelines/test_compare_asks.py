"""What the compare pipeline measures beyond flips and cells: always, and where a policy asks."""

import importlib
from dataclasses import replace

import numpy as np
import pytest

from compat.measurement import LEVELS
from compat.metrics.planted import SHARES
from tests.builders.comparisons import (
    MANIFESTS,
    ROWS,
    a_classifier,
    a_set,
    an_encoder,
    compared,
    named,
    outputs,
)
from workers.errors import PermanentError

MAKERS = {"classification": a_classifier, "embedding": an_encoder}
TASKS = pytest.mark.parametrize("task", MAKERS)


def a_pair(folder, task="classification", **changes):
    judged = a_set(folder, task, **changes)
    if task == "classification":
        a_classifier(folder, "old", judged, wrong=[1, 2])
        a_classifier(folder, "new", judged, wrong=[2, 30, 33])
    else:
        an_encoder(folder, "old", judged, noise=1.5, seed=1)
        an_encoder(folder, "new", judged, noise=1.2, seed=2)
    return judged


def at(result, name, slice=""):
    return named(result, slice)[name]


def test_flips_weigh_what_their_classes_weigh(tmp_path):
    judged = a_pair(tmp_path)

    found = compared(tmp_path, asks={"severity": {"cat": 3.0}})

    weights = np.where(judged.labels == 0, 3.0, 1.0)
    assert at(found, "severity_nfr").value == pytest.approx(6 / weights.sum())
    night = judged.slices["light"] == "night"
    assert (judged.labels[[30, 33]] == 0).all()
    assert at(found, "severity_nfr", "light=night").value == pytest.approx(
        3.0 * night[[30, 33]].sum() / weights[night].sum()
    )


def test_flips_weigh_what_the_samples_themselves_weigh(tmp_path):
    own = np.ones(ROWS, np.float32)
    own[30] = 41.0
    a_pair(tmp_path, severities=own)

    assert at(compared(tmp_path), "severity_nfr").value == pytest.approx(42 / 100)
    both = compared(tmp_path, asks={"severity": {"cat": 3.0}})
    assert at(both, "severity_nfr").value == pytest.approx(126 / (20 * 3 + 40 * 3 + 40))


def test_nothing_is_weighed_where_nobody_says_how(tmp_path):
    a_pair(tmp_path)

    assert not any("severity" in name for name in named(compared(tmp_path)))


def test_queries_weigh_too(tmp_path):
    is_query = np.arange(ROWS) % 2 == 0
    judged = a_pair(tmp_path, "embedding", is_query=is_query)
    weights = np.where(judged.labels == 1, 3.0, 1.0)[is_query]

    found = compared(tmp_path, "embedding", asks={"severity": {"dog": 3.0}})

    with np.load(tmp_path / "samples.npz") as samples:
        flipped = samples["old_right"] & ~samples["new_right"]
    value = at(found, "severity_retrieval_nfr").value
    assert value == pytest.approx(weights[flipped].sum() / weights.sum())
    assert 0 < value != at(found, "retrieval_nfr").value


def test_ancestors_are_looked_back_to(tmp_path):
    judged = a_pair(tmp_path)
    a_classifier(tmp_path, "first", judged, wrong=range(10, 60))
    a_classifier(tmp_path, "second", judged, wrong=[])

    one = compared(tmp_path, ancestors=["first.npz"])
    both = compared(tmp_path, ancestors=["first.npz", "second.npz"])

    assert at(one, "nfr").count == 2
    assert at(one, "cumulative_nfr").count == 3
    assert at(both, "cumulative_nfr").count == 3
    assert at(one, "cumulative_nfr", "light=day").support == 21
    assert "cumulative_nfr" not in named(compared(tmp_path))


def test_an_ancestor_that_is_the_old_version_adds_nothing(tmp_path):
    a_pair(tmp_path)

    found = compared(tmp_path, ancestors=["old.npz"])

    assert at(found, "cumulative_nfr").count == at(found, "nfr").count == 2


def test_ancestors_of_encoders_answer_on_their_own_gallery(tmp_path):
    judged = a_pair(tmp_path, "embedding")
    an_encoder(tmp_path, "first", judged, noise=0.3, seed=5, d=7)
    alone = compared(
        tmp_path, "embedding", old=str(tmp_path / "first.npz"), new=str(tmp_path / "first.npz")
    )
    with np.load(tmp_path / "samples.npz") as samples:
        once = samples["hit_rate_at_1.old_old"]

    found = compared(tmp_path, "embedding", ancestors=["first.npz"])

    with np.load(tmp_path / "samples.npz") as samples:
        old, new = samples["hit_rate_at_1.old_old"], samples["hit_rate_at_1.new_old"]
    wanted = int((np.maximum(once, old) * (1 - new)).sum())
    assert at(alone, "hit_rate_at_1.old_old").value > at(found, "hit_rate_at_1.old_old").value
    assert at(found, "cumulative_retrieval_nfr").count == wanted
    assert wanted > at(found, "retrieval_nfr").count


def test_ancestors_are_aligned_and_their_faults_named(tmp_path):
    judged = a_pair(tmp_path)
    a_classifier(tmp_path, "first", judged, ids=np.char.add(judged.ids, "x"))

    with pytest.raises(PermanentError) as refused:
        compared(tmp_path, ancestors=["first.npz"])

    assert (refused.value.code, "ancestor 1" in refused.value.detail) == (
        "outputs_misaligned",
        True,
    )


def test_top_scores_shift_by_kind(tmp_path):
    a_pair(tmp_path)
    probabilities = {"output": MANIFESTS["classification"]["output"] | {"kind": "probabilities"}}

    logits = compared(tmp_path)
    one_hot = compared(tmp_path, old_manifest=probabilities, new_manifest=probabilities)
    mixed = compared(tmp_path, new_manifest=probabilities)

    top = np.e / (np.e + 2)
    assert at(logits, "top_score_shift").value == pytest.approx(0, abs=1e-12)
    assert at(one_hot, "top_score_shift").value == 0
    assert at(mixed, "top_score_shift").value == pytest.approx(1 - top)


def test_a_recording_of_names_has_no_scores(tmp_path):
    judged = a_pair(tmp_path)
    outputs(tmp_path, "new", judged.ids, np.zeros((ROWS, 0), np.float32), judged.labels)

    found = compared(tmp_path, asks={"cut_off": 0.5})

    for name in ("top_score_shift", "acceptance.new", "acceptance.new_minus_old"):
        assert (at(found, name).value, at(found, name).undefined) == (None, "no_scores")
    assert at(found, "acceptance.old").value is not None
    assert at(found, "nfr").value is not None
    assert found["null_test"]["passed"]


def test_acceptance_of_answers_is_measured_at_the_cut_off(tmp_path):
    a_pair(tmp_path)

    assert "acceptance.old" not in named(compared(tmp_path))
    for cut_off, share in ((0.5, 1.0), (0.6, 0.0)):  # the top score is e / (e + 2) = 0.576
        found = compared(tmp_path, asks={"cut_off": cut_off})
        assert at(found, "acceptance.old").value == share
        assert at(found, "acceptance.new_minus_old", "light=day").value == 0


def test_classes_that_the_new_manifest_does_not_name_are_lost_as_a_whole(tmp_path):
    a_pair(tmp_path)
    fewer = {"output": {"kind": "logits", "classes": ["dog", "emu", "owl"]}}

    found = compared(tmp_path, new_manifest=fewer)

    assert (at(found, "classes_lost").value, at(found, "classes_lost").support) == (1, 3)
    assert all(at(found, "classes_lost").interval(level) == (1, 1) for level in LEVELS)
    assert "classes_lost" not in named(found, "light=day")
    assert at(compared(tmp_path), "classes_lost").value == 0


def test_acceptance_and_neighbours_of_encoders_are_measured_on_slices_too(tmp_path):
    a_pair(tmp_path, "embedding")

    found = compared(tmp_path, "embedding", asks={"cut_off": 0.62})

    for slice in ("", "light=day"):
        assert 0 < at(found, "neighbour_overlap_at_10", slice).value < 1
        assert 0 < at(found, "tar.old_old", slice).value < 1
        assert at(found, "tar.new_old_minus_old_old", slice).value == pytest.approx(
            at(found, "tar.new_old", slice).value - at(found, "tar.old_old", slice).value
        )
    assert at(found, "far.new_new").value < at(found, "tar.new_new").value
    assert not any(
        name.startswith(("tar.", "far.")) for name in named(compared(tmp_path, "embedding"))
    )


def test_mixed_galleries_lie_between_the_old_and_the_new(tmp_path):
    judged = a_set(tmp_path, "embedding")
    an_encoder(tmp_path, "old", judged, noise=2.5, seed=1)
    an_encoder(tmp_path, "new", judged, noise=0.3, seed=2)

    found = named(compared(tmp_path, "embedding"))

    values = [
        found[f"map.{cell}"].value
        for cell in ("new_old", "new_mixed25", "new_mixed50", "new_mixed75", "new_new")
    ]
    assert values == sorted(values)
    for share in (25, 50, 75):
        assert found[f"recall_at_10.new_mixed{share}_minus_old_old"].interval(0.95) is not None


def test_unequal_dimensions_leave_everything_across_undefined(tmp_path):
    judged = a_set(tmp_path, "embedding")
    an_encoder(tmp_path, "old", judged, d=5)
    an_encoder(tmp_path, "new", judged, d=7)

    asks = {"cut_off": 0.5, "severity": {"cat": 2.0}}
    found = named(compared(tmp_path, "embedding", asks=asks, ancestors=["old.npz"]))

    across = {
        name
        for name in found
        if any(word in name for word in ("new_old", "old_new", "mixed", "neighbour", "nfr", "pfr"))
        or name.startswith("strict")
    }
    assert {n for n, m in found.items() if m.undefined == "dimensions_differ"} == across
    assert found["tar.new_new"].value is not None


@TASKS
def test_crossed_slices_are_measured_as_any_other(tmp_path, task):
    judged = a_pair(
        tmp_path, task, slices={"ink": np.array(["thin", "thick"])[np.arange(ROWS) % 2]}
    )

    found = compared(tmp_path, task, asks={"crossed": [["class"], ["class", "ink"]]})

    names = {m["slice"] for m in found["measurements"]}
    assert {"class=cat", "class=dog&ink=thick"} < names
    assert len(names) == 1 + 2 + 3 + 6
    here = named(found, "class=dog&ink=thick")
    rows = (judged.labels == 1) & (judged.slices["ink"] == "thick")
    rate = "nfr" if task == "classification" else "retrieval_nfr"
    assert here[rate].support == rows.sum()
    assert set(here) == set(named(found)) - {"classes_lost"}


@TASKS
def test_the_null_pair_and_thirteen_regressions_are_planted(tmp_path, task):
    a_pair(tmp_path, task)

    found = compared(tmp_path, task, asks={"severity": {"cat": 2.0}}, ancestors=["old.npz"])

    ladder = found["planted"]
    assert [rung["share"] for rung in ladder] == list(SHARES)
    rungs = [named(rung) for rung in ladder]
    assert len({tuple(rung) for rung in rungs}) == 1
    kind = "retrieval_" if task == "embedding" else ""
    wanted = {f"{kind}nfr", f"severity_{kind}nfr", f"cumulative_{kind}nfr"}
    wanted |= (
        {"accuracy.new_minus_old", "relative_nfr", "bec"}
        if task == "classification"
        else {"map.new_old_minus_old_old", "map.new_new_minus_old_old", "hit_rate_at_1.new_old"}
    )
    assert wanted <= set(rungs[0]) <= set(named(found))
    for name in (f"{kind}nfr", f"severity_{kind}nfr", f"cumulative_{kind}nfr"):
        values = [rung[name].value for rung in rungs]
        assert values[0] == 0
        assert values == sorted(values)
        assert values[-1] > 0.5


def test_what_is_planted_depends_on_the_old_version_alone(tmp_path):
    judged = a_pair(tmp_path)
    before = compared(tmp_path)["planted"]
    a_classifier(tmp_path, "new", judged, wrong=range(40))

    assert compared(tmp_path)["planted"] == before


@TASKS
def test_a_version_against_itself_shows_nothing_in_any_new_measure(tmp_path, task):
    a_pair(tmp_path, task, severities=np.arange(ROWS).astype(np.float32))

    result = compared(
        tmp_path,
        task,
        new=str(tmp_path / "old.npz"),
        ancestors=["old.npz"],
        asks={"cut_off": 0.57, "severity": {"cat": 4.0}, "crossed": [["class"]]},
    )

    assert result["null_test"]["passed"], result["null_test"]
    kind = "retrieval_" if task == "embedding" else ""
    for slice in ("", "class=cat", "light=day"):
        found = named(result, slice)
        nothing = [f"severity_{kind}nfr", f"cumulative_{kind}nfr"]
        nothing += ["top_score_shift"] if task == "classification" else []
        nothing += [n for n in found if "_minus_" in n and not n.endswith(("chance", "majority"))]
        assert {found[name].value for name in nothing} == {0}
        if task == "embedding":
            assert found["neighbour_overlap_at_10"].value == 1


@pytest.mark.parametrize(
    ("task", "module", "measure"),
    [
        ("classification", "compare_classifiers", "severity_nfr"),
        ("classification", "compare_classifiers", "cumulative_flips"),
        ("classification", "compare_classifiers", "top_score_shift"),
        ("embedding", "encoder_search", "severity_nfr"),
        ("embedding", "encoder_search", "cumulative_flips"),
        ("embedding", "encoder_search", "neighbour_overlap"),
    ],
)
def test_a_new_measure_that_sees_a_difference_in_equal_outputs_fails_the_null_test(
    tmp_path, monkeypatch, task, module, measure
):
    a_pair(tmp_path, task)
    place = importlib.import_module(f"workers.pipelines.{module}")
    real = getattr(place, measure)

    def broken(*args, **options):
        found = real(*args, **options)
        return replace(found, values=found.values * 0 + 0.5, is_share=False)

    monkeypatch.setattr(place, measure, broken)

    found = compared(tmp_path, task, asks={"severity": {"cat": 2.0}})["null_test"]

    assert not found["passed"]
    assert "of a version with itself is 0.5" in found["reason"]
