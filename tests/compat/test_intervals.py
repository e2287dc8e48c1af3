"""Intervals against scipy, statsmodels and their own definitions."""

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom, norm
from statsmodels.stats.proportion import proportion_confint

from compat.errors import ShapeError
from compat.intervals import (
    bernstein,
    clopper_pearson,
    mean_settles_at,
    proportion_settles_at,
    wilson,
)
from compat.measurement import LEVELS


@st.composite
def counts(draw):
    n = draw(st.integers(1, 200_000))
    return draw(st.integers(0, n)), n


@given(counts(), st.sampled_from(LEVELS))
def test_clopper_pearson_is_the_beta_quantile(found, level):
    count, n = found

    lower, upper = clopper_pearson(count, n, level)

    wanted_lower = 0 if count == 0 else beta.ppf(1 - level, count, n - count + 1)
    wanted_upper = 1 if count == n else beta.ppf(level, count + 1, n - count)
    assert lower == pytest.approx(wanted_lower, rel=1e-8, abs=1e-12)
    assert upper == pytest.approx(wanted_upper, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize(("count", "n"), [(0, 1), (1, 1), (0, 5000), (5000, 5000), (1, 2)])
@pytest.mark.parametrize("level", LEVELS)
def test_clopper_pearson_holds_at_the_edges(count, n, level):
    lower, upper = clopper_pearson(count, n, level)

    assert (lower == 0) == (count == 0)
    assert (upper == 1) == (count == n)
    assert 0 <= lower <= count / n <= upper <= 1


@pytest.mark.parametrize(("n", "share"), [(299, 0.01), (598, 0.005), (2995, 0.001)])
def test_no_flip_in_the_published_sample_sizes_proves_the_published_rates(n, share):
    assert clopper_pearson(0, n, 0.95)[1] <= share
    assert clopper_pearson(0, n - 2, 0.95)[1] > share


@pytest.mark.parametrize("share", [0.02, 0.3, 0.97])
def test_clopper_pearson_covers_at_least_as_often_as_it_says(share):
    n, level = 60, 0.95
    bounds = [clopper_pearson(count, n, level) for count in range(n + 1)]

    below = sum(binom.pmf(c, n, share) for c, (low, _) in enumerate(bounds) if low <= share)
    above = sum(binom.pmf(c, n, share) for c, (_, high) in enumerate(bounds) if share <= high)

    assert below >= level
    assert above >= level


@given(counts(), st.sampled_from(LEVELS))
def test_wilson_agrees_with_statsmodels(found, level):
    count, n = found

    wanted = proportion_confint(count, n, alpha=2 * (1 - level), method="wilson")

    assert wilson(count, n, level) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize(
    ("share", "threshold"), [(0.0, 0.01), (0.005, 0.01), (0.02, 0.01), (0.9, 0.95), (1.0, 0.99)]
)
def test_a_proportion_is_settled_at_the_stated_size_and_not_before(share, threshold):
    n = proportion_settles_at(share, threshold, 0.95)

    def settled(size):
        if share < threshold:
            return clopper_pearson(math.ceil(share * size), size, 0.95)[1] <= threshold
        return clopper_pearson(math.floor(share * size), size, 0.95)[0] > threshold

    assert n is not None
    assert settled(n)
    assert not settled(n - 1)


def test_zero_flips_settle_one_percent_at_299():
    assert proportion_settles_at(0.0, 0.01, 0.95) == 299


def test_a_proportion_on_its_threshold_is_never_settled():
    assert proportion_settles_at(0.01, 0.01, 0.95) is None
    assert proportion_settles_at(0.0100001, 0.01, 0.95, limit=1000) is None


def test_a_mean_is_settled_when_its_normal_bound_leaves_the_threshold():
    n = mean_settles_at(0.02, 0.0, spread=0.3, confidence=0.95)

    assert n == math.ceil((norm.ppf(0.95) * 0.3 / 0.02) ** 2)
    assert mean_settles_at(0.0, 0.0, spread=0.3, confidence=0.95) is None
    assert mean_settles_at(1e-9, 0.0, spread=1.0, confidence=0.95) is None


@pytest.mark.parametrize(
    ("count", "n", "level"), [(-1, 5, 0.95), (6, 5, 0.95), (0, 0, 0.95), (1, 5, 0.5), (1, 5, 1.0)]
)
@pytest.mark.parametrize("interval", [clopper_pearson, wilson])
def test_counts_and_levels_out_of_range_are_refused(interval, count, n, level):
    with pytest.raises(ShapeError):
        interval(count, n, level)


def test_a_mean_that_lies_almost_on_the_threshold_is_settled_by_no_sample_size():
    assert mean_settles_at(3e-295, 0.0, 1.0, 0.95) is None
    assert mean_settles_at(0.0, 0.0, 1.0, 0.95) is None


def test_bernstein_bounds_hold_at_least_as_often_as_they_say():
    """Of 400 samples of 50 skewed values in [0, 1], at most 5 % of each bound miss."""
    draw = random.Random(7)
    truth, missed = 0.9, {"lower": 0, "upper": 0}
    for _ in range(400):
        values = [float(draw.random() < truth) for _ in range(50)]
        mean, variance = statistics.fmean(values), statistics.variance(values)
        lower, upper = bernstein(mean, variance, 50, 0.95)
        missed["lower"] += lower > truth
        missed["upper"] += upper < truth

    assert all(count <= 20 for count in missed.values())


def test_equal_values_leave_a_bernstein_interval_that_narrows_with_their_number():
    lengths = [1 - bernstein(1.0, 0.0, n, 0.95)[0] for n in (20, 200, 2000)]

    assert lengths == sorted(lengths, reverse=True)
    assert 0 < lengths[-1] < 0.01


@pytest.mark.parametrize(("mean", "n", "level"), [(0.5, 1, 0.95), (1.1, 9, 0.95), (0.5, 9, 1.0)])
def test_bernstein_takes_means_of_at_least_two_values(mean, n, level):
    with pytest.raises(ShapeError):
        bernstein(mean, 0.0, n, level)
