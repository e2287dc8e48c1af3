"""Classification heads on embeddings, and rows for classes that an old head never saw."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compat.errors import ShapeError, UndefinedMeasureError


class CosineHead(nn.Module):
    """Scaled cosine between an embedding and one learned direction a class.

    Compatibility training wants this head and not a plain linear one: retrieval compares
    directions, so a head that also reads lengths teaches the wrong space (Shen et al., CVPR 2020,
    report the normalised head as the stronger variant).

    Attributes:
        weight: (C, D) directions; their lengths do not matter.
        scale: factor on the cosine, which is in [-1, 1] and too flat for a softmax by itself.
    """

    def __init__(self, weight: Tensor, scale: float = 12.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.clone())
        self.scale = scale

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return (B, C) logits in [-scale, scale] of (B, D) embeddings."""
        return self.scale * F.normalize(embeddings) @ F.normalize(self.weight).T


def fresh_head(classes: int, dimension: int, seed: int, scale: float = 12.0) -> CosineHead:
    """Return a head with random directions; the same seed gives the same head."""
    generator = torch.Generator().manual_seed(seed)
    return CosineHead(torch.randn(classes, dimension, generator=generator), scale)


def synthesised_rows(embeddings: Tensor, labels: Tensor, classes: list[int]) -> Tensor:
    """Return one direction a class: the mean of the old model's unit embeddings of its images.

    Stands in for the rows that an old head has not got when the new training data bring new
    classes ("synthesised classifier weights", Shen et al., CVPR 2020, section 3.4).

    Args:
        embeddings: (B, D) old-model embeddings of the new training images.
        labels: (B,) integer classes.
        classes: the classes wanted, in order.

    Returns:
        (len(classes), D) rows in the dtype of ``embeddings``.

    Raises:
        ShapeError: the arguments do not have one label a row.
        UndefinedMeasureError: a wanted class has no image.

    Example:
        >>> rows = torch.tensor([[2.0, 0.0], [0.0, 3.0], [0.0, 1.0]])
        >>> synthesised_rows(rows, torch.tensor([4, 5, 5]), [5]).tolist()
        [[0.0, 1.0]]
    """
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1]:
        raise ShapeError("embeddings are (B, D) with (B,) labels")
    missing = set(classes) - set(labels.tolist())
    if missing:
        raise UndefinedMeasureError(f"no image of the classes {sorted(missing)}")
    unit = F.normalize(embeddings)
    return torch.stack([unit[labels == c].mean(dim=0) for c in classes])


def frozen_head(head: CosineHead, unseen_rows: Tensor | None = None) -> CosineHead:
    """Return a copy of ``head`` that learns nothing, with rows for unseen classes appended."""
    weight = head.weight.detach()
    if unseen_rows is not None:
        weight = torch.cat([F.normalize(weight), unseen_rows.detach()])
    return CosineHead(weight, head.scale).requires_grad_(False)
