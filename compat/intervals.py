"""Exact and approximate intervals for a proportion, in the standard library alone.

The judgement needs these bounds in the web process, which loads neither numpy nor scipy.
"""

import math
from statistics import NormalDist

from compat.errors import ShapeError


def clopper_pearson(count: int, n: int, confidence: float) -> tuple[float, float]:
    """Return the exact lower and upper bound of a proportion, each one-sided.

    Each bound alone holds with probability ``confidence``; together they form a two-sided
    interval of level ``2 * confidence - 1``. The upper bound is the ``confidence`` quantile of
    Beta(count + 1, n - count) (Clopper and Pearson, Biometrika 26, 1934).

    Args:
        count: successes, 0 <= count <= n.
        n: trials, n >= 1.
        confidence: one-sided level in (0.5, 1).

    Returns:
        ``(lower, upper)`` in [0, 1]; exactly 0 at ``count == 0`` and 1 at ``count == n``.

    Raises:
        ShapeError: the counts or the level are out of range.

    Example:
        >>> round(clopper_pearson(0, 299, 0.95)[1], 4)
        0.01
    """
    _require_counts(count, n)
    _require_confidence(confidence)
    alpha = 1 - confidence
    lower = 0.0 if count == 0 else _root(lambda p: 1 - _binomial_cdf(count - 1, n, p), alpha)
    upper = 1.0 if count == n else _root(lambda p: -_binomial_cdf(count, n, p), -alpha)
    return lower, upper


def wilson(count: int, n: int, confidence: float) -> tuple[float, float]:
    """Return Wilson's score bounds of a proportion, each one-sided, for display.

    Args:
        count: successes, 0 <= count <= n.
        n: trials, n >= 1.
        confidence: one-sided level in (0.5, 1).

    Returns:
        ``(lower, upper)`` in [0, 1] (Wilson, JASA 22, 1927).

    Raises:
        ShapeError: the counts or the level are out of range.

    Example:
        >>> [round(b, 3) for b in wilson(5, 10, 0.975)]
        [0.237, 0.763]
    """
    _require_counts(count, n)
    _require_confidence(confidence)
    z = NormalDist().inv_cdf(confidence)
    share = count / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def bernstein(mean: float, variance: float, n: int, confidence: float) -> tuple[float, float]:
    """Return bounds of the mean of independent values in [0, 1], each one-sided.

    The empirical Bernstein bound (Maurer and Pontil, COLT 2009, theorem 4). It assumes nothing
    about how the values are distributed, and does not shrink to a point where all of them are
    equal; the price is that it is wider than a normal interval.

    Args:
        mean: of the values, in [0, 1].
        variance: of the values, with n - 1 in the denominator; below 0 counts as 0, which is
            what rounding makes of equal values.
        n: number of values, n >= 2.
        confidence: one-sided level in (0.5, 1).

    Returns:
        ``(lower, upper)`` in [0, 1].

    Raises:
        ShapeError: fewer than two values, or the mean or the level is out of range.

    Example:
        >>> [round(b, 3) for b in bernstein(0.9, 0.01, 1000, 0.975)]
        [0.88, 0.92]
    """
    _require_confidence(confidence)
    if n < 2 or not 0 <= mean <= 1:
        raise ShapeError(f"a mean in [0, 1] of at least two values, not {mean} of {n}")
    weight = math.log(2 / (1 - confidence))
    half = math.sqrt(2 * max(0.0, variance) * weight / n) + 7 * weight / (3 * (n - 1))
    return max(0.0, mean - half), min(1.0, mean + half)


