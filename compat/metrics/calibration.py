"""What a score means: how items of different classes score, for one query version and one gallery.

Scores of different pairs of versions are on different scales. Subtracting the mean of the
non-matching scores and dividing by their spread makes them comparable, so that hits of several
segments can be put in one order.
"""

import numpy as np
import torch

from compat.calibration import Calibration
from compat.metrics.cells import Layout, sides
from compat.metrics.distances import Distance, Rows, distances
from compat.metrics.retrieval import BLOCK_BYTES, PAIR_BYTES

PAIRS = 2_000_000
"""Chosen: non-matching pairs looked at; the moments of a million differ in the fourth digit."""

FEWEST_PAIRS = 1000
"""Chosen: fewer say too little of a spread."""


def calibrate(
    queries: np.ndarray,
    gallery: np.ndarray,
    layout: Layout,
    distance: Distance,
    *,
    device: str = "cpu",
    pairs: int = PAIRS,
    block_bytes: int = BLOCK_BYTES,
) -> Calibration | None:
    """Return how queries of one version score with gallery rows of other classes.

    The score is the cosine, the inner product, or the negated Euclidean distance. Where there are
    more than ``pairs`` pairs, queries are taken at equal steps.

    Args:
        queries: (n, D) embeddings of the version that asks.
        gallery: (n, D') embeddings of the version that is asked.
        layout: labels and roles.
        distance: how embeddings are compared.
        device: where the arithmetic happens.
        pairs: about how many to look at.
        block_bytes: memory for the tables over the pairs of one block.

    Returns:
        The moments; None where the dimensions differ, fewer than ``FEWEST_PAIRS`` pairs of
        different classes meet, or all score alike.

    Raises:
        ShapeError: an argument has another rank, length or dtype than stated, or is not finite.

    Example:
        >>> x, both = np.arange(40.0)[:, None], np.ones(40, dtype=bool)
        >>> found = calibrate(x, x, Layout(np.arange(40), both, both), Distance.EUCLIDEAN)
        >>> found.pairs, round(found.mean, 2)
        (1560, -13.67)

    Source: z-normalisation of speaker verification (Auckenthaler et al., Digital Signal Processing
    10, 2000), learned on labelled pairs that were held out.
    """
    if queries.shape[1] != gallery.shape[1]:
        return None
    asking, asked = sides(queries, layout, device)[0], sides(gallery, layout, device)[1]
    step = max(1, len(asking) * len(asked) // pairs)
    chosen = torch.arange(0, len(asking), step, device=asking.labels.device)
    parts = (asking.grid, asking.scale, asking.squares, asking.labels, asking.ids)
    some = Rows(*(part[chosen] for part in parts))
    count = total = squares = 0.0
    for block in some.split(max(1, block_bytes // PAIR_BYTES // max(1, len(asked)))):
        scores = _scores(distances(block, asked, distance), distance)
        scores = scores[block.labels[:, None] != asked.labels]
        count += scores.numel()
        total += float(scores.sum())
        squares += float((scores**2).sum())
    if count < FEWEST_PAIRS:
        return None
    mean = total / count
    variance = squares / count - mean**2
    return Calibration(mean, variance**0.5, int(count)) if variance > 1e-12 else None


def _scores(table: torch.Tensor, distance: Distance) -> torch.Tensor:
    if distance is Distance.EUCLIDEAN:
        return -table.clamp(min=0).sqrt()
    return -table
