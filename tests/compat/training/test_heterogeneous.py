"""Costs counted by hand, and the choice under a limit."""

import pytest
import torch
from torch import nn

from compat.errors import UndefinedMeasureError
from compat.training.heterogeneous import Candidate, choose, multiply_adds, sweep
from compat.training.networks import build, mlp


def test_multiplications_are_counted_as_by_hand():
    assert multiply_adds(mlp(64, (16,), 32), torch.zeros(1, 8, 8)) == 64 * 16 + 16 * 32

    convolutions = 14 * 14 * 16 * (1 * 5 * 5) + 7 * 7 * 32 * (16 * 3 * 3)
    network = build("mnist-conv-16", 10, seed=0)
    assert (
        multiply_adds(network, torch.zeros(1, 1, 28, 28)) == convolutions + 32 * 49 * 64 + 64 * 10
    )


def test_counting_leaves_no_hook_behind():
    network = mlp(4, (3,), 2)

    multiply_adds(network, torch.zeros(1, 4))

    assert not any(layer._forward_hooks for layer in network)


def test_counting_a_network_that_breaks_leaves_no_hook_behind():
    network = mlp(4, (3,), 2)

    with pytest.raises(RuntimeError):
        multiply_adds(network, torch.zeros(1, 5))

    assert not any(layer._forward_hooks for layer in network)


def test_a_sweep_measures_each_width_that_it_trained():
    def measure(network):
        return network[1].out_features / 10, 0.5

    swept = sweep([2, 4], lambda width: mlp(3, (width,), 2), measure, torch.zeros(1, 3))

    assert swept == [Candidate(2, 10, 0.2, 0.5), Candidate(4, 20, 0.4, 0.5)]


CANDIDATES = [
    Candidate(8, 100, 0.80, 0.70),
    Candidate(16, 200, 0.85, 0.80),
    Candidate(32, 400, 0.90, 0.95),
]


def test_the_best_reward_within_the_limit_is_chosen():
    assert choose(CANDIDATES, cost_limit=399).width == 16
    assert choose(CANDIDATES, cost_limit=400).width == 32


def test_equal_rewards_go_to_the_cheaper():
    assert choose([*CANDIDATES, Candidate(15, 150, 0.80, 0.85)], cost_limit=300).width == 15


def test_a_limit_below_every_candidate_is_told():
    with pytest.raises(UndefinedMeasureError, match="99"):
        choose(CANDIDATES, cost_limit=99)


def test_a_query_network_is_valid_when_the_big_gallery_helps_it():
    assert [c.is_valid for c in CANDIDATES] == [True, True, False]


def test_the_layers_without_weights_cost_nothing():
    assert multiply_adds(nn.Sequential(nn.Flatten(), nn.ReLU()), torch.zeros(1, 3)) == 0
