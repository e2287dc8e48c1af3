"""Flip measures against counting by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.errors import ShapeError
from compat.intervals import clopper_pearson
from compat.measurement import LEVELS, Direction
from compat.metrics.flips import (
    FlipCounts,
    count_flips,
    flip_matrix,
    flipped_rows,
    measure,
    relative_nfr,
)

answers = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 2)), max_size=40)


def columns(samples):
    old, new, labels = zip(*samples, strict=True) if samples else ((), (), ())
    return np.array(old, dtype=bool), np.array(new, dtype=bool), np.array(labels, dtype=np.int64)


def expand(a, b, c, d):
    old = np.array([True] * (a + b) + [False] * (c + d))
    new = np.array([True] * a + [False] * b + [True] * c + [False] * d)
    return old, new


def oracle(samples):
    """The measures from their definitions, counted sample by sample; None where undefined."""
    a = sum(1 for old, new, _ in samples if old and new)
    b = sum(1 for old, new, _ in samples if old and not new)
    c = sum(1 for old, new, _ in samples if not old and new)
    d = sum(1 for old, new, _ in samples if not old and not new)
    n = len(samples)
    labels = [label for _, _, label in samples]
    majority = max((labels.count(x) for x in labels), default=0)

    def ratio(count, of):
        return count / of if of else None

    return {
        "nfr": ratio(b, n),
        "pfr": ratio(c, n),
        "nfi": ratio(b, b + d),
        "btc": ratio(a, a + b),
        "bec": ratio(d, b + d),
        "accuracy.old": ratio(a + b, n),
        "accuracy.new": ratio(a + c, n),
        "accuracy.new_minus_old": ratio(c - b, n),
        "accuracy.new_minus_majority": ratio(a + c - majority, n),
        "relative_nfr": ratio(b * n, (a + b) * (b + d)),
    }


@given(answers)
def test_every_measure_agrees_with_counting(samples):
    found = {m.name: m.value for m in measure(*columns(samples))}

    assert found == pytest.approx(oracle(samples))


@given(answers)
def test_every_undefined_measure_says_why_and_every_defined_one_has_support(samples):
    for found in measure(*columns(samples)):
        assert (found.value is None) == bool(found.undefined)
        assert found.value is None or found.support > 0


@given(answers)
def test_the_four_counts_add_up(samples):
    counts = count_flips(*columns(samples)[:2])

    assert sum(vars(counts).values()) == len(samples)


def test_shares_carry_the_count_and_the_denominator_of_their_definition():
    found = {m.name: (m.count, m.support) for m in measure(*expand(5, 3, 2, 1), np.zeros(11, int))}

    assert found["nfr"] == (3, 11)
    assert found["pfr"] == (2, 11)
    assert found["nfi"] == (3, 4)
    assert found["btc"] == (5, 8)
    assert found["bec"] == (1, 4)


def test_directions_say_that_fewer_negative_flips_are_better():
    ways = {m.name: m.direction for m in measure(*expand(5, 3, 2, 1), np.zeros(11, int))}

    lower = {name for name, way in ways.items() if way is Direction.LOWER_IS_BETTER}
    assert lower == {"nfr", "nfi", "relative_nfr"}


def test_the_two_definitions_of_backward_error_compatibility_are_not_confused():
    old, new = expand(0, 1, 6, 2)

    bec = next(m for m in measure(old, new, np.zeros(9, int)) if m.name == "bec")

    assert bec.value == pytest.approx(2 / 3)  # d / (b + d); Microsoft's would be d / (c + d) = 1/4


def test_errors_drawn_independently_have_a_relative_rate_of_one():
    old, new = expand(72, 18, 8, 2)

    assert relative_nfr(old, new).value == pytest.approx(1.0)


def test_relative_bounds_join_the_bounds_of_both_parts_at_half_the_error():
    found = relative_nfr(*expand(900, 20, 30, 50))

    for level in LEVELS:
        half = 1 - (1 - level) / 2
        impact, right = clopper_pearson(20, 70, half), clopper_pearson(920, 1000, half)
        wanted = impact[0] / right[1], impact[1] / right[0]
        assert found.interval(level) == pytest.approx(wanted)


def test_no_flip_does_not_prove_a_relative_rate_of_zero():
    found = relative_nfr(*expand(90, 0, 5, 5))

    assert found.value == 0
    assert found.interval(0.95)[1] > 0.4


def test_the_paired_difference_is_tighter_than_two_separate_proportions():
    old, new = expand(900, 4, 6, 90)

    found = {m.name: m for m in measure(old, new, np.zeros(1000, int))}
    low, high = found["accuracy.new_minus_old"].interval(0.95)

    apart = clopper_pearson(904, 1000, 0.95)
    assert high - low < (apart[1] - apart[0]) / 2
    assert low < 0.002 < high


def test_clustered_samples_give_wider_bounds_and_no_count():
    old, new = expand(160, 20, 10, 10)
    clusters = np.arange(200) // 10

    alone = next(m for m in measure(old, new, np.zeros(200, int)) if m.name == "nfr")
    grouped = next(m for m in measure(old, new, np.zeros(200, int), clusters) if m.name == "nfr")

    assert grouped.value == alone.value
    assert (alone.count, grouped.count, grouped.clusters) == (20, None, 20)
    assert grouped.interval(0.95)[1] > alone.interval(0.95)[1]


def test_no_flip_in_clustered_samples_proves_no_more_than_the_clusters_do():
    old, new = expand(200, 0, 0, 0)

    found = measure(old, new, np.zeros(200, int), np.arange(200) // 10)
    nfr = next(m for m in found if m.name == "nfr")

    assert nfr.interval(0.95)[1] == pytest.approx(clopper_pearson(0, 20, 0.95)[1])


def test_flipped_rows_and_the_matrix_name_what_flipped():
    old = np.array([True, True, False, True])
    new = np.array([True, False, True, False])

    negative, positive = flipped_rows(old, new)

    assert (negative.tolist(), positive.tolist()) == ([1, 3], [2])
    assert flip_matrix(np.array([7, 7]), np.array([1, -1])) == {7: {-1: 1, 1: 1}}
    assert flip_matrix(np.array([], dtype=int), np.array([], dtype=int)) == {}


@given(answers)
def test_a_version_against_itself_has_no_flip(samples):
    right, _, labels = columns(samples)

    counts = count_flips(right, right)

    assert (counts.negative, counts.positive) == (0, 0)
    assert counts == FlipCounts(int(right.sum()), 0, 0, int((~right).sum()))
    for found in measure(right, right, labels):
        if found.name in ("nfr", "pfr", "accuracy.new_minus_old"):
            assert found.value in (0, None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (np.ones(2, bool), np.ones(3, bool)),
        (np.ones(2, int), np.ones(2, int)),
        (np.ones((2, 2), bool), np.ones((2, 2), bool)),
    ],
)
def test_answers_that_are_not_two_boolean_columns_are_refused(old, new):
    with pytest.raises(ShapeError):
        count_flips(old, new)
    with pytest.raises(ShapeError):
        relative_nfr(old, new)


def test_nothing_is_not_a_number():
    values = [m.value for m in measure(*columns([(True, True, 0), (False, True, 1)]))]

    assert not any(v is not None and math.isnan(v) for v in values)
