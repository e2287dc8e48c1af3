"""The median of ratios with bounds that hold whatever times look like."""

import numpy as np
import pytest
from scipy import stats

from compat.errors import ShapeError
from compat.measurement import LEVELS
from compat.metrics.cost import latency_ratio, size_ratio


def test_the_value_is_the_median_and_one_wild_round_does_not_move_it():
    ratios = np.array([1.1, 1.2, 1.3, 1.2, 50.0])

    assert latency_ratio(ratios).value == 1.2
    assert latency_ratio(ratios).support == 5


@pytest.mark.parametrize("rounds", [5, 8, 15, 40])
@pytest.mark.parametrize("level", LEVELS)
def test_bounds_are_the_order_statistics_that_the_binomial_allows(rounds, level):
    found = latency_ratio(np.arange(1.0, rounds + 1))

    places = [k for k in range(1, rounds + 1) if stats.binom.cdf(k - 1, rounds, 0.5) <= 1 - level]
    interval = found.interval(level)
    if places:
        assert interval == (max(places), rounds + 1 - max(places))
    else:
        assert interval is None


def test_fifteen_rounds_reach_every_level_and_four_reach_none_that_policies_use():
    assert all(latency_ratio(np.ones(15)).interval(level) for level in LEVELS)
    assert latency_ratio(np.ones(4)).interval(0.95) is None


def test_bounds_hold_for_skewed_times_at_least_as_often_as_they_say():
    rng, runs = np.random.default_rng(2), 2000
    held = np.zeros(2)
    for _ in range(runs):
        low, high = latency_ratio(rng.lognormal(0.2, 1.0, 15)).interval(0.95)
        held += low <= np.exp(0.2), high >= np.exp(0.2)

    assert (held / runs >= 0.95).all()


def test_no_round_is_undefined():
    assert latency_ratio(np.zeros(0)).undefined == "no_round"


@pytest.mark.parametrize("ratios", [np.ones((2, 2)), np.array([0.0]), np.array([np.inf])])
def test_ratios_that_are_none_are_refused(ratios):
    with pytest.raises(ShapeError):
        latency_ratio(ratios)


def test_a_size_is_exact():
    found = size_ratio(1000, 1500)

    assert (found.value, found.interval(0.995)) == (1.5, (1.5, 1.5))
    with pytest.raises(ShapeError):
        size_ratio(0, 10)
