"""Regressions planted into the old version's own answers: would the policy have noticed?

Each rung of a ladder is a new version that is the old one but for a known share of what it is
asked. What one rung breaks every worse one breaks too.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from compat.errors import ShapeError
from compat.measurement import Measurement
from compat.metrics.bootstrap import Contributions
from compat.metrics.flips import measure_each

SHARES = (0.0, 0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0)
"""Chosen: the null pair first, then closest where budgets lie."""

SEED = 20113
"""Chosen once: the same outputs have the same samples broken."""


@dataclass(frozen=True)
class Rung:
    """What is measured of a version that breaks ``share`` of the samples or queries."""

    share: float
    measurements: Sequence[Measurement]


def broken_count(share: float, n: int) -> int:
    """Return how many of ``n`` samples a rung breaks: the share, rounded up.

    Args:
        share: in [0, 1].
        n: number of samples.

    Returns:
        A whole number from 0 to n.

    Example:
        >>> broken_count(0.07, 100), broken_count(0.001, 30)
        (7, 1)
    """
    return math.ceil(round(share * n, 9))  # 0.07 * 100 is a little more than 7


def with_wrong_answers(right: np.ndarray, share: float, seed: int = SEED) -> np.ndarray:
    """Return whether a version is right that breaks a share of all samples.

    Args:
        right: (n,) bool, whether the old version is right.
        share: of all n samples, in [0, 1]; drawn from those that are right, all of them if there
            are fewer.
        seed: of the random order.

    Returns:
        (n,) bool.

    Raises:
        ShapeError: not a boolean array of one dimension.

    Example:
        >>> int(with_wrong_answers(np.ones(10, dtype=bool), 0.3).sum())
        7
    """
    if right.dtype != bool or right.ndim != 1:
        raise ShapeError(f"answers are {right.shape} {right.dtype}")
    order = np.random.default_rng(seed).permutation(np.flatnonzero(right))
    broken = right.copy()
    broken[order[: broken_count(share, len(right))]] = False
    return broken


def flip_ladder(
    old_right: np.ndarray,
    labels: np.ndarray,
    clusters: np.ndarray | None = None,
    also: Callable[[np.ndarray], Sequence[Contributions]] = lambda new_right: (),
    shares: Sequence[float] = SHARES,
) -> list[Rung]:
    """Return what ``flips.measure`` says of versions that break more and more answers.

    Args:
        old_right: (n,) bool, whether the old version is right.
        labels: (n,) integer class of each sample.
        clusters: (n,) integers, equal for samples that are not independent.
        also: returns further contributions of a version, given whether it is right.
        shares: of the samples that break, one a rung.

    Returns:
        One rung a share, in that order, each on the whole set.

    Raises:
        ShapeError: lengths or dtypes are not as stated.

    Example:
        >>> right, labels = np.ones(10, dtype=bool), np.arange(10)
        >>> [rung.measurements[0].value for rung in flip_ladder(right, labels, shares=(0, 0.5))]
        [0.0, 0.5]
    """
    versions = [with_wrong_answers(old_right, share) for share in shares]
    found = measure_each(
        old_right, versions, labels, clusters, also=[also(version) for version in versions]
    )
    return [Rung(share, rung) for share, rung in zip(shares, found, strict=True)]
