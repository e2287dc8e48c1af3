"""Neighbours that stay and pairs that a cut-off accepts, against counting."""

import math

import numpy as np
import pytest

from compat.errors import ShapeError
from compat.measurement import Direction
from compat.metrics.bootstrap import summarise
from compat.metrics.cells import DIMENSIONS_DIFFER, Layout
from compat.metrics.distances import Distance
from compat.metrics.pairs import accepted_shares, neighbour_overlap

N = 45


def world(seed=0, d=5, n=N):
    rng = np.random.default_rng(seed)
    labels, roles = rng.integers(4, size=n), rng.integers(3, size=n)
    old, new = ((rng.normal(size=(n, d)) + labels[:, None]).astype(np.float32) for _ in range(2))
    ids = rng.permutation(np.array([f"item {i}" for i in range(n)]))
    return old, new, ids, Layout(labels, roles != 1, roles != 0)


def score(a, b, kind):
    a, b = a.astype(float), b.astype(float)
    if kind is Distance.EUCLIDEAN:
        return float(np.linalg.norm(a - b))
    dot = float(a @ b)
    return dot / np.linalg.norm(a) / np.linalg.norm(b) if kind is Distance.COSINE else dot


def nearest(queries, gallery, ids, layout, query, kind):
    """The ten nearest gallery rows of one query by definition, ties by id."""
    sign = 1 if kind is Distance.EUCLIDEAN else -1
    met = [g for g in np.flatnonzero(layout.is_gallery) if g != query]
    met.sort(key=lambda g: (sign * score(queries[query], gallery[g], kind), ids[g]))
    return set(met[:10]), min(10, len(met))


def overlaps(old, new, ids, layout, kind=Distance.COSINE, **options):
    return neighbour_overlap(old, new, ids, layout, kind, **options).values


@pytest.mark.parametrize("kind", Distance)
@pytest.mark.parametrize("n", [45, 9])
def test_overlap_agrees_with_comparing_sets(kind, n):
    old, new, ids, layout = world(n=n)

    found = overlaps(old, new, ids, layout, kind, block_bytes=20_000)

    for at, query in enumerate(np.flatnonzero(layout.is_query)):
        before, size = nearest(old, old, ids, layout, query, kind)
        after, _ = nearest(new, old, ids, layout, query, kind)
        assert found[at] == pytest.approx(len(before & after) / size)


def test_a_version_against_itself_keeps_every_neighbour():
    old, _, ids, layout = world()

    assert (overlaps(old, old.copy(), ids, layout) == 1).all()


def test_a_collapsed_version_against_itself_keeps_every_neighbour():
    _, _, ids, layout = world()
    constant = np.ones((N, 3), np.float32)

    assert (overlaps(constant, constant, ids, layout) == 1).all()


def test_ties_come_in_the_order_of_ids_whatever_the_order_of_rows():
    rng = np.random.default_rng(2)
    old, new, ids, layout = world()
    old, new = np.round(old), np.round(new * 0.3)
    order = rng.permutation(N)
    mixed = Layout(layout.labels[order], layout.is_query[order], layout.is_gallery[order])

    straight = dict(zip(ids[layout.is_query], overlaps(old, new, ids, layout), strict=True))
    shuffled = overlaps(old[order], new[order], ids[order], mixed)

    assert len(set(straight.values())) > 3
    assert dict(zip(ids[order][mixed.is_query], shuffled, strict=True)) == straight


def test_a_query_that_meets_nothing_leaves_the_support():
    old, new, ids, layout = world()
    alone = np.zeros(N, bool)
    alone[np.flatnonzero(layout.is_query)[0]] = True
    only = Layout(layout.labels, layout.is_query, alone)

    found = neighbour_overlap(old, new, ids, only, Distance.COSINE)

    assert math.isnan(found.values[0])
    assert found.support == layout.is_query.sum() - 1
    assert (found.values[1:] == 1).all()


def test_an_empty_gallery_leaves_the_overlap_undefined():
    old, new, ids, layout = world()
    nobody = Layout(layout.labels, layout.is_query, np.zeros(N, bool))

    assert neighbour_overlap(old, new, ids, nobody, Distance.COSINE).mean is None


