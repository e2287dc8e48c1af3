"""The seeded loop, and the named architectures it starts from."""

import pytest
import torch
import torch.nn.functional as F

from compat.errors import ShapeError
from compat.training.fitting import Schedule, fit
from compat.training.networks import ARCHITECTURES, build, convnet, mlp, parameter_count


def fitted(seed: int, order_seed: int) -> torch.Tensor:
    network = build("digits-mlp-64", 4, seed)
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(50, 8, 8, generator=generator)
    labels = torch.randint(0, 4, (50,), generator=generator)

    def loss_of(rows):
        return F.cross_entropy(network(inputs[rows]), labels[rows])

    fit(network.parameters(), 50, loss_of, Schedule(epochs=3, batch=16), order_seed)
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_the_same_seeds_give_the_same_weights_to_the_bit():
    assert torch.equal(fitted(1, 2), fitted(1, 2))
    assert not torch.equal(fitted(1, 2), fitted(3, 2))
    assert not torch.equal(fitted(1, 2), fitted(1, 4))


def test_every_row_is_seen_once_in_each_epoch():
    weight, seen = torch.nn.Parameter(torch.zeros(1)), []

    def loss_of(rows):
        seen.append(rows.tolist())
        return weight.sum()

    fit([weight], 7, loss_of, Schedule(epochs=2, batch=3), seed=1)

    assert [len(batch) for batch in seen] == [3, 3, 1, 3, 3, 1]
    for epoch in (seen[:3], seen[3:]):
        assert sorted(sum(epoch, [])) == list(range(7))


def test_fitting_finds_the_minimum_of_a_parabola():
    weight = torch.nn.Parameter(torch.zeros(2))
    goal = torch.tensor([1.0, -2.0])

    fit(
        [weight],
        10,
        lambda rows: (weight - goal).square().sum(),
        Schedule(epochs=200, batch=10, rate=0.1, decay=0.0),
        seed=1,
    )

    assert weight.tolist() == pytest.approx(goal.tolist(), abs=1e-2)


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_building_does_not_touch_the_global_random_state(architecture):
    torch.manual_seed(0)
    before = torch.random.get_rng_state()

    build(architecture, 3, seed=5)

    assert torch.equal(torch.random.get_rng_state(), before)


def test_an_unknown_architecture_is_told_with_the_known_ones():
    with pytest.raises(ShapeError, match="digits-mlp-64"):
        build("resnet-152", 3, seed=5)


def test_parameters_are_counted_as_by_hand():
    assert parameter_count(mlp(6, (5, 4), 3)) == 6 * 5 + 5 + 5 * 4 + 4 + 4 * 3 + 3


def test_a_slope_makes_the_activation_leaky():
    leaky, hard = mlp(2, (2,), 1, slope=0.1), mlp(2, (2,), 1)

    below_zero = torch.tensor([-1.0])
    assert leaky[2](below_zero).item() == pytest.approx(-0.1)
    assert hard[2](below_zero).item() == 0


def test_an_image_that_two_strides_cannot_halve_is_refused():
    with pytest.raises(ShapeError, match="multiple of 4"):
        convnet(30, 4, 8, 2)
