"""Procrustes finds the rotation and scale between two spaces, as scipy does."""

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes

from compat.adapters.procrustes import fit_procrustes
from compat.errors import ShapeError


def pairs(n: int, d: int, e: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    return tuple(torch.from_numpy(rng.normal(size=(n, k)).astype(np.float32)) for k in (d, e))


def padded(rows: torch.Tensor, width: int) -> np.ndarray:
    return np.pad(rows.double().numpy(), ((0, 0), (0, width - rows.shape[1])))


@pytest.mark.parametrize(("d", "e"), [(5, 5), (7, 4), (4, 7)])
def test_the_map_is_scipys_on_pairs_padded_with_zeros(d, e):
    x, y = pairs(80, d, e)
    wide = max(d, e)

    found = fit_procrustes(x, y)

    rotation, scale = orthogonal_procrustes(padded(x, wide), padded(y, wide))
    expected = (rotation * scale / x.double().square().sum().item())[:d, :e]
    assert found.linear.numpy() == pytest.approx(expected, abs=1e-6)
    assert not found.bias.any()


@pytest.mark.parametrize(("d", "e"), [(5, 5), (7, 4), (4, 7)])
def test_the_narrower_side_stays_orthonormal(d, e):
    linear = fit_procrustes(*pairs(80, d, e)).linear.double()

    product = linear @ linear.T if d < e else linear.T @ linear

    assert (product / product[0, 0]).numpy() == pytest.approx(np.eye(min(d, e)), abs=1e-5)


def test_a_turned_space_is_found_again_whatever_its_scale():
    x, _ = pairs(60, 6, 6)
    turn = torch.linalg.qr(pairs(6, 6, 6, seed=1)[0]).Q

    found = fit_procrustes(x, 3 * x @ turn)

    assert found(x).numpy() == pytest.approx((3 * x @ turn).numpy(), abs=1e-4)


def test_no_other_rotation_and_scale_fit_better():
    x, y = pairs(50, 4, 4)
    best = (fit_procrustes(x, y)(x) - y).square().sum()

    for seed in range(200):
        turn = torch.linalg.qr(pairs(4, 4, 4, seed=seed)[0]).Q
        turned = x @ turn
        scale = (turned * y).sum() / turned.square().sum()
        assert (scale * turned - y).square().sum() >= best - 1e-4


def test_sources_of_zeros_are_refused():
    with pytest.raises(ShapeError, match="zero"):
        fit_procrustes(torch.zeros(3, 2), torch.ones(3, 2))
