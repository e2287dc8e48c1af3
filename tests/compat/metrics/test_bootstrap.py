"""The bootstrap against scipy, simulated coverage, and its own edges."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from compat.errors import ShapeError
from compat.intervals import clopper_pearson
from compat.measurement import LEVELS
from compat.metrics.bootstrap import MIN_CLUSTERS, Contributions, bounds_of_means, summarise


def a_difference(n=400, mean=0.02, seed=1):
    rng = np.random.default_rng(seed)
    values = np.clip(rng.normal(mean, 0.2, size=n), -1, 1)
    return Contributions("difference", values, low=-1.0)


def bounds(measure, clusters=None, level=0.95, **options):
    found = bounds_of_means([measure], clusters, **options)[0].bounds
    return found["lower"][repr(level)], found["upper"][repr(level)]


def test_bounds_agree_with_scipy():
    measure = a_difference()

    wanted = stats.bootstrap(
        (measure.values,),
        np.mean,
        confidence_level=0.9,
        n_resamples=20_000,
        method="percentile",
        rng=np.random.default_rng(3),
    ).confidence_interval

    assert bounds(measure, resamples=20_000) == pytest.approx(tuple(wanted), abs=6e-4)


def test_spread_is_the_standard_deviation_that_the_bounds_show():
    measure = a_difference()

    found = bounds_of_means([measure])[0]

    low, high = bounds(measure)
    assert found.clusters == 400
    assert found.spread == pytest.approx(measure.values.std(ddof=1))
    assert (high - low) / 2 == pytest.approx(1.645 * found.spread / np.sqrt(400), rel=0.1)


def test_one_sided_bounds_hold_about_as_often_as_they_say():
    rng, level, runs = np.random.default_rng(5), 0.95, 400
    held = np.zeros(2)
    for run in range(runs):
        values = rng.beta(0.5, 0.5, size=60) - rng.beta(0.5, 0.5, size=60)
        low, high = bounds(Contributions("d", values, low=-1.0), resamples=500, seed=run)
        held += low <= 0, high >= 0

    assert (held / runs >= level - 0.03).all()  # three standard errors of 400 runs


def test_bounds_of_clusters_hold_where_bounds_of_samples_do_not():
    rng, runs = np.random.default_rng(6), 200
    clusters = np.repeat(np.arange(40), 10)
    held = {"clustered": 0, "naive": 0}
    for run in range(runs):
        values = np.clip(np.repeat(rng.normal(0, 0.3, 40), 10) + rng.normal(0, 0.05, 400), -1, 1)
        measure = Contributions("d", values, low=-1.0)
        held["clustered"] += bounds(measure, clusters, resamples=500, seed=run)[0] <= 0
        held["naive"] += bounds(measure, resamples=500, seed=run)[0] <= 0

    assert held["clustered"] / runs > 0.9
    assert held["naive"] / runs < 0.8


def test_clusters_of_one_are_no_clusters():
    measure = a_difference(n=50)

    assert bounds(measure, np.arange(50)) == pytest.approx(bounds(measure))


def test_the_names_of_clusters_do_not_matter():
    measure, clusters = a_difference(n=60), np.arange(60) // 3

    assert bounds(measure, clusters * 1000 + 7) == bounds(measure, clusters)


def test_spread_of_clusters_is_in_units_of_one_cluster():
    values = np.repeat(np.array([0.0, 1.0] * 20), 5)

    found = bounds_of_means([Contributions("d", values)], np.repeat(np.arange(40), 5))[0]

    assert found.clusters == 40
    assert found.spread == pytest.approx(np.array([0.0, 1.0] * 20).std(ddof=1))


def test_a_sample_undefined_on_one_side_leaves_both():
    first = Contributions("first", np.array([1.0, np.nan, 0.5, 0.5]))
    second = Contributions("second", np.array([0.5, 0.0, np.nan, 0.5]))

    found = summarise([first.minus(second, "difference")])[0]

    assert (found.value, found.support, found.clusters) == (0.25, 2, 2)


def test_a_paired_difference_ranges_over_both_of_its_sides():
    share, wide = np.zeros(2), Contributions("wide", np.zeros(2), low=-1.0, high=3.0)

    difference = Contributions("share", share).minus(wide, "difference")

    assert (difference.low, difference.high) == (-3.0, 2.0)


def test_undefined_samples_change_nothing_but_the_support():
    whole = a_difference(n=40)
    padded = Contributions("d", np.append(whole.values, [np.nan] * 40), low=-1.0)

    found = summarise([padded])[0]

    assert found.support == found.clusters == 40
    assert found.value == pytest.approx(whole.mean)
    assert found.spread == pytest.approx(whole.values.std(ddof=1))


def test_measures_are_summarised_together_as_they_are_alone():
    first, second = a_difference(seed=1), a_difference(seed=2)

    together = summarise([first, second])

    for alone, shared in zip((first, second), together, strict=True):
        assert summarise([alone])[0].interval(0.99) == pytest.approx(shared.interval(0.99))
        assert alone.mean == shared.value


def test_measures_that_do_not_fit_together_are_taken_in_turn(monkeypatch):
    measures = [a_difference(seed=seed) for seed in range(5)]
    together = bounds_of_means(measures)
    monkeypatch.setattr("compat.metrics.bootstrap.MEASURES_BYTES", 2 * 16 * 400)

    for alone, shared in zip(bounds_of_means(measures), together, strict=True):
        assert alone.spread == pytest.approx(shared.spread)
        assert alone.bounds["upper"] == pytest.approx(shared.bounds["upper"])


def test_the_same_seed_gives_the_same_bounds_in_blocks_of_any_size():
    measure = a_difference()

    small, large = (bounds(measure, block_bytes=b) for b in (1, 2**30))
    assert small == pytest.approx(large, rel=1e-12)
    assert bounds(measure, seed=1) != bounds(measure, seed=2)


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("level", LEVELS)
def test_equal_contributions_prove_no_more_than_an_exact_bound(value, level):
    n = 50

    found = bounds(Contributions("share", np.full(n, value)), level=level)

    assert found == pytest.approx(clopper_pearson(int(value) * n, n, level))


def test_a_difference_of_zero_everywhere_is_not_certain():
    low, high = bounds(Contributions("d", np.zeros(99), low=-1.0))

    assert low == pytest.approx(-(1 - 0.05 ** (1 / 99)))
    assert high == -low


def test_bounds_widen_with_the_level():
    measure = a_difference()

    lows, highs = zip(*(bounds(measure, level=level) for level in LEVELS), strict=True)

    assert list(lows) == sorted(lows, reverse=True)
    assert list(highs) == sorted(highs)


@pytest.mark.parametrize("n", [1, MIN_CLUSTERS - 1])
def test_too_few_contributions_have_a_value_and_no_bounds(n):
    found = summarise([Contributions("d", np.linspace(0.1, 0.2, n))])[0]

    assert found.value is not None
    assert found.interval(0.95) is None


def test_few_clusters_of_many_samples_have_no_bounds():
    found = summarise([a_difference()], np.arange(400) % (MIN_CLUSTERS - 1))[0]

    assert found.interval(0.95) is None


@pytest.mark.parametrize("values", [np.zeros(0), np.full(3, np.nan)])
@pytest.mark.parametrize("is_share", [True, False])
def test_nothing_defined_is_undefined_with_its_reason(values, is_share):
    found = summarise([Contributions("d", values, reason="why", is_share=is_share)])[0]

    assert (found.value, found.undefined) == (None, "why")


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.floats(-1, 1)), min_size=8, max_size=30),
    st.lists(st.integers(0, 9), min_size=30, max_size=30),
)
def test_bounds_enclose_the_mean_and_stay_in_range(values, clusters):
    column = np.array([np.nan if v is None else v for v in values])
    measure = Contributions("d", column, low=-1.0)

    found = summarise([measure], np.array(clusters[: len(values)]), resamples=200)[0]

    if found.bounds:
        low, high = found.interval(0.95)
        assert -1 - 1e-12 <= low <= found.value + 1e-12
        assert found.value - 1e-12 <= high <= 1 + 1e-12


def test_memory_of_the_weights_is_bounded():
    measure = a_difference(n=20_000)
    tracemalloc.start()

    bounds_of_means([measure], resamples=200, block_bytes=2**20)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20  # all weights at once would take 96 MiB


@pytest.mark.parametrize(
    "values", [np.zeros((2, 2)), np.zeros(2, np.float32), np.array([np.inf]), np.array([0.5])]
)
def test_contributions_that_break_their_promise_are_refused(values):
    with pytest.raises(ShapeError):
        Contributions("share", values, is_share=True)


def test_clusters_of_another_length_are_refused():
    with pytest.raises(ShapeError):
        bounds_of_means([a_difference(n=10)], np.arange(11))
