"""A histogram of latencies with fixed buckets: quantiles are known up to the bound of a bucket."""

import math
from bisect import bisect_left
from collections.abc import Sequence

BOUNDS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
"""Upper bounds of all buckets but the last, which has none. Stored rows are counted by them: a
change needs a migration of these."""


def bucket_of(latency_ms: float) -> int:
    """Return the number of the bucket that holds a latency."""
    return bisect_left(BOUNDS_MS, latency_ms)


def counted(latencies_ms: Sequence[float]) -> list[int]:
    """Return how many of the latencies lie in each bucket."""
    counts = [0] * (len(BOUNDS_MS) + 1)
    for latency in latencies_ms:
        counts[bucket_of(latency)] += 1
    return counts


def added(held: Sequence[int], more: Sequence[int]) -> list[int]:
    """Return the sum of two histograms, of which the first may be empty."""
    return [a + b for a, b in zip(held or counted([]), more, strict=True)]


def quantile_at_most(counts: Sequence[int], share: float) -> float | None:
    """Return a bound that at least ``share`` of the latencies do not exceed, in milliseconds.

    The smallest bound of a bucket with that property; infinite where it is the last bucket, None
    where nothing was counted.
    """
    wanted, seen = share * sum(counts), 0
    if not wanted:
        return None
    for bound, count in zip((*BOUNDS_MS, math.inf), counts, strict=True):
        seen += count
        if seen >= wanted:
            return float(bound)
    return None
