"""The residual network learns what a rotation cannot say, and never loses to it where watched."""

import numpy as np
import torch
import torch.nn.functional as F

from compat.adapters import residual_mlp
from compat.adapters.procrustes import fit_procrustes
from compat.adapters.residual_mlp import fit_residual_mlp


def bent_pairs(n: int = 900) -> tuple[torch.Tensor, torch.Tensor]:
    x = F.normalize(torch.randn(n, 6, generator=torch.Generator().manual_seed(0)))
    return x, F.normalize(x + 0.8 * x.abs() * torch.tensor([1.0, -1, 1, -1, 1, -1]))


def error(adapter, x: torch.Tensor, y: torch.Tensor) -> float:
    return (adapter(x) - y).square().sum(dim=1).mean().item()


def test_it_learns_a_bend_that_a_rotation_cannot_follow():
    x, y = bent_pairs()
    turned = fit_procrustes(x[:600], y[:600])

    bent = fit_residual_mlp(x[:600], y[:600])

    assert error(bent, x[600:], y[600:]) < 0.2 * error(turned, x[600:], y[600:])


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    x, y = bent_pairs(200)

    first, again, other = (fit_residual_mlp(x, y, seed=s, hidden=16) for s in (1, 1, 2))

    assert torch.equal(first.hidden.inward, again.hidden.inward)
    assert torch.equal(first(x), again(x))
    assert not torch.equal(first(x), other(x))


def test_where_nothing_can_be_learned_the_rotation_is_kept():
    x = torch.randn(200, 6, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(200, 6, generator=torch.Generator().manual_seed(1))

    found = fit_residual_mlp(x, noise)

    assert found.hidden.outward.abs().max() < 0.05


def test_the_watched_pairs_stop_it_before_it_learns_noise_by_heart(monkeypatch):
    x, y = bent_pairs(120)
    noisy = y + 0.5 * torch.randn(y.shape, generator=torch.Generator().manual_seed(2))
    stopped = fit_residual_mlp(x, noisy)
    monkeypatch.setattr(residual_mlp, "_train", _to_the_end)

    assert error(stopped, x, noisy) > 1.5 * error(fit_residual_mlp(x, noisy), x, noisy)


def _to_the_end(weights, sources, left, learned, watched, generator):
    for part in weights:
        part.requires_grad_()
    optimiser = torch.optim.AdamW(weights, lr=5e-3)
    for _ in range(400):
        *hidden, bias = weights
        loss = (residual_mlp.Hidden(*hidden)(sources) + bias - left).square().sum(dim=1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return [part.detach() for part in weights]


def test_the_global_random_state_is_left_alone():
    torch.manual_seed(7)
    before = torch.random.get_rng_state()

    fit_residual_mlp(*bent_pairs(100), hidden=4)

    assert np.array_equal(before.numpy(), torch.random.get_rng_state().numpy())
