"""How unlikely a slice would be if nothing were wrong with it: p-values for alerts."""

import math
from statistics import NormalDist

from compat.intervals import binomial_tails
from compat.measurement import Measurement
from compat.policy import Bound


def p_value(found: Measurement, bound: Bound, threshold: float) -> float | None:
    """Return the chance of a value at least as bad if the true one lay on the threshold.

    Exact for a share with its count; by the normal approximation of a mean otherwise.

    Args:
        found: what was measured on a slice.
        bound: which side of the threshold is the good one.
        threshold: what the rule asks for.

    Returns:
        A number in [0, 1], or None where the measurement does not say how much it varies.

    Example:
        >>> from compat.measurement import Direction, proportion
        >>> flips = proportion("nfr", 1, 1, Direction.LOWER_IS_BETTER)
        >>> p_value(flips, Bound.AT_MOST, 0.25)
        0.25
    """
    if found.value is None or not found.is_finite:
        return None
    bad_is_high = bound is Bound.AT_MOST
    if found.count is not None:
        at_most, at_least = binomial_tails(found.count, found.support, threshold)
        return at_least if bad_is_high else at_most
    if not found.spread or not found.clusters:
        return None
    z = (found.value - threshold) / (found.spread / math.sqrt(found.clusters))
    return NormalDist().cdf(-z if bad_is_high else z)
