"""What a new version costs beside the old one: time on the same samples, and bytes."""

import math

import numpy as np

from compat.errors import ShapeError
from compat.measurement import LEVELS, Direction, Measurement, Tail, undefined
from compat.metrics.classes import certain

NAMES = ("latency_ratio", "size_ratio")


def latency_ratio(ratios: np.ndarray) -> Measurement:
    """Return the median over rounds of the new version's time over the old one's.

    Its bounds are order statistics, which hold whatever the distribution of the times: of R rounds
    at most k - 1 lie below the median with the probability that R fair coins show at most k - 1
    heads. A level that R rounds cannot reach has no bound.

    Args:
        ratios: (R,) positive and finite, one a round; rounds are independent.

    Returns:
        ``latency_ratio``, lower is better, supported by R rounds; undefined without a round.

    Raises:
        ShapeError: another rank, or a ratio is not a positive number.

    Example:
        >>> found = latency_ratio(np.array([1.0, 1.25, 1.5, 2.0, 4.0]))
        >>> found.value, found.interval(0.95)
        (1.5, (1.0, 4.0))

    Source: Thompson, Annals of Mathematical Statistics 7, 1936.
    """
    if ratios.ndim != 1 or not np.isfinite(ratios).all() or (ratios <= 0).any():
        raise ShapeError(f"ratios are {ratios.shape}, each positive and finite")
    if not len(ratios):
        return undefined("latency_ratio", Direction.LOWER_IS_BETTER, "no_round")
    ordered = np.sort(ratios)
    lower, upper = {}, {}
    for level in LEVELS:
        place = _place(len(ratios), level)
        if place:
            lower[repr(level)] = float(ordered[place - 1])
            upper[repr(level)] = float(ordered[-place])
    return Measurement(
        "latency_ratio",
        float(np.median(ratios)),
        len(ratios),
        Direction.LOWER_IS_BETTER,
        bounds={Tail.LOWER.value: lower, Tail.UPPER.value: upper} if lower else {},
        clusters=len(ratios),
    )


def size_ratio(old_bytes: int, new_bytes: int) -> Measurement:
    """Return the size of the new artifact over that of the old one.

    Args:
        old_bytes: size of the old artifact, at least 1.
        new_bytes: size of the new artifact.

    Returns:
        ``size_ratio``, lower is better; exact.

    Raises:
        ShapeError: a size is not positive.

    Example:
        >>> size_ratio(400, 100).value
        0.25
    """
    if old_bytes < 1 or new_bytes < 1:
        raise ShapeError(f"artifacts have {old_bytes} and {new_bytes} bytes")
    return certain("size_ratio", new_bytes / old_bytes, 1, Direction.LOWER_IS_BETTER)


def _place(rounds: int, level: float) -> int:
    """Return the greatest k with P(at most k - 1 heads of ``rounds``) <= 1 - level; 0 for none."""
    heads, place = 0, 0
    while place < rounds:
        heads += math.comb(rounds, place)
        if heads / 2**rounds > 1 - level:
            break
        place += 1
    return place
