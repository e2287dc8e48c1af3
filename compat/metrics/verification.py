"""Verification at a deployed threshold: consumers hard-code cut-offs; upgrades must keep them."""

import numpy as np

from compat.errors import ShapeError, UndefinedMeasureError
from compat.measurement import Direction, Measurement, proportion


def acceptance_rates(
    scores: np.ndarray, is_same: np.ndarray, threshold: float, slice: str = ""
) -> tuple[Measurement, Measurement]:
    """Return the true and the false acceptance rate at one threshold.

    Measure both versions at the *same* threshold. TAR is also called true positive rate, FAR false
    match rate.

    Args:
        scores: (P,) similarity of each pair, higher is nearer; finite.
        is_same: (P,) bool, whether the pair shows one identity.
        threshold: a pair is accepted when its score is at least this.
        slice: recorded on both measurements.

    Returns:
        ``tar`` and ``far``, each with its count; undefined without a pair of its kind.

    Raises:
        ShapeError: another rank, length or dtype than stated, or a score is not finite.

    Example:
        >>> rates = acceptance_rates(np.array([0.9, 0.4, 0.7]), np.array([True, True, False]), 0.7)
        >>> [(m.name, m.value) for m in rates]
        [('tar', 0.5), ('far', 1.0)]
    """
    _require_pairs(scores, is_same)
    accepted = scores >= threshold
    tar = int((accepted & is_same).sum()), int(is_same.sum())
    far = int((accepted & ~is_same).sum()), int((~is_same).sum())
    return (
        proportion("tar", *tar, Direction.HIGHER_IS_BETTER, slice),
        proportion("far", *far, Direction.LOWER_IS_BETTER, slice),
    )


def threshold_at_far(scores: np.ndarray, is_same: np.ndarray, far: float) -> float:
    """Return the least threshold whose false acceptance rate is at most ``far``.

    Args:
        scores: (P,) similarity of each pair, higher is nearer; finite.
        is_same: (P,) bool, whether the pair shows one identity.
        far: wanted rate in [0, 1].

    Returns:
        A threshold for ``acceptance_rates``; the least score when every pair may be accepted, and
        the next number above the greatest score when none may.

    Raises:
        ShapeError: another rank, length or dtype than stated, or a score is not finite.
        UndefinedMeasureError: no pair shows different identities.

    Example:
        >>> threshold_at_far(np.array([0.9, 0.4, 0.7]), np.array([False, False, True]), 0.5)
        0.7
    """
    _require_pairs(scores, is_same)
    if is_same.all():
        raise UndefinedMeasureError("no pair shows different identities")
    different = np.sort(scores[~is_same])
    candidates = np.unique(np.append(scores, np.nextafter(scores.max(), np.inf)))
    accepted = len(different) - np.searchsorted(different, candidates, side="left")
    return float(candidates[accepted <= far * len(different)][0])


def _require_pairs(scores: np.ndarray, is_same: np.ndarray) -> None:
    if scores.ndim != 1 or scores.shape != is_same.shape or is_same.dtype != bool:
        raise ShapeError(f"pairs are {scores.shape} scores and {is_same.shape} {is_same.dtype}")
    if not np.isfinite(scores).all():
        raise ShapeError("a score is not finite")
