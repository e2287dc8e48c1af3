"""Linear quadratic fine-tuning (LQF; Achille et al., CVPR 2021, arXiv 2012.11140), solved exactly.

The network is replaced by its first-order expansion around pre-trained weights w0,
f(x) = f0(x) + J(x) d with d = w - w0, and fitted to one-hot targets by least squares with a
ridge. The paper trains this by preconditioned gradient steps; at the scale of this module the
minimum has a closed form in the empirical tangent kernel K = J J': d = J' (K + penalty I)^-1
(targets - f0). The paper's other ingredient is an activation without dead units: build the
network with a leaky one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vjp, vmap

from compat.errors import ShapeError

Change = Mapping[str, Tensor]
"""A change of each named weight."""

ROW_LIMIT = 6000
"""Samples times outputs that the dense kernel may have: 288 MB in float64 (chosen)."""


@dataclass(frozen=True)
class LinearFit:
    """The minimum of the quadratic objective on B samples of C outputs.

    Attributes:
        change: d = w - w0, by name of the weight.
        residuals: (B, C) targets minus fitted outputs.
        left_out_residuals: (B, C) what each residual would be, had its sample been left out.
    """

    change: dict[str, Tensor]
    residuals: Tensor
    left_out_residuals: Tensor


def fit_linear(network: nn.Module, inputs: Tensor, targets: Tensor, penalty: float) -> LinearFit:
    """Minimise sum ||f0 + J d - targets||^2 + penalty ||d||^2 over d, exactly.

    Leaving sample i out changes its residual to (I - H_ii)^-1 r_i, H = K (K + penalty I)^-1 and
    H_ii its C x C block: the matrix form of r / (1 - h), since outputs share weights. No refit
    is made.

    Args:
        network: (B, ...) -> (B, C) at its pre-trained weights; it is not changed.
        inputs: (B, ...) in the dtype of the weights (float64 is advised).
        targets: (B, C), one-hot for classes.
        penalty: ridge, > 0.

    Returns:
        The change of the weights, with residuals.

    Raises:
        ShapeError: the penalty is not positive, targets and outputs differ in shape, or B * C
            exceeds ``ROW_LIMIT``.
    """
    if penalty <= 0:
        raise ShapeError(f"the penalty must be positive, not {penalty}")
    with torch.no_grad():
        start = network(inputs)
    if start.shape != targets.shape:
        raise ShapeError(f"targets of {tuple(targets.shape)} for {tuple(start.shape)} outputs")
    samples, outputs = targets.shape
    if samples * outputs > ROW_LIMIT:
        raise ShapeError(f"{samples} samples of {outputs} outputs exceed {ROW_LIMIT} kernel rows")
    jacobian = _jacobian(network, inputs)
    rows = torch.cat([j.reshape(samples * outputs, -1) for j in jacobian.values()], dim=1)
    kernel = rows @ rows.T
    ridge = kernel + penalty * torch.eye(len(kernel), dtype=kernel.dtype)
    factor = torch.linalg.cholesky(ridge)
    gap = (targets - start).reshape(-1, 1)
    dual = torch.cholesky_solve(gap, factor)
    change = rows.T @ dual
    # I - H = penalty * (K + penalty I)^-1, so that residuals need no second product with K.
    remainder = penalty * torch.cholesky_inverse(factor)
    residuals = (penalty * dual).reshape(samples, outputs)
    blocks = remainder.reshape(samples, outputs, samples, outputs)
    own = torch.stack([blocks[i, :, i, :] for i in range(samples)])
    left_out = torch.linalg.solve(own, residuals.unsqueeze(-1)).squeeze(-1)
    return LinearFit(_named(change.squeeze(1), jacobian), residuals, left_out)


def linear_outputs(
    network: nn.Module, change: Change, inputs: Tensor, share: float = 1.0
) -> Tensor:
    """Return (B, C) outputs of the linearised network at w0 + share * change.

    They are linear in ``share``: interpolating two fits moves every logit along a straight line,
    so flips can be tuned along one number without training again.
    """
    weights = {k: v.detach() for k, v in network.named_parameters()}
    step = {k: share * change[k] for k in weights}
    start, pull = vjp(lambda w: functional_call(network, w, (inputs,)), weights)
    # J d is the pull-back of the linear map u -> J'u: no forward-mode rules are needed.
    _, push = vjp(lambda u: pull(u)[0], torch.zeros_like(start))
    (moved,) = push(step)
    return start + moved


def _jacobian(network: nn.Module, inputs: Tensor) -> dict[str, Tensor]:
    """Return, by weight, the (B, C, *shape) derivative of the outputs."""
    weights = {k: v.detach() for k, v in network.named_parameters()}

    def one(weights: Change, sample: Tensor) -> Tensor:
        return functional_call(network, weights, (sample[None],))[0]

    return vmap(jacrev(one), in_dims=(None, 0))(weights, inputs)


def _named(flat: Tensor, jacobian: Change) -> dict[str, Tensor]:
    shapes = {k: j.shape[2:] for k, j in jacobian.items()}
    pieces = flat.split([shape.numel() for shape in shapes.values()])
    return {
        k: piece.reshape(shape) for (k, shape), piece in zip(shapes.items(), pieces, strict=True)
    }
