"""Interpolation between the weights of an old and a new version of one architecture.

Backward-compatible weight interpolation (BCWI; Schumann et al., EACL 2024, arXiv 2301.10546): the
new version must have been fine-tuned from the old, or the straight line between them leads
through models that are worse than both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from compat.errors import ShapeError, UndefinedMeasureError

Weights = Mapping[str, Tensor]
"""Named arrays, as ``state_dict`` gives them."""


def interpolate(old: Weights, new: Weights, old_share: float) -> dict[str, Tensor]:
    """Return old_share * old + (1 - old_share) * new, array by array.

    Args:
        old, new: weights of the same architecture.
        old_share: alpha of the paper, in [0, 1]; 1 is the old model.

    Raises:
        ShapeError: the architectures differ, or the share is out of range.

    Example:
        >>> old, new = {"w": torch.tensor([0.0, 4.0])}, {"w": torch.tensor([2.0, 0.0])}
        >>> interpolate(old, new, 0.25)["w"].tolist()
        [1.5, 1.0]
    """
    _require_alike(old, new)
    _require_share(old_share)
    return {k: old_share * old[k] + (1 - old_share) * new[k] for k in old}


def fisher_interpolate(
    old: Weights,
    new: Weights,
    old_share: float,
    old_fisher: Weights,
    new_fisher: Weights,
    floor: float = 1e-8,
) -> dict[str, Tensor]:
    """Interpolate each weight by how much its model's likelihood depends on it.

    Weight by weight (s F_old w_old + (1 - s) F_new w_new) / (s F_old + (1 - s) F_new), the
    Fisher-weighted average of Matena and Raffel (NeurIPS 2022) with ``old_share`` s.

    Args:
        old, new: weights of the same architecture.
        old_share: in [0, 1]; 1 is the old model exactly.
        old_fisher, new_fisher: see ``fisher_diagonal``; >= 0, shaped as the weights.
        floor: added to both, so that a weight that matters to neither is plainly interpolated.

    Raises:
        ShapeError: the architectures differ, or the share is out of range.
    """
    for other in (new, old_fisher, new_fisher):
        _require_alike(old, other)
    _require_share(old_share)
    mixed = {}
    for name in old:
        a = old_share * (old_fisher[name] + floor)
        b = (1 - old_share) * (new_fisher[name] + floor)
        mixed[name] = (a * old[name] + b * new[name]) / (a + b)
    return mixed


def fisher_diagonal(network: nn.Module, inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return the diagonal of the empirical Fisher information of a classifier's weights.

    That is the mean over samples of the squared gradient of log p(label | input). "Empirical":
    labels come from the data, not from the model.

    Args:
        network: (B, ...) -> (B, C) logits.
        inputs: (B, ...), B >= 1.
        labels: (B,) integer classes.

    Returns:
        One array >= 0 a weight, shaped as the weight.
    """
    weights = {k: v.detach() for k, v in network.named_parameters()}

    def loss(weights: Weights, sample: Tensor, label: Tensor) -> Tensor:
        logits = functional_call(network, weights, (sample[None],))
        return F.cross_entropy(logits, label[None])

    gradients = vmap(grad(loss), in_dims=(None, 0, 0))(weights, inputs, labels)
    return {k: g.square().mean(dim=0) for k, g in gradients.items()}


def average(members: Sequence[Weights]) -> dict[str, Tensor]:
    """Return the mean of several fine-tuned versions' weights ("soup").

    Raises:
        ShapeError: there is no member, or the architectures differ.
    """
    if not members:
        raise ShapeError("an average needs at least one member")
    for member in members[1:]:
        _require_alike(members[0], member)
    return {k: torch.stack([m[k] for m in members]).mean(dim=0) for k in members[0]}


@dataclass(frozen=True)
class Point:
    """One interpolation on a development split: its share of old, errors and negative flips."""

    old_share: float
    errors: int
    negative_flips: int


def pick(points: Sequence[Point], error_limit: int) -> Point:
    """Return the point with the fewest negative flips among those within the error limit.

    Ties go to fewer errors, then to the smaller share of old.

    Args:
        points: measured on a development split, never on what judges.
        error_limit: usually the new model's own errors there.

    Raises:
        UndefinedMeasureError: no point is within the limit.
    """
    allowed = [p for p in points if p.errors <= error_limit]
    if not allowed:
        raise UndefinedMeasureError(f"no interpolation makes at most {error_limit} errors")
    return min(allowed, key=lambda p: (p.negative_flips, p.errors, p.old_share))


def _require_alike(first: Weights, second: Weights) -> None:
    if {k: v.shape for k, v in first.items()} != {k: v.shape for k, v in second.items()}:
        raise ShapeError("the two versions are not of one architecture")


def _require_share(share: float) -> None:
    if not 0 <= share <= 1:
        raise ShapeError(f"a share lies in [0, 1], not {share}")
