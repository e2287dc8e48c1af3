"""The one form of every adapter: a linear map, a bias, and perhaps one hidden layer beside it."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from compat.errors import ShapeError

WHOLE_ROWS = 8_192
"""Rows that are mapped at once (chosen: a hidden layer of 256 then takes 8 MiB)."""


@dataclass(frozen=True)
class Hidden:
    """One hidden layer with GELU, in its tanh form: it needs no operator that graphs lack.

    Attributes:
        inward: (D, H) float32.
        inward_bias: (H,) float32.
        outward: (H, E) float32.
    """

    inward: Tensor
    inward_bias: Tensor
    outward: Tensor

    def __call__(self, vectors: Tensor) -> Tensor:
        """Return (B, E) for (B, D)."""
        inner = F.gelu(vectors @ self.inward + self.inward_bias, approximate="tanh")
        return inner @ self.outward


@dataclass(frozen=True)
class VectorMap:
    """A map from one embedding space into another: x -> x linear + bias + hidden(x).

    Everything that ``compat.adapters`` fits has this form, so that one function applies it and one
    writes it as a graph. Nothing is scaled to length one here: that is said by a manifest.

    Attributes:
        linear: (D, E) float32, from dimension D to dimension E.
        bias: (E,) float32.
        hidden: the part that is not linear, or ``None``.
    """

    linear: Tensor
    bias: Tensor
    hidden: Hidden | None = None

    def __call__(self, vectors: Tensor) -> Tensor:
        """Return the mapped vectors.

        Args:
            vectors: (n, D) float32.

        Returns:
            (n, E) float32.

        Raises:
            ShapeError: another rank, width or dtype than stated.
        """
        if vectors.ndim != 2 or vectors.shape[1] != len(self.linear):
            raise ShapeError(f"vectors are {tuple(vectors.shape)}, not (n, {len(self.linear)})")
        if vectors.dtype != torch.float32:
            raise ShapeError(f"vectors are {vectors.dtype}, not float32")
        return torch.cat([self._mapped(rows) for rows in vectors.split(WHOLE_ROWS)])

    def _mapped(self, rows: Tensor) -> Tensor:
        mapped = rows @ self.linear + self.bias
        return mapped if self.hidden is None else mapped + self.hidden(rows)

    @property
    def parameters(self) -> int:
        """How many numbers it holds."""
        parts = [self.linear, self.bias]
        if self.hidden is not None:
            parts += [self.hidden.inward, self.hidden.inward_bias, self.hidden.outward]
        return sum(part.numel() for part in parts)


def require_pairs(sources: Tensor, targets: Tensor) -> None:
    """Refuse what are no paired vectors of the same items.

    Args:
        sources: (n, D) float32, finite.
        targets: (n, E) float32, finite; row i is of the same item as row i of ``sources``.

    Raises:
        ShapeError: another rank, length or dtype than stated, no row, or a number that is not
            finite.
    """
    for name, side in (("sources", sources), ("targets", targets)):
        if side.ndim != 2 or not side.numel() or side.dtype != torch.float32:
            raise ShapeError(f"{name} are {tuple(side.shape)} {side.dtype}, not (n, D) float32")
        if not torch.isfinite(side).all():
            raise ShapeError(f"{name} hold a number that is not finite")
    if len(sources) != len(targets):
        raise ShapeError(f"{len(sources)} sources are not paired with {len(targets)} targets")
