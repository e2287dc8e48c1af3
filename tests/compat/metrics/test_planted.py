"""Ladders of planted regressions: each rung breaks what it says, and the measures see it."""

import math
from fractions import Fraction

import numpy as np
import pytest

from compat.errors import ShapeError
from compat.measurement import Measurement
from compat.metrics.bootstrap import Contributions
from compat.metrics.cells import Layout, measure_cells
from compat.metrics.distances import Distance
from compat.metrics.flips import measure
from compat.metrics.planted import SHARES, broken_count, flip_ladder, with_wrong_answers
from compat.metrics.planted_queries import query_ladder, with_wrong_queries


def some_right(n=400, wrong=0.1, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random(n) >= wrong, rng.integers(5, size=n)


def named(rung):
    return {m.name: m for m in rung.measurements}


@pytest.mark.parametrize("n", [1, 7, 30, 999, 1000])
def test_a_share_of_samples_is_rounded_up(n):
    for share in SHARES:
        assert broken_count(share, n) == math.ceil(Fraction(str(share)) * n)
    assert [broken_count(s, n) for s in (0.0, 1.0)] == [0, n]
    assert broken_count(0.07, 100) == 7


def test_only_right_answers_break_and_what_broke_stays_broken():
    right, _ = some_right()
    before = right

    for share in SHARES:
        after = with_wrong_answers(right, share)
        assert (after <= before).all()
        assert (right & ~after).sum() == min(broken_count(share, 400), right.sum())
        before = after


def test_what_breaks_is_spread_over_the_set():
    broken = np.flatnonzero(~with_wrong_answers(np.ones(1000, bool), 0.1))

    assert 350 < broken.mean() < 650


def test_the_first_rung_is_the_null_pair_and_the_last_breaks_everything():
    right, labels = some_right()

    ladder = flip_ladder(right, labels)

    assert [rung.share for rung in ladder] == list(SHARES)
    assert (named(ladder[0])["nfr"].count, named(ladder[0])["pfr"].count) == (0, 0)
    assert named(ladder[0])["accuracy.new_minus_old"].value == 0
    assert named(ladder[-1])["accuracy.new"].count == 0
    counts = [named(rung)["nfr"].count for rung in ladder]
    assert counts == [min(broken_count(s, 400), right.sum()) for s in SHARES]


@pytest.mark.parametrize("clusters", [None, np.arange(400) // 2])
def test_a_rung_is_measured_as_any_version_is(clusters):
    right, labels = some_right()

    ladder = flip_ladder(right, labels, clusters)

    for rung in (ladder[0], ladder[4], ladder[-1]):
        alone = measure(right, with_wrong_answers(right, rung.share), labels, clusters)
        assert [m.name for m in rung.measurements] == [m.name for m in alone]
        for found, wanted in zip(rung.measurements, alone, strict=True):
            assert found.value == wanted.value
            assert found.count == wanted.count
            assert found.interval(0.95) == pytest.approx(wanted.interval(0.95))


def test_further_measures_are_taken_of_every_rung():
    right, labels = some_right(n=50)

    def also(new):
        return [Contributions("new", new.astype(float), is_share=True)]

    ladder = flip_ladder(right, labels, also=also, shares=(0.0, 1.0))

    assert [named(rung)["new"].count for rung in ladder] == [right.sum(), 0]


def test_answers_that_are_not_boolean_are_refused():
    with pytest.raises(ShapeError):
        with_wrong_answers(np.ones(3), 0.5)


def world(n=80, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    labels, roles = rng.integers(classes, size=n), rng.integers(3, size=n)
    vectors = (3 * np.eye(6)[labels] + rng.normal(size=(n, 6))).astype(np.float32)
    return vectors, Layout(labels, roles != 1, roles != 0)


@pytest.mark.parametrize("distance", list(Distance))
def test_each_query_asks_for_the_opposite_and_the_gallery_stays(distance):
    vectors, layout = world()

    wrong = with_wrong_queries(vectors, layout, distance)

    assert (wrong[~layout.is_query] == vectors[~layout.is_query]).all()
    assert wrong.dtype == vectors.dtype
    cells = measure_cells(
        {"old": vectors, "wrong": wrong}, layout, distance, names=("old_old", "wrong_old")
    )
    right, worst = (cells[name] for name in ("old_old", "wrong_old"))
    assert np.nanmean(worst["hit_rate_at_1"]) < 0.1 < np.nanmean(right["hit_rate_at_1"])
    assert np.nanmean(worst["map"]) < np.nanmean(right["relevant_share"])


def test_planting_into_other_rows_is_refused():
    vectors, layout = world()

    with pytest.raises(ShapeError):
        with_wrong_queries(vectors[1:], layout, Distance.COSINE)


def ladder_of(vectors, layout, **options):
    wrong = with_wrong_queries(vectors, layout, Distance.COSINE)
    cells = measure_cells(
        {"old": vectors, "wrong": wrong},
        layout,
        Distance.COSINE,
        names=("old_old", "wrong_old"),
    )
    return query_ladder(cells["old_old"], cells["wrong_old"], **options), cells


def test_a_rung_mixes_broken_queries_with_whole_ones():
    vectors, layout = world()
    ladder, cells = ladder_of(vectors, layout)
    order = np.random.default_rng(20113).permutation(int(layout.is_query.sum()))

    for rung in ladder:
        broken = order[: broken_count(rung.share, len(order))]
        new = cells["old_old"]["map"].copy()
        new[broken] = cells["wrong_old"]["map"][broken]
        found = named(rung)
        assert found["map.new_old"].value == pytest.approx(np.nanmean(new))
        assert found["map.new_new"].value == found["map.new_old"].value
        assert found["map.old_new"].value == found["map.old_old"].value
        lost = (cells["old_old"]["hit_rate_at_1"] == 1)[broken]
        assert (
            found["retrieval_nfr"].count
            == (lost & (cells["wrong_old"]["hit_rate_at_1"][broken] == 0)).sum()
        )


def test_the_null_rung_of_queries_shows_nothing_and_the_last_almost_everything():
    vectors, layout = world()
    ladder, _ = ladder_of(vectors, layout)

    first, last = named(ladder[0]), named(ladder[-1])
    assert first["retrieval_nfr"].count == 0
    assert all(
        m.value == 0
        for name, m in first.items()
        if "_minus_" in name and not name.endswith("chance")
    )
    assert last["hit_rate_at_1.new_old"].value < 0.2 < first["hit_rate_at_1.old_old"].value
    assert last["map.new_old_minus_old_old"].interval(0.95)[1] < 0


def test_worse_rungs_are_worse():
    vectors, layout = world()
    ladder, _ = ladder_of(vectors, layout)

    values = [named(rung)["map.new_old"].value for rung in ladder]

    assert values == sorted(values, reverse=True)
    assert len(set(values)) > 5


def test_identities_are_resampled_and_rungs_survive_json():
    vectors, layout = world()
    queries = int(layout.is_query.sum())

    ladder, _ = ladder_of(vectors, layout, clusters=np.arange(queries) // 2)

    found = named(ladder[3])["retrieval_nfr"]
    assert (found.clusters, found.count) == ((queries + 1) // 2, None)
    assert Measurement.from_json(found.as_json()) == found


def test_further_measures_are_taken_of_every_rung_of_queries():
    vectors, layout = world()

    def also(cells):
        return [Contributions("hits", cells["new_old"]["hit_rate_at_1"])]

    ladder, cells = ladder_of(vectors, layout, also=also, shares=(0.0,))

    wanted = np.nanmean(cells["old_old"]["hit_rate_at_1"])
    assert named(ladder[0])["hits"].value == pytest.approx(wanted)
