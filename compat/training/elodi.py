"""Ensemble logit difference inhibition (ELODI; Zhao et al., arXiv 2205.06265).

Every version of a line is one student distilled from an ensemble of its own generation. Two such
students disagree about as little as the two ensembles do, without ever seeing each other; both
the old and the new version must have been trained this way.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compat.errors import ShapeError


def ensemble_logits(members: list[nn.Module], inputs: Tensor) -> Tensor:
    """Return the (B, C) mean of the members' logits, without gradient.

    Raises:
        ShapeError: there is no member.
    """
    if not members:
        raise ShapeError("an ensemble has at least one member")
    with torch.no_grad():
        return torch.stack([member(inputs) for member in members]).mean(dim=0)


def logit_difference_inhibition(
    logits: Tensor, reference: Tensor, power: float = 2.0, margin: float = 0.0, top: int = 0
) -> Tensor:
    """Return the mean of max(|student - ensemble|^power - margin, 0) over the chosen logits.

    Args:
        logits: (B, C) of the student, with gradient.
        reference: (B, C) of the ensemble.
        power: p of the paper, >= 1.
        margin: differences up to margin^(1 / power) cost nothing, >= 0.
        top: only this many classes count, those with the ensemble's highest logits; 0 is all.

    Returns:
        Scalar, >= 0.

    Raises:
        ShapeError: the logits differ in shape, or ``top`` exceeds C.

    Example:
        >>> student, ensemble = torch.tensor([[3.0, 0.0]]), torch.tensor([[1.0, 0.0]])
        >>> logit_difference_inhibition(student, ensemble, margin=1.0, top=1).item()
        3.0
    """
    if logits.shape != reference.shape:
        raise ShapeError(f"logits of {tuple(logits.shape)} and {tuple(reference.shape)}")
    if not 0 <= top <= logits.shape[1]:
        raise ShapeError(f"{top} of {logits.shape[1]} classes cannot be chosen")
    chosen = reference.topk(top or logits.shape[1], dim=1).indices
    apart = (logits - reference).gather(1, chosen).abs() ** power
    return (apart - margin).clamp(min=0).mean()


def elodi_loss(
    logits: Tensor, reference: Tensor, labels: Tensor, *, mix: float, margin: float = 0.0
) -> Tensor:
    """Return (1 - mix) * cross-entropy + mix * logit difference inhibition over all classes.

    Args:
        logits: (B, C) of the student, with gradient.
        reference: (B, C) of its ensemble.
        labels: (B,) integer classes.
        mix: share of the distillation term, in [0, 1].
        margin: see ``logit_difference_inhibition``.

    Returns:
        Scalar, >= 0.
    """
    if not 0 <= mix <= 1:
        raise ShapeError(f"a share lies in [0, 1], not {mix}")
    inhibition = logit_difference_inhibition(logits, reference, margin=margin)
    return (1 - mix) * F.cross_entropy(logits, labels) + mix * inhibition
