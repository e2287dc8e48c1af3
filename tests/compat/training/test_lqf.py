"""The closed form against gradient descent, a refit without each sample, and plain algebra."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from compat.errors import ShapeError
from compat.training import lqf
from compat.training.lqf import fit_linear, linear_outputs
from compat.training.networks import mlp

PENALTY = 0.3


def a_problem(samples: int = 7) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """Return a small network with a leaky activation, inputs and one-hot targets."""
    generator = torch.Generator().manual_seed(3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        network = mlp(3, (5,), 2, slope=0.2).double()
    inputs = torch.randn(samples, 3, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 2, (samples,), generator=generator)
    return network, inputs, F.one_hot(labels, 2).double()


def test_the_closed_form_is_where_gradient_descent_ends():
    network, inputs, targets = a_problem()
    change = {k: torch.zeros_like(v, requires_grad=True) for k, v in network.named_parameters()}
    optimiser = torch.optim.LBFGS(
        change.values(),
        max_iter=900,
        tolerance_grad=1e-13,
        tolerance_change=0,
        history_size=60,
        line_search_fn="strong_wolfe",
    )

    def objective():
        optimiser.zero_grad()
        gap = linear_outputs(network, change, inputs) - targets
        ridge = sum(d.square().sum() for d in change.values())
        loss = gap.square().sum() + PENALTY * ridge
        loss.backward()
        return loss

    optimiser.step(objective)

    fitted = fit_linear(network, inputs, targets, PENALTY)
    for name, moved in change.items():
        assert torch.allclose(fitted.change[name], moved, atol=1e-6)


def test_residuals_are_targets_minus_linearised_outputs():
    network, inputs, targets = a_problem()

    fitted = fit_linear(network, inputs, targets, PENALTY)

    outputs = linear_outputs(network, fitted.change, inputs)
    assert torch.allclose(fitted.residuals, targets - outputs)


def test_left_out_residuals_are_those_of_a_refit_without_the_sample():
    network, inputs, targets = a_problem()

    fitted = fit_linear(network, inputs, targets, PENALTY)

    for i in range(len(inputs)):
        others = [j for j in range(len(inputs)) if j != i]
        refit = fit_linear(network, inputs[others], targets[others], PENALTY)
        missed = targets[i] - linear_outputs(network, refit.change, inputs[i : i + 1])[0]
        assert torch.allclose(fitted.left_out_residuals[i], missed, atol=1e-8)


def test_with_one_output_the_left_out_residual_is_r_over_one_minus_h():
    _, inputs, targets = a_problem()
    network = nn.Sequential(nn.Linear(3, 1)).double()
    design = torch.cat([inputs, torch.ones(len(inputs), 1, dtype=torch.float64)], dim=1)
    gram = design.T @ design + PENALTY * torch.eye(4, dtype=torch.float64)
    hat = design @ torch.linalg.solve(gram, design.T)

    fitted = fit_linear(network, inputs, targets[:, :1], PENALTY)

    wanted = fitted.residuals[:, 0] / (1 - hat.diagonal())
    assert torch.allclose(fitted.left_out_residuals[:, 0], wanted)


def test_a_linear_network_is_fitted_as_ridge_regression():
    _, inputs, targets = a_problem()
    network = nn.Sequential(nn.Linear(3, 2)).double()
    design = torch.cat([inputs, torch.ones(len(inputs), 1, dtype=torch.float64)], dim=1)
    start = torch.cat([network[0].weight, network[0].bias[:, None]], dim=1).detach().T
    gram = design.T @ design + PENALTY * torch.eye(4, dtype=torch.float64)
    moved = torch.linalg.solve(gram, design.T @ (targets - design @ start))

    fitted = fit_linear(network, inputs, targets, PENALTY)

    assert torch.allclose(fitted.change["0.weight"], moved[:3].T)
    assert torch.allclose(fitted.change["0.bias"], moved[3])


def test_the_expansion_is_exact_to_first_order():
    network, inputs, targets = a_problem()
    change = fit_linear(network, inputs, targets, PENALTY).change

    errors = []
    for share in (1e-2, 1e-3):
        moved = {k: v.detach() + share * change[k] for k, v in network.named_parameters()}
        true = torch.func.functional_call(network, moved, (inputs,))
        errors.append((true - linear_outputs(network, change, inputs, share)).abs().max().item())

    assert errors[1] < errors[0] / 50


def test_interpolated_fits_move_logits_on_a_straight_line():
    network, inputs, targets = a_problem()
    change = fit_linear(network, inputs, targets, PENALTY).change

    at = {t: linear_outputs(network, change, inputs, share=t) for t in (0.0, 0.25, 1.0)}

    assert torch.allclose(at[0.0], network(inputs))
    assert torch.allclose(at[0.25], 0.75 * at[0.0] + 0.25 * at[1.0])


def test_a_heavy_penalty_changes_nothing():
    network, inputs, targets = a_problem()

    change = fit_linear(network, inputs, targets, 1e12).change

    assert max(d.abs().max().item() for d in change.values()) < 1e-9


def test_the_network_itself_is_not_changed():
    network, inputs, targets = a_problem()
    before = {k: v.clone() for k, v in network.state_dict().items()}

    fit_linear(network, inputs, targets, PENALTY)

    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


@pytest.mark.parametrize("penalty", [0.0, -1.0])
def test_a_penalty_that_is_not_positive_is_refused(penalty):
    with pytest.raises(ShapeError, match="penalty"):
        fit_linear(*a_problem(), penalty)


def test_targets_of_another_width_are_refused():
    network, inputs, targets = a_problem()

    with pytest.raises(ShapeError, match="targets"):
        fit_linear(network, inputs, targets[:, :1], PENALTY)


def test_a_kernel_too_large_for_memory_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr(lqf, "ROW_LIMIT", 13)

    with pytest.raises(ShapeError, match="kernel rows"):
        fit_linear(*a_problem(), PENALTY)