def test_overlap_of_unequal_dimensions_is_undefined():
    old, _, ids, layout = world(d=5)

    found = neighbour_overlap(old, world(d=7)[1], ids, layout, Distance.COSINE)

    assert (found.mean, found.reason) == (None, DIMENSIONS_DIFFER)
    assert len(found.values) == layout.is_query.sum()


def test_ids_that_do_not_fit_are_refused():
    old, new, ids, layout = world()

    with pytest.raises(ShapeError):
        neighbour_overlap(old, new, ids[1:], layout, Distance.COSINE)


def accepted(old, new, layout, kind, cut_off, **options):
    found = accepted_shares({"old": old, "new": new}, layout, kind, cut_off, **options)
    return {c.name: c for c in found}


@pytest.mark.parametrize(
    ("kind", "cut_off"),
    [(Distance.COSINE, 0.62), (Distance.INNER_PRODUCT, 3.0), (Distance.EUCLIDEAN, 2.5)],
)
def test_acceptance_agrees_with_counting_pairs(kind, cut_off):
    old, new, _, layout = world()
    versions = {"old": old, "new": new}

    found = accepted(old, new, layout, kind, cut_off, block_bytes=20_000)

    for cell in ("old_old", "new_old", "new_new"):
        query_side, gallery_side = (versions[v] for v in cell.split("_"))
        for at, query in enumerate(np.flatnonzero(layout.is_query)):
            kept = {True: [], False: []}
            for g in np.flatnonzero(layout.is_gallery):
                if g != query:
                    value = score(query_side[query], gallery_side[g], kind)
                    good = value <= cut_off if kind is Distance.EUCLIDEAN else value >= cut_off
                    kept[bool(layout.labels[g] == layout.labels[query])].append(good)
            for name, pairs in (("tar", kept[True]), ("far", kept[False])):
                wanted = np.mean(pairs) if pairs else math.nan
                assert found[f"{name}.{cell}"].values[at] == pytest.approx(wanted, nan_ok=True)


def test_the_rates_and_their_differences_are_exactly_these():
    old, new, _, layout = world()

    found = {
        m.name: m for m in summarise([*accepted(old, new, layout, Distance.COSINE, 0.5).values()])
    }

    assert set(found) == {
        f"{rate}.{what}"
        for rate in ("tar", "far")
        for what in (
            "old_old",
            "new_old",
            "new_new",
            "new_old_minus_old_old",
            "new_new_minus_old_old",
        )
    }
    for name, measurement in found.items():
        low_is_good = name.startswith("far")
        assert (measurement.direction is Direction.LOWER_IS_BETTER) is low_is_good
    assert found["tar.new_old_minus_old_old"].value == pytest.approx(
        found["tar.new_old"].value - found["tar.old_old"].value
    )


def test_a_pair_on_the_cut_off_is_accepted():
    line = np.array([[0.0], [2.0], [5.0]], np.float32)
    layout = Layout(np.array([1, 1, 1]), np.array([True, False, False]), np.ones(3, bool))

    found = accepted(line, line, layout, Distance.EUCLIDEAN, 2.0)

    assert found["tar.old_old"].mean == 0.5
    assert accepted(line, line, layout, Distance.EUCLIDEAN, -1.0)["tar.old_old"].mean == 0.0
    assert found["far.old_old"].mean is None
    assert found["far.old_old"].reason == "no_pair"


def test_a_version_against_itself_accepts_the_same():
    old, _, _, layout = world()

    found = accepted(old, old.copy(), layout, Distance.COSINE, 0.5)

    assert all(c.mean == 0 for name, c in found.items() if "_minus_" in name)


def test_acceptance_across_unequal_dimensions_is_undefined():
    old, _, _, layout = world(d=5)

    found = accepted(old, world(d=7)[1], layout, Distance.COSINE, 0.5)

    undefined = {name for name, c in found.items() if c.mean is None}
    assert undefined == {name for name in found if "new_old" in name}
    assert {found[name].reason for name in undefined} == {DIMENSIONS_DIFFER}
