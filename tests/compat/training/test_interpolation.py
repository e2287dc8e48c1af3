"""Interpolated weights, Fisher weights by plain loops, and the choice of a share."""

import pytest
import torch
import torch.nn.functional as F

from compat.errors import ShapeError, UndefinedMeasureError
from compat.training.interpolation import (
    Point,
    average,
    fisher_diagonal,
    fisher_interpolate,
    interpolate,
    pick,
)
from compat.training.networks import mlp


def weights(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(shape, generator=generator, dtype=torch.float64)
        for name, shape in {"w": (3, 2), "b": (3,)}.items()
    }


def fisher(seed: int) -> dict[str, torch.Tensor]:
    return {k: v.square() for k, v in weights(seed).items()}


def same(a, b) -> bool:
    return all(torch.allclose(a[k], b[k]) for k in a)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_each_weight_is_interpolated(share):
    old, new = weights(1), weights(2)

    mixed = interpolate(old, new, share)

    for name in old:
        for got, a, b in zip(
            mixed[name].flatten(), old[name].flatten(), new[name].flatten(), strict=True
        ):
            assert got.item() == pytest.approx(share * a.item() + (1 - share) * b.item())


def test_a_linear_network_moves_its_outputs_linearly():
    old, new, inputs = weights(1), weights(2), torch.ones(1, 2, dtype=torch.float64)

    def outputs(w):
        return F.linear(inputs, w["w"], w["b"])

    halfway = outputs(interpolate(old, new, 0.5))
    assert torch.allclose(halfway, (outputs(old) + outputs(new)) / 2)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_ends_of_the_fisher_line_are_the_two_models(share):
    old, new = weights(1), weights(2)

    mixed = fisher_interpolate(old, new, share, fisher(3), fisher(4))

    assert same(mixed, old if share else new)


def test_equal_fishers_interpolate_plainly():
    old, new = weights(1), weights(2)

    mixed = fisher_interpolate(old, new, 0.3, fisher(3), fisher(3))

    assert same(mixed, interpolate(old, new, 0.3))


def test_a_weight_that_matters_only_to_the_old_model_stays():
    old, new = {"w": torch.tensor([1.0, 1.0])}, {"w": torch.tensor([3.0, 3.0])}
    old_fisher = {"w": torch.tensor([1.0, 0.0])}
    new_fisher = {"w": torch.tensor([0.0, 0.0])}

    mixed = fisher_interpolate(old, new, 0.5, old_fisher, new_fisher)

    assert mixed["w"].tolist() == pytest.approx([1.0, 2.0], abs=1e-6)


def test_the_fisher_diagonal_is_the_mean_squared_gradient_of_each_sample():
    torch.manual_seed(4)
    network = mlp(3, (4,), 2, slope=0.1).double()
    inputs, labels = torch.randn(5, 3, dtype=torch.float64), torch.tensor([0, 1, 1, 0, 1])

    got = fisher_diagonal(network, inputs, labels)

    for name, weight in network.named_parameters():
        total = torch.zeros_like(weight)
        for sample, label in zip(inputs, labels, strict=True):
            loss = F.cross_entropy(network(sample[None]), label[None])
            total += torch.autograd.grad(loss, weight)[0] ** 2
        assert torch.allclose(got[name], total / 5)


def test_a_soup_of_one_is_that_one_and_of_two_is_halfway():
    one, other = weights(1), weights(2)

    assert same(average([one]), one)
    assert same(average([one, other]), interpolate(one, other, 0.5))


def test_a_soup_of_nothing_is_refused():
    with pytest.raises(ShapeError, match="member"):
        average([])


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_outside_the_line_is_refused(share):
    with pytest.raises(ShapeError, match="share"):
        interpolate(weights(1), weights(2), share)
    with pytest.raises(ShapeError, match="share"):
        fisher_interpolate(weights(1), weights(2), share, fisher(3), fisher(4))


def test_different_architectures_are_refused():
    narrow = {"w": torch.zeros(2, 2), "b": torch.zeros(3)}

    with pytest.raises(ShapeError, match="architecture"):
        interpolate(weights(1), narrow, 0.5)
    with pytest.raises(ShapeError, match="architecture"):
        average([weights(1), {"w": torch.zeros(3, 2)}])


CURVE = [Point(0.0, 10, 8), Point(0.3, 9, 5), Point(0.6, 10, 3), Point(0.8, 12, 1)]


def test_the_fewest_flips_within_the_error_limit_win():
    assert pick(CURVE, error_limit=10).old_share == 0.6
    assert pick(CURVE, error_limit=12).old_share == 0.8


def test_equal_flips_go_to_fewer_errors():
    assert pick([*CURVE, Point(0.5, 9, 3)], error_limit=10).old_share == 0.5


def test_no_interpolation_within_the_limit_is_told():
    with pytest.raises(UndefinedMeasureError, match="8"):
        pick(CURVE, error_limit=8)
