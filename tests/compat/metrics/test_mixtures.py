"""Galleries between two versions: the share, the nesting, and nothing from the order of rows."""

import numpy as np
import pytest

from compat.errors import ShapeError
from compat.metrics.cells import MIXED_CELLS, Layout, measure_cells
from compat.metrics.distances import Distance
from compat.metrics.mixtures import MIXTURES, mixtures
from compat.metrics.retrieval import measure, on_grid

N = 40


def world(seed=0, d=5):
    rng = np.random.default_rng(seed)
    labels = rng.integers(4, size=N)
    roles = rng.integers(3, size=N)
    old, new = (rng.normal(size=(N, d)).astype(np.float32) + labels[:, None] for _ in range(2))
    ids = np.array([f"item {i}" for i in range(N)])
    return old, new, ids, Layout(labels, roles != 1, roles != 0)


def newness(old, made):
    return (made != old).all(axis=1)


def test_the_share_of_the_gallery_is_new_and_nothing_else():
    old, new, ids, layout = world()

    for name, made in mixtures(old, new, ids, layout.is_gallery).items():
        is_new = newness(old, made)
        assert is_new.sum() == round(MIXTURES[name] * layout.is_gallery.sum())
        assert not is_new[~layout.is_gallery].any()
        assert (made[is_new] == new[is_new]).all()
        assert (made[~is_new] == old[~is_new]).all()


def test_a_mixture_lies_inside_each_greater_one():
    old, new, ids, layout = world()

    quarter, half, most = (
        newness(old, made) for made in mixtures(old, new, ids, layout.is_gallery).values()
    )

    assert (quarter <= half).all()
    assert (half <= most).all()


def test_which_rows_are_new_depends_on_their_ids_and_on_no_order():
    old, new, ids, layout = world()
    order = np.random.default_rng(5).permutation(N)

    straight = mixtures(old, new, ids, layout.is_gallery)
    shuffled = mixtures(old[order], new[order], ids[order], layout.is_gallery[order])

    for name in MIXTURES:
        assert (shuffled[name] == straight[name][order]).all()


def test_new_rows_are_not_the_first_by_name():
    old, new, ids, layout = world()

    is_new = newness(old, mixtures(old, new, ids, np.ones(N, bool))["mixed50"])

    assert 3 < is_new[: N // 2].sum() < N // 2 - 3


@pytest.mark.parametrize("kind", Distance)
def test_cells_of_mixed_galleries_are_searches_by_the_new_queries(kind):
    old, new, ids, layout = world()
    made = mixtures(old, new, ids, layout.is_gallery)

    cells = measure_cells({"old": old, "new": new, **made}, layout, kind, names=MIXED_CELLS)

    import torch

    for name in MIXED_CELLS:
        gallery = made[name.removeprefix("new_")]
        queries, items = (
            on_grid(
                torch.from_numpy(vectors[mask]),
                torch.from_numpy(layout.labels[mask]),
                torch.from_numpy(np.flatnonzero(mask)),
            )
            for vectors, mask in ((new, layout.is_query), (gallery, layout.is_gallery))
        )
        for measure_name, wanted in measure(queries, items, kind).items():
            assert np.array_equal(cells[name][measure_name], wanted, equal_nan=True)


def test_unequal_dimensions_leave_the_cells_undefined():
    old, _, ids, layout = world(d=5)
    new = world(d=7)[1]

    made = mixtures(old, new, ids, layout.is_gallery)
    cells = measure_cells(
        {"old": old, "new": new, **made}, layout, Distance.COSINE, names=MIXED_CELLS
    )

    assert cells == dict.fromkeys(MIXED_CELLS)


def test_arrays_of_other_lengths_are_refused():
    old, new, ids, layout = world()

    with pytest.raises(ShapeError):
        mixtures(old, new, ids[1:], layout.is_gallery)
