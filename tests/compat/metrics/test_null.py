"""The null test finds one changed number, and finds nothing where nothing changed."""

import numpy as np
import pytest

from compat.errors import ShapeError
from compat.measurement import Direction, Measurement
from compat.metrics.flips import measure
from compat.metrics.null import (
    NullResult,
    equals_itself,
    repeats_as_classifier,
    repeats_as_encoder,
)

IDS = np.array([f"m-{i}" for i in range(20)])
SHUFFLED = np.random.default_rng(1).permutation(20)


def outputs():
    return np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)


def compare(old, new):
    labels = np.arange(20) % 3
    return measure(old.argmax(axis=1) == labels, new.argmax(axis=1) == labels, labels)


def test_a_shuffled_copy_is_the_same_version():
    found = equals_itself(IDS, outputs(), IDS[SHUFFLED], outputs()[SHUFFLED], compare)

    assert found == NullResult(True)


@pytest.mark.parametrize("row", [0, 7, 19])
@pytest.mark.parametrize("change", [1e-7, 5.0, np.nan])
def test_one_changed_number_in_one_copy_fails_and_names_the_sample(row, change):
    copy = outputs()
    copy[row, 1] += change

    found = equals_itself(IDS, outputs(), IDS[SHUFFLED], copy[SHUFFLED], compare)

    assert not found.passed
    assert f"m-{row}" in found.reason


def test_a_copy_in_another_order_under_the_same_ids_fails():
    assert not equals_itself(IDS, outputs(), IDS, outputs()[SHUFFLED], compare).passed


def test_a_copy_of_another_width_fails():
    assert not equals_itself(IDS, outputs(), IDS, outputs()[:, :2], compare).passed


def test_other_ids_are_refused():
    with pytest.raises(ShapeError):
        equals_itself(IDS, outputs(), IDS[:-1], outputs()[:-1], compare)


@pytest.mark.parametrize(
    ("name", "fails"),
    [
        ("nfr", True),
        ("pfr", True),
        ("retrieval_nfr", True),
        ("retrieval_pfr", True),
        ("severity_nfr", True),
        ("severity_retrieval_nfr", True),
        ("cumulative_nfr", True),
        ("cumulative_retrieval_nfr", True),
        ("top_score_shift", True),
        ("classes_lost", True),
        ("neighbour_overlap_at_10", True),
        ("tar.new_old_minus_old_old", True),
        ("acceptance.new_minus_old", True),
        ("map.new_mixed50_minus_old_old", True),
        ("tar.new_old", False),
        ("map.new_old_minus_old_old", True),
        ("accuracy.new_minus_old", True),
        ("accuracy.new_minus_majority", False),
        ("map.new_new_minus_chance", False),
        ("map.new_new", False),
    ],
)
def test_a_measuring_code_that_sees_a_difference_in_equal_outputs_fails(name, fails):
    def broken(old, new):
        return [Measurement(name, 1e-12, 20, Direction.NEITHER, slice="split=a")]

    found = equals_itself(IDS, outputs(), IDS, outputs(), broken)

    assert found.passed is not fails
    assert (name in found.reason) is fails


def test_neighbours_that_all_stay_are_nothing_to_see():
    def stay(old, new):
        return [Measurement("neighbour_overlap_at_10", 1.0, 20, Direction.HIGHER_IS_BETTER)]

    assert equals_itself(IDS, outputs(), IDS, outputs(), stay).passed


def test_rows_that_repeat_within_rounding_pass():
    rows = np.array([4, 2, 9])
    again = outputs()[rows] * np.float32(1 + 1e-6)

    assert repeats_as_classifier(outputs(), rows, again).passed
    assert repeats_as_encoder(outputs(), rows, again).passed


def test_a_row_of_another_class_fails():
    rows, again = np.array([4, 2]), outputs()[[4, 2]]
    again[1] = -again[1]

    assert "row 2" in repeats_as_classifier(outputs(), rows, again).reason


@pytest.mark.parametrize(("share", "passes"), [(0.5e-4, True), (2e-4, False)])
def test_an_embedding_may_move_by_the_tolerance_of_its_norm(share, passes):
    rows, again = np.array([4, 2]), outputs()[[4, 2]].astype(np.float64)
    again[1, 0] += share * np.linalg.norm(again[1])

    assert repeats_as_encoder(outputs(), rows, again).passed is passes


def test_an_embedding_that_became_nan_fails():
    again = outputs()[[4]]
    again[0, 0] = np.nan

    assert not repeats_as_encoder(outputs(), np.array([4]), again).passed


def test_nothing_repeated_passes():
    rows, again = np.zeros(0, int), np.zeros((0, 3))

    assert repeats_as_classifier(outputs(), rows, again).passed
    assert repeats_as_encoder(outputs(), rows, again).passed


@pytest.mark.parametrize("test", [repeats_as_classifier, repeats_as_encoder])
@pytest.mark.parametrize(
    ("rows", "again"),
    [
        ([0], np.zeros((2, 3))),
        ([0], np.zeros((1, 2))),
        ([20], np.zeros((1, 3))),
        ([-1], np.zeros((1, 3))),
    ],
)
def test_repeats_that_do_not_fit_are_refused(test, rows, again):
    with pytest.raises(ShapeError):
        test(outputs(), np.array(rows), again)


@pytest.mark.parametrize(("passed", "reason"), [(True, "why"), (False, "")])
def test_a_result_passes_without_a_reason_and_fails_with_one(passed, reason):
    with pytest.raises(ShapeError):
        NullResult(passed, reason)
