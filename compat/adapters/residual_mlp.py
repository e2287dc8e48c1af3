"""A rotation with a small network beside it that learns what a rotation cannot say."""

import math

import torch
from torch import Tensor

from compat.adapters.procrustes import fit_procrustes
from compat.adapters.vector_map import Hidden, VectorMap, require_pairs
from compat.errors import ShapeError

HIDDEN = 256
"""Width of the hidden layer, as in arXiv 2509.23471."""

EPOCHS, BATCH, RATE, DECAY = 200, 256, 1e-3, 1e-2
"""Longest training, rows of a step, learning rate and weight decay of AdamW (chosen)."""

PATIENCE = 20
"""Epochs without a better watched error before it stops (chosen)."""

WATCHED = 0.15
"""Share of the pairs that only decide when to stop."""


def fit_residual_mlp(
    sources: Tensor, targets: Tensor, seed: int = 0, hidden: int = HIDDEN
) -> VectorMap:
    """Return Procrustes plus a hidden layer that is trained on what Procrustes leaves over.

    The hidden layer starts with outward weights of zero, that is as Procrustes itself, and learns
    by AdamW on the mean squared error. A random seventh of the pairs only watches: the weights of
    the epoch with the least watched error are kept, so that the result is never worse there than
    Procrustes is. The pairs that *choose* between methods are no part of this (``choose``).

    Args:
        sources: (n, D) float32, finite, n >= 2.
        targets: (n, E) float32, finite; row i is of the same item as row i of ``sources``.
        seed: of the first weights, the watching pairs and the order of rows; the same seed gives
            the same map on one machine.
        hidden: H, width of the hidden layer.

    Returns:
        A map with a hidden layer of H.

    Raises:
        ShapeError: another rank, length or dtype than stated, or fewer than two pairs.

    Example:
        >>> x = torch.eye(4).repeat(8, 1)
        >>> mapped = fit_residual_mlp(x, x, hidden=8)
        >>> bool((mapped(x) - x).abs().max() < 1e-3)
        True

    Source: arXiv 2509.23471 (residual MLP, 256, GELU).
    """
    require_pairs(sources, targets)
    if len(sources) < 2:
        raise ShapeError("two pairs are needed: one learns, one watches")
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(sources), generator=generator)
    watching = max(1, int(WATCHED * len(order)))
    watched, learned = order[:watching], order[watching:]
    start = fit_procrustes(sources[learned], targets[learned])
    left = targets - start(sources)
    net = _first_weights(sources.shape[1], hidden, targets.shape[1], generator)
    kept = _train(net, sources, left, learned, watched, generator)
    return VectorMap(start.linear, kept.pop(), Hidden(*kept))


def _first_weights(
    width: int, hidden: int, outputs: int, generator: torch.Generator
) -> list[Tensor]:
    """Return inward weights, inward bias, outward weights (zero) and outward bias (zero)."""
    inward = torch.randn(width, hidden, generator=generator) / math.sqrt(width)
    rest = [torch.zeros(hidden), torch.zeros(hidden, outputs), torch.zeros(outputs)]
    return [inward, *rest]


def _train(
    weights: list[Tensor],
    sources: Tensor,
    left: Tensor,
    learned: Tensor,
    watched: Tensor,
    generator: torch.Generator,
) -> list[Tensor]:
    """Return the weights of the epoch with the least watched error, the first among equals."""
    for part in weights:
        part.requires_grad_()
    optimiser = torch.optim.AdamW(weights, lr=RATE, weight_decay=DECAY)

    def error(rows: Tensor) -> Tensor:
        *hidden, bias = weights
        return (Hidden(*hidden)(sources[rows]) + bias - left[rows]).square().sum(dim=1).mean()

    def watched_error() -> float:
        with torch.no_grad():
            return error(watched).item()

    least, since = watched_error(), 0
    kept = [part.detach().clone() for part in weights]
    for _ in range(EPOCHS):
        for batch in learned[torch.randperm(len(learned), generator=generator)].split(BATCH):
            loss = error(batch)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        now = watched_error()
        since += 1
        if now < least:
            least, since = now, 0
            kept = [part.detach().clone() for part in weights]
        if since == PATIENCE:
            break
    return kept
