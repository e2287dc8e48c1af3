"""The low-rank affine map is the least-squares one, cut to its rank where it costs least."""

import numpy as np
import pytest
import torch

from compat.adapters.low_rank_affine import RIDGE, fit_low_rank_affine
from compat.errors import ShapeError


def pairs(n: int = 120, d: int = 6, e: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) @ np.diag(np.linspace(0.2, 2.0, d)) + 1
    return x, np.tanh(x @ rng.normal(size=(d, e))) + rng.normal(scale=0.3, size=(n, e)) - 2


def fitted(x: np.ndarray, y: np.ndarray, **changes) -> tuple[np.ndarray, np.ndarray]:
    found = fit_low_rank_affine(
        *(torch.from_numpy(s.astype(np.float32)) for s in (x, y)), **changes
    )
    return found.linear.numpy(), found.bias.numpy()


def test_with_every_rank_it_is_numpys_least_squares():
    x, y = pairs()

    linear, bias = fitted(x, y, rank=5, ridge=0.0)

    expected = np.linalg.lstsq(np.hstack([x, np.ones((len(x), 1))]), y, rcond=None)[0]
    assert linear == pytest.approx(expected[:-1], abs=1e-4)
    assert bias == pytest.approx(expected[-1], abs=1e-4)


def test_with_a_ridge_it_is_numpys_least_squares_on_rows_added_for_the_penalty():
    x, y = pairs(40)
    centred_x, centred_y = x - x.mean(axis=0), y - y.mean(axis=0)
    penalty = 0.5 * (centred_x**2).sum() / x.shape[1]

    linear, _ = fitted(x, y, rank=5, ridge=0.5)

    more_x = np.vstack([centred_x, np.sqrt(penalty) * np.eye(x.shape[1])])
    more_y = np.vstack([centred_y, np.zeros((x.shape[1], y.shape[1]))])
    assert linear == pytest.approx(np.linalg.lstsq(more_x, more_y, rcond=None)[0], abs=1e-5)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_lower_rank_keeps_the_best_fitted_values_of_that_rank(rank):
    x, y = pairs()
    centred_x, centred_y = x - x.mean(axis=0), y - y.mean(axis=0)

    linear, _ = fitted(x, y, rank=rank, ridge=0.0)

    full = centred_x @ np.linalg.lstsq(centred_x, centred_y, rcond=None)[0]
    left, singular, right = np.linalg.svd(full, full_matrices=False)
    best = left[:, :rank] * singular[:rank] @ right[:rank]
    assert np.linalg.matrix_rank(linear, tol=1e-4) == rank
    assert centred_x @ linear == pytest.approx(best, abs=1e-3)


def test_few_pairs_of_many_dimensions_need_the_ridge():
    x, y = pairs(n=5, d=12)

    assert np.isfinite(fitted(x, y, ridge=RIDGE)[0]).all()
    with pytest.raises(ShapeError, match="do not determine"):
        fitted(np.zeros_like(x), y, ridge=0.0)


@pytest.mark.parametrize("wrong", [{"rank": 0}, {"ridge": -1.0}])
def test_a_rank_or_a_ridge_that_means_nothing_is_refused(wrong):
    with pytest.raises(ShapeError):
        fitted(*pairs(), **wrong)
