"""Seeded jitter of images: the same picture, a little turned, shifted and stretched."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from compat.errors import ShapeError


def jitter(
    images: Tensor,
    generator: torch.Generator,
    degrees: float = 12.0,
    shift: float = 2.0,
    stretch: float = 0.1,
) -> Tensor:
    """Return each image under its own random affine map, resampled bilinearly.

    Distilling on jittered images asks the new model to agree with the old one around the
    training images and not only on them (Beyer et al., CVPR 2022, "function matching").

    Args:
        images: (B, channels, side, side) float; outside the frame counts as 0.
        generator: the only source of randomness.
        degrees: largest turn, either way.
        shift: largest move in pixels, along each axis.
        stretch: largest change of each axis' scale, as a share.

    Returns:
        (B, channels, side, side) of the same dtype; the input itself when all three are 0, up to
        rounding.

    Raises:
        ShapeError: the images are not square, or not a batch with channels.
    """
    if images.ndim != 4 or images.shape[2] != images.shape[3]:
        raise ShapeError(f"images are (B, channels, side, side), not {tuple(images.shape)}")

    def within(limit: float, *shape: int) -> Tensor:
        return (2 * torch.rand(len(images), *shape, generator=generator) - 1) * limit

    angle = within(math.radians(degrees))
    scale = 1 + within(stretch, 2)
    move = within(2 * shift / images.shape[3], 2)  # the frame is 2 wide in affine_grid's units
    cos, sin = angle.cos(), angle.sin()
    across = torch.stack([cos * scale[:, 0], -sin, move[:, 0]], dim=1)
    down = torch.stack([sin, cos * scale[:, 1], move[:, 1]], dim=1)
    grid = F.affine_grid(torch.stack([across, down], dim=1), list(images.shape), False)
    return F.grid_sample(images, grid, align_corners=False)
