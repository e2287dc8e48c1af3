"""Backward-compatible training of embeddings (Shen et al., CVPR 2020, arXiv 2003.11942)."""

import torch.nn.functional as F
from torch import Tensor

from compat.errors import ShapeError
from compat.training.heads import CosineHead


def influence_loss(embeddings: Tensor, labels: Tensor, old_head: CosineHead) -> Tensor:
    """Return the cross-entropy of new embeddings under the old model's frozen head.

    It pulls each class to where the old space keeps it. A new embedding may be longer than the
    old: its first dimensions, as many as the old head reads, are the compatible ones.

    Args:
        embeddings: (B, D) new embeddings, D >= the old dimension.
        labels: (B,) integer classes, each a row of ``old_head``.
        old_head: the frozen head, synthesised rows included.

    Returns:
        Scalar, >= 0.

    Raises:
        ShapeError: the new embedding is shorter than the old, or the head still learns.
    """
    old_dimension = old_head.weight.shape[1]
    if embeddings.shape[1] < old_dimension:
        raise ShapeError(f"{embeddings.shape[1]} dimensions cannot stand in for {old_dimension}")
    if old_head.weight.requires_grad:
        raise ShapeError("the old head must be frozen: it is the target, not a pupil")
    return F.cross_entropy(old_head(embeddings[:, :old_dimension]), labels)


def alignment_loss(embeddings: Tensor, old_embeddings: Tensor) -> Tensor:
    """Return the mean squared distance between new and old *unit* embeddings of the same images.

    An addition to the paper's loss: the influence loss fixes class directions, this one fixes
    where in its class an image lies, which is what top-1 retrieval depends on.

    Args:
        embeddings: (B, D) new embeddings.
        old_embeddings: (B, D_old) of the old model, D_old <= D.

    Returns:
        Scalar in [0, 4].
    """
    head = embeddings[:, : old_embeddings.shape[1]]
    return (F.normalize(head) - F.normalize(old_embeddings)).square().sum(dim=1).mean()


def bct_loss(
    embeddings: Tensor,
    labels: Tensor,
    new_head: CosineHead,
    old_head: CosineHead,
    old_embeddings: Tensor,
    influence: float = 1.0,
    alignment: float = 0.0,
) -> Tensor:
    """Return L(new, new head) + influence * L(new, old head) + alignment * unit L2 to the old.

    With ``influence`` = ``alignment`` = 0 it is the loss of an independent model.

    Args:
        embeddings: (B, D) new embeddings, with gradient.
        labels: (B,) integer classes.
        new_head: learned with the network.
        old_head: frozen, see ``heads.frozen_head``.
        old_embeddings: (B, D_old) old embeddings of the same images.
        influence: lambda of the paper, >= 0.
        alignment: weight of ``alignment_loss``, >= 0.

    Returns:
        Scalar, >= 0.
    """
    loss = F.cross_entropy(new_head(embeddings), labels)
    if influence:
        loss = loss + influence * influence_loss(embeddings, labels, old_head)
    if alignment:
        loss = loss + alignment * alignment_loss(embeddings, old_embeddings)
    return loss