def proportion_settles_at(
    share: float, threshold: float, confidence: float, limit: int = 10_000_000
) -> int | None:
    """Return the least n at which ``share``, seen again, no longer straddles ``threshold``.

    The count at n is the expected one, rounded against the conclusion that would be drawn.

    Args:
        share: observed proportion in [0, 1].
        threshold: bound it is compared with, in [0, 1].
        confidence: one-sided level in (0.5, 1).
        limit: give up above this many samples.

    Returns:
        The sample size, or ``None`` when ``share`` equals the threshold or ``limit`` is passed.
    """
    _require_confidence(confidence)
    if share == threshold:
        return None

    def settled(n: int) -> bool:
        if share < threshold:
            return clopper_pearson(min(n, math.ceil(share * n)), n, confidence)[1] <= threshold
        return clopper_pearson(math.floor(share * n), n, confidence)[0] > threshold

    high = 1
    while not settled(high):
        high *= 2
        if high > limit:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if settled(middle) else (middle, high)
    return high


def mean_settles_at(
    estimate: float, threshold: float, spread: float, confidence: float, limit: int = 10_000_000
) -> int | None:
    """Return the n at which a normal bound of a mean no longer straddles ``threshold``.

    Args:
        estimate: observed mean.
        threshold: bound it is compared with.
        spread: standard deviation of one independent contribution (a query or an identity).
        confidence: one-sided level in (0.5, 1).
        limit: give up above this many samples.

    Returns:
        The number of independent contributions, or ``None`` when no number settles it.
    """
    _require_confidence(confidence)
    distance = abs(estimate - threshold)
    if distance == 0:
        return None
    ratio = NormalDist().inv_cdf(confidence) * spread / distance
    return None if ratio > math.sqrt(limit) else math.ceil(ratio**2)


def binomial_tails(count: int, n: int, share: float) -> tuple[float, float]:
    """Return the chance of at most, and of at least, ``count`` successes at a true share.

    Args:
        count: successes, 0 <= count <= n.
        n: trials, n >= 1.
        share: true proportion; outside [0, 1] it is taken as the nearer end.

    Returns:
        ``(at_most, at_least)``, each in [0, 1].

    Raises:
        ShapeError: the counts are out of range.

    Example:
        >>> binomial_tails(0, 1, 0.25)
        (0.75, 1.0)
    """
    _require_counts(count, n)
    return _binomial_cdf(count, n, share), 1 - _binomial_cdf(count - 1, n, share)


def _require_counts(count: int, n: int) -> None:
    if n < 1 or not 0 <= count <= n:
        raise ShapeError(f"a proportion needs 0 <= count <= n and n >= 1, not {count} of {n}")


def _require_confidence(confidence: float) -> None:
    if not 0.5 < confidence < 1:
        raise ShapeError(f"a one-sided confidence lies in (0.5, 1), not {confidence}")


def _binomial_cdf(k: int, n: int, p: float) -> float:
    """P(X <= k) for X ~ Binomial(n, p), summed outwards from the largest term."""
    if k < 0:
        return 0.0
    if p <= 0 or k >= n:
        return 1.0
    if p >= 1:
        return 0.0
    if k > n * p:
        return 1 - _tail_sum(n - k - 1, n, 1 - p, p)
    return _tail_sum(k, n, p, 1 - p)


def _tail_sum(k: int, n: int, p: float, q: float) -> float:
    """Sum of the binomial terms 0..k, where k lies at or below the mean and p + q = 1."""
    if k < 0:
        return 0.0
    log_term = (
        math.lgamma(n + 1)
        - math.lgamma(k + 1)
        - math.lgamma(n - k + 1)
        + k * math.log(p)
        + (n - k) * (math.log1p(-p) if p < 0.5 else math.log(q))
    )
    ratio = q / p
    term = total = 1.0
    for i in range(k, 0, -1):
        term *= i / (n - i + 1) * ratio
        total += term
        if term < total * 1e-17:
            break
    return min(1.0, math.exp(log_term) * total)


def _root(rising, target: float) -> float:
    """Bisect for the p in [0, 1] at which the increasing function ``rising`` reaches target."""
    low, high = 0.0, 1.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < target else (low, middle)
    return (low + high) / 2
