"""Distances between embeddings that do not depend on the order of anything.

Each row is first put on a fixed-point grid so fine that every inner product fits the 53 bits of a
float64 exactly (``on_grid``). Therefore shuffled rows, another block size, library or device give
the same bits, and duplicates tie exactly.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
from torch import Tensor

from compat.errors import ShapeError

NO_ID = -1
"""Stands for the id of a row that is on one side only."""


class Distance(StrEnum):
    """How two embeddings are compared; nearer is better in each."""

    COSINE = "cosine"
    INNER_PRODUCT = "inner_product"
    EUCLIDEAN = "euclidean"


@dataclass(frozen=True)
class Rows:
    """Embeddings on a fixed-point grid, with what the measures need to know of each row.

    Attributes:
        grid: (n, D) float32 whole numbers; the embedding is ``grid * scale``.
        scale: (n,) float64 powers of two.
        squares: (n,) float64, the exact squared norm of each row of ``grid``.
        labels: (n,) int64 classes.
        ids: (n,) int64; rows of one id never meet, but for ``NO_ID``.
    """

    grid: Tensor
    scale: Tensor
    squares: Tensor
    labels: Tensor
    ids: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, rows: slice) -> "Rows":
        """Return some rows."""
        parts = (self.grid, self.scale, self.squares, self.labels, self.ids)
        return Rows(*(part[rows] for part in parts))

    def split(self, rows: int) -> Iterator["Rows"]:
        """Yield consecutive blocks of at most ``rows`` rows."""
        for start in range(0, len(self), rows):
            yield self.at(slice(start, start + rows))


def on_grid(
    embeddings: Tensor, labels: Tensor, ids: Tensor | None = None, device: str = "cpu"
) -> Rows:
    """Put embeddings on the finest grid on which inner products of D numbers are exact.

    A row whose greatest magnitude lies below 2 ** e is rounded to multiples of 2 ** (e - b), with b
    = (53 - ceil(log2 D)) // 2 and at most 24: 23 bits for D = 128, 21 for D = 2,048, against the 24
    bits of a float32.

    Args:
        embeddings: (n, D) float32 or float64, finite, 1 <= D <= 2 ** 20.
        labels: (n,) integer class of each row.
        ids: (n,) integers >= 0; None if no row of this side is on the other side.
        device: where the arithmetic happens.

    Returns:
        The rows on ``device``.

    Raises:
        ShapeError: another rank, length or dtype than stated, or a number that is not finite.

    Example:
        >>> rows = on_grid(torch.tensor([[0.5, -3.0]]), torch.tensor([7]))
        >>> (rows.grid.double() * rows.scale[:, None]).tolist()
        [[0.5, -3.0]]
    """
    _require_rows(embeddings, labels, ids)
    values = embeddings.cpu().numpy()
    bits = min(24, (53 - math.ceil(math.log2(values.shape[1]))) // 2)
    _, exponents = np.frexp(np.abs(values).max(axis=1, initial=0.0))
    shift = bits - exponents.astype(np.int32)
    grid = np.rint(np.ldexp(values.astype(np.float64), shift[:, None])).astype(np.float32)
    squares = np.einsum("nd,nd->n", grid, grid, dtype=np.float64)
    scale = np.ldexp(1.0, -shift)
    kept = torch.full(labels.shape, NO_ID) if ids is None else ids
    return Rows(
        torch.from_numpy(grid).to(device),
        torch.from_numpy(scale).to(device),
        torch.from_numpy(squares).to(device),
        labels.to(device, torch.int64),
        kept.to(device, torch.int64),
    )


def distances(queries: Rows, gallery: Rows, distance: Distance) -> Tensor:
    """Return how far each gallery row is from each query: smaller is nearer.

    Cosine and inner product are negated; Euclidean is squared. The cosine of a row of zeros with
    anything is 0.

    Args:
        queries: Q rows of dimension D.
        gallery: N rows of dimension D.
        distance: which one.

    Returns:
        (Q, N) float64; the same bits for the same two rows, wherever they stand.

    Raises:
        ShapeError: the dimensions differ.

    Example:
        >>> one = on_grid(torch.tensor([[3.0, 4.0]]), torch.tensor([0]))
        >>> [distances(one, one, d).item() for d in Distance]
        [-1.0, -25.0, 0.0]
    """
    if queries.grid.shape[1] != gallery.grid.shape[1]:
        raise ShapeError(f"dimensions {queries.grid.shape[1]} and {gallery.grid.shape[1]} differ")
    table = queries.grid.double() @ gallery.grid.double().T
    if distance is Distance.COSINE:
        table /= _norms(gallery)
        table /= _norms(queries)[:, None]
        return table.neg_()
    table *= gallery.scale
    table *= queries.scale[:, None]
    if distance is Distance.INNER_PRODUCT:
        return table.neg_()
    lengths = (queries.squares * queries.scale**2)[:, None] + gallery.squares * gallery.scale**2
    return lengths.sub_(table.mul_(2))


def _norms(rows: Rows) -> Tensor:
    return torch.where(rows.squares == 0, 1.0, rows.squares.sqrt())


def _require_rows(embeddings: Tensor, labels: Tensor, ids: Tensor | None) -> None:
    if embeddings.ndim != 2 or not embeddings.is_floating_point() or not embeddings.shape[1]:
        raise ShapeError(f"embeddings are {tuple(embeddings.shape)} {embeddings.dtype}")
    if embeddings.shape[1] > 2**20:
        raise ShapeError(f"dimension {embeddings.shape[1]} is above {2**20}")
    if not torch.isfinite(embeddings).all():
        raise ShapeError("an embedding is not finite")
    for name, column in (("labels", labels), ("ids", ids)):
        if column is None:
            continue
        if column.shape != embeddings.shape[:1] or column.is_floating_point():
            raise ShapeError(f"{name} are {tuple(column.shape)} {column.dtype}")
    if ids is not None and (ids < 0).any():
        raise ShapeError("ids are not negative")
