"""Weighted flips: whose weight counts, and bounds that never promise what was not seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compat.errors import ShapeError
from compat.intervals import clopper_pearson
from compat.measurement import LEVELS, Direction
from compat.metrics.bootstrap import Contributions, bounds_of_means, summarise
from compat.metrics.severity import NO_WEIGHT, severity_nfr, weights_of


def a_measure(flips, weights, **options):
    base = Contributions("nfr", np.array(flips, dtype=float), reason="why")
    return severity_nfr(base, np.array(weights, dtype=float), "severity_nfr", **options)


def upper(measure, level=0.95, clusters=None, **options):
    return bounds_of_means([measure], clusters, **options)[0].bounds["upper"][repr(level)]


def test_a_sample_weighs_what_its_class_and_it_itself_weigh():
    names = np.array(["stop", "yield", "stop", "other"])

    found = weights_of(names, {"stop": 5.0, "absent": 9.0}, np.array([1, 2, 0.5, 0], np.float32))

    assert found.tolist() == [5.0, 2.0, 2.5, 0.0]
    assert weights_of(names, {}).tolist() == [1.0] * 4


@pytest.mark.parametrize(
    ("by_class", "own"),
    [
        ({"a": -1.0}, None),
        ({"a": float("inf")}, None),
        ({"a": float("nan")}, None),
        ({}, np.array([-1.0])),
        ({}, np.array([np.nan])),
        ({}, np.array([1.0, 1.0])),
    ],
)
def test_weights_that_are_none_are_refused(by_class, own):
    with pytest.raises(ShapeError):
        weights_of(np.array(["a"]), by_class, own)


def test_a_flip_of_a_heavy_sample_counts_more():
    found = summarise([a_measure([1, 0, 0, 1], [5, 1, 1, 1])])[0]

    assert (found.value, found.support) == (0.75, 4)
    assert found.direction is Direction.LOWER_IS_BETTER
    assert found.count is None


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 1.0, np.nan]), st.floats(0, 100)), min_size=1, max_size=30
    )
)
def test_the_value_agrees_with_the_definition(samples):
    flips, weights = map(np.array, zip(*samples, strict=True))
    asked = ~np.isnan(flips)
    whole = weights[asked].sum()

    found = a_measure(flips, weights).mean

    if whole == 0:
        assert found is None
    else:
        assert found == pytest.approx((weights * flips)[asked].sum() / whole, abs=1e-12)


def test_equal_weights_give_the_plain_rate():
    flips = np.array([1.0, 0, 0, 0, 1])

    assert a_measure(flips, np.full(5, 3.5)).mean == pytest.approx(flips.mean())


def test_weights_that_add_up_to_zero_leave_it_undefined():
    found = summarise([a_measure([1, 0], [0, 0])])[0]

    assert (found.value, found.undefined, found.support) == (None, NO_WEIGHT, 0)


def test_what_is_undefined_before_the_weights_keeps_its_reason():
    found = summarise([a_measure([np.nan, np.nan], [1, 1])])[0]

    assert (found.value, found.undefined) == (None, "why")


def test_a_sample_without_weight_is_no_support():
    found = summarise([a_measure([0, 1, 0], [1, 0, 1])])[0]

    assert (found.value, found.support, found.clusters) == (0.0, 2, 2)


@pytest.mark.parametrize("level", LEVELS)
def test_no_flip_proves_no_more_than_the_exact_bound_times_the_heaviest_weight(level):
    weights = np.ones(200)
    weights[:4] = 25.0

    found = upper(a_measure(np.zeros(200), weights), level)

    exact = clopper_pearson(0, 200, level)[1]
    assert found == pytest.approx(exact * 25 / weights.mean())
    assert found > exact


def test_equal_weights_without_a_flip_have_the_exact_bound():
    found = upper(a_measure(np.zeros(300), np.full(300, 7.0)))

    assert found == pytest.approx(clopper_pearson(0, 300, 0.95)[1])


def test_a_slice_without_a_heavy_sample_still_fears_one():
    weights = np.append(np.ones(100), 50.0)
    whole = a_measure(np.zeros(101), weights)

    light = whole.at(np.arange(100))

    assert upper(light) == pytest.approx(min(1.0, clopper_pearson(0, 100, 0.95)[1] * 50))


def test_bounds_stay_within_a_share():
    weights = np.append(np.ones(20), 1000.0)

    found = bounds_of_means([a_measure(np.append(np.zeros(20), 1.0), weights)])[0].bounds

    assert all(0 <= x <= 1 for side in found.values() for x in side.values())
    assert found["lower"]["0.95"] < 0.5


def test_heavy_clusters_are_feared_whole():
    weights, clusters = np.ones(100), np.append(np.zeros(20, int), np.arange(1, 81))

    found = upper(a_measure(np.zeros(100), weights), clusters=clusters)

    unseen = 1 - 0.05 ** (1 / 81)
    assert found == pytest.approx(unseen * 20 / (100 / 81))


@pytest.mark.parametrize(
    ("share", "weight", "light", "heavy"),
    [(0.01, 50.0, 0.02, 0.2), (0.002, 12.0, 0.2, 1.0), (0.1, 10.0, 0.1, 0.03)],
)
def test_bounds_hold_where_a_few_heavy_samples_hide(share, weight, light, heavy):
    rng, runs, level = np.random.default_rng(3), 300, 0.95
    true = light * (1 - share) + heavy * share * weight
    true /= (1 - share) + share * weight
    held = np.zeros(2)
    for run in range(runs):
        is_heavy = rng.random(500) < share
        weights = np.where(is_heavy, weight, 1.0)
        flips = (rng.random(500) < np.where(is_heavy, heavy, light)).astype(float)
        measure = Contributions("severity_nfr", flips, weights=weights, heaviest=weight)
        found = bounds_of_means([measure], resamples=400, seed=run)[0].bounds
        held += found["lower"][repr(level)] <= true, found["upper"][repr(level)] >= true

    assert (held / runs >= level).all(), held / runs


def test_rows_may_stand_in_any_order():
    rng = np.random.default_rng(1)
    flips, weights = (rng.random(60) < 0.2).astype(float), rng.integers(1, 9, 60).astype(float)
    order = rng.permutation(60)

    assert a_measure(flips, weights).mean == a_measure(flips[order], weights[order]).mean


def test_a_difference_of_weighted_means_is_refused():
    one = a_measure([1.0], [1.0])

    with pytest.raises(ShapeError):
        one.minus(one, "difference")


@pytest.mark.parametrize("weights", [[1.0], [-1.0, 1.0], [np.inf, 1.0]])
def test_contributions_refuse_weights_that_do_not_fit(weights):
    with pytest.raises(ShapeError):
        a_measure([0.0, 1.0], weights)
