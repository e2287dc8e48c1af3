"""Corrections for having looked at several slices, in the standard library alone."""

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Return adjusted p-values that control the chance of any false alert.

    Args:
        p_values: one a slice, each in [0, 1].

    Returns:
        As many, in the same order, each in [0, 1]; an alert is due at or below the error level.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]

    Source: Holm, Scandinavian Journal of Statistics 6, 1979.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return adjusted p-values that control the expected share of false alerts.

    Args:
        p_values: one a slice, each in [0, 1].

    Returns:
        As many, in the same order, each in [0, 1].

    Example:
        >>> [round(p, 3) for p in benjamini_hochberg([0.01, 0.04, 0.03])]
        [0.03, 0.04, 0.04]

    Source: Benjamini and Hochberg, Journal of the Royal Statistical Society B 57, 1995.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__, reverse=True)
    adjusted, lowest = [0.0] * len(p_values), 1.0
    for above, i in enumerate(order):
        lowest = min(lowest, p_values[i] * len(order) / (len(order) - above))
        adjusted[i] = lowest
    return adjusted
