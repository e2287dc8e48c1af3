"""A low-rank affine map between two spaces, in closed form."""

import torch
from torch import Tensor

from compat.adapters.vector_map import VectorMap, require_pairs
from compat.errors import ShapeError

RANK = 64
"""Highest rank of the map, as in arXiv 2509.23471."""

RIDGE = 1e-3
"""Penalty, as a share of the mean variance of a source dimension (chosen): it decides only where
there are few pairs for the dimensions."""


def fit_low_rank_affine(
    sources: Tensor, targets: Tensor, rank: int = RANK, ridge: float = RIDGE
) -> VectorMap:
    """Return the affine map of at most ``rank`` that minimises the penalised squared error.

    Minimises sum ||x A + b - y||^2 + penalty ||A||^2 over A of rank <= ``rank`` and all b. The
    minimum is the ridge solution B of the centred pairs, followed by the projection on the first
    ``rank`` right singular vectors of [X; sqrt(penalty) I] B. Unlike a rotation it may
    shrink directions in which the two encoders disagree; so it can also shrink what only the
    source encoder knows.

    Args:
        sources: (n, D) float32, finite.
        targets: (n, E) float32, finite; row i is of the same item as row i of ``sources``.
        rank: >= 1; from min(D, E) on it restricts nothing.
        ridge: >= 0, in units of the mean variance of a source dimension, times n.

    Returns:
        A map with ``linear`` A of at most that rank and ``bias`` b.

    Raises:
        ShapeError: another rank, length or dtype than stated, a rank below 1, a negative ridge, or
            a solution that is not determined (no ridge and fewer pairs than dimensions).

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [2.0]])
        >>> line = fit_low_rank_affine(x, 3 * x + 1, ridge=0.0)
        >>> round(line.linear.item(), 4), round(line.bias.item(), 4)
        (3.0, 1.0)

    Source: arXiv 2509.23471 fits the same form by gradient steps; the closed form is reduced-rank
    regression, Izenman, Journal of Multivariate Analysis 5, 1975.
    """
    require_pairs(sources, targets)
    if rank < 1 or ridge < 0:
        raise ShapeError(f"rank {rank} must be at least 1 and ridge {ridge} not negative")
    x, y = sources.double(), targets.double()
    x_mean, y_mean = x.mean(dim=0), y.mean(dim=0)
    x, y = x - x_mean, y - y_mean
    gram = x.T @ x
    penalised = gram + torch.diag(torch.full((len(gram),), ridge * gram.diagonal().mean().item()))
    factor, failed = torch.linalg.cholesky_ex(penalised)
    if failed:
        raise ShapeError(f"{len(x)} pairs do not determine a map of {len(gram)} dimensions")
    full = torch.cholesky_solve(x.T @ y, factor)
    _, _, right = torch.linalg.svd(factor.T @ full, full_matrices=False)
    kept = right[:rank]
    linear = full @ kept.T @ kept
    return VectorMap(linear.float(), (y_mean - x_mean @ linear).float())
