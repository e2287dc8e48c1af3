"""Distillation of an old classifier into a new one, plain and focal.

Focal distillation is positive-congruent training (Yan et al., CVPR 2021, arXiv 2011.09161): the
new model imitates the old one, and more so where the old one is right.
"""

from enum import StrEnum

import torch.nn.functional as F
from torch import Tensor

from compat.errors import ShapeError


class Distance(StrEnum):
    """How far the new logits are from the old: FD-KL and FD-LM of the paper."""

    KL = "kl"
    LOGITS = "logits"


def softened_divergence(new_logits: Tensor, old_logits: Tensor, temperature: float) -> Tensor:
    """Return, per sample, T^2 * KL(softmax(old / T) || softmax(new / T)).

    The factor T^2 keeps gradients of the size that T = 1 gives (Hinton et al., 2015).

    Args:
        new_logits: (B, C), with gradient.
        old_logits: (B, C).
        temperature: T > 0.

    Returns:
        (B,), >= 0 up to rounding.
    """
    new = F.log_softmax(new_logits / temperature, dim=1)
    old = F.log_softmax(old_logits / temperature, dim=1)
    return temperature**2 * (old.exp() * (old - new)).sum(dim=1)


def logit_distance(new_logits: Tensor, old_logits: Tensor) -> Tensor:
    """Return, per sample, half the mean squared difference of the logits (FD-LM)."""
    return 0.5 * (new_logits - old_logits).square().mean(dim=1)


def focal_weights(old_logits: Tensor, labels: Tensor, alpha: float, beta: float) -> Tensor:
    """Return alpha + beta * 1[the old model is right], per sample.

    Args:
        old_logits: (B, C).
        labels: (B,) integer classes.
        alpha: weight of every sample, >= 0.
        beta: extra weight where the old model is right, >= 0.

    Returns:
        (B,) in {alpha, alpha + beta}.

    Example:
        >>> import torch
        >>> old = torch.tensor([[3.0, 0.0], [3.0, 0.0]])
        >>> focal_weights(old, torch.tensor([0, 1]), alpha=1, beta=5).tolist()
        [6.0, 1.0]
    """
    if alpha < 0 or beta < 0:
        raise ShapeError(f"focal weights are not negative: alpha {alpha}, beta {beta}")
    return alpha + beta * (old_logits.argmax(dim=1) == labels).to(old_logits.dtype)


def distillation_loss(
    new_logits: Tensor,
    old_logits: Tensor,
    labels: Tensor,
    *,
    mix: float,
    alpha: float = 1.0,
    beta: float = 0.0,
    temperature: float = 2.0,
    distance: Distance = Distance.KL,
) -> Tensor:
    """Return (1 - mix) * cross-entropy + mix * mean of focal weight times distance.

    ``beta`` = 0 with ``alpha`` = 1 is plain knowledge distillation. The paper writes
    CE + lambda * focal; lambda = mix / (1 - mix), up to one factor on the learning rate.

    Args:
        new_logits: (B, C), with gradient.
        old_logits: (B, C) of the old model on the same samples.
        labels: (B,) integer classes.
        mix: share of the distillation term, in [0, 1].
        alpha, beta: see ``focal_weights``.
        temperature: of the KL distance; the logit distance has none.
        distance: KL (FD-KL) or squared logits (FD-LM).

    Returns:
        Scalar, >= 0 up to rounding.

    Raises:
        ShapeError: the logits differ in shape, or a weight is out of range.
    """
    if new_logits.shape != old_logits.shape:
        raise ShapeError(f"logits of {tuple(new_logits.shape)} and {tuple(old_logits.shape)}")
    if not 0 <= mix <= 1:
        raise ShapeError(f"a share lies in [0, 1], not {mix}")
    if distance is Distance.KL:
        apart = softened_divergence(new_logits, old_logits, temperature)
    else:
        apart = logit_distance(new_logits, old_logits)
    weights = focal_weights(old_logits, labels, alpha, beta)
    return (1 - mix) * F.cross_entropy(new_logits, labels) + mix * (weights * apart).mean()
