"""The top score of a classifier's answer, which consumers of it read beside the answer."""

from dataclasses import dataclass

import numpy as np

from compat.errors import ShapeError
from compat.measurement import Direction
from compat.metrics.bootstrap import Contributions

NO_SCORES = "no_scores"
NO_PROBABILITIES = "no_probabilities"

ROUNDING = 1e-5
"""Chosen: how far a float32 probability may lie outside [0, 1] and still be one."""


@dataclass(frozen=True)
class TopScores:
    """The probability that one version gives its own answers.

    Attributes:
        values: (n,) float64; NaN where there is none.
        missing: why there is none; empty where there is.
    """

    values: np.ndarray
    missing: str = ""


def top_scores(outputs: np.ndarray, kind: str) -> TopScores:
    """Return the greatest probability of each row.

    Args:
        outputs: (n, C) scores, finite; C is 0 where only class names were recorded.
        kind: ``logits``, which are put through softmax, or ``probabilities``, taken as they are.

    Returns:
        The scores in [0, 1]; missing where there are none, or where what is called a probability
        lies outside of that.

    Raises:
        ShapeError: ``outputs`` is no table, or ``kind`` is not known.

    Example:
        >>> top_scores(np.array([[0.0, 0.0], [800.0, 0.0]]), "logits").values.tolist()
        [0.5, 1.0]
    """
    if outputs.ndim != 2 or kind not in ("logits", "probabilities"):
        raise ShapeError(f"{kind} are {outputs.shape}")
    nothing = np.full(len(outputs), np.nan)
    if not outputs.shape[1]:
        return TopScores(nothing, NO_SCORES)
    scores = outputs.astype(np.float64)
    if kind == "logits":
        return TopScores(1.0 / np.exp(scores - scores.max(axis=1, keepdims=True)).sum(axis=1))
    if scores.size and not -ROUNDING <= scores.min() <= scores.max() <= 1 + ROUNDING:
        return TopScores(nothing, NO_PROBABILITIES)
    return TopScores(scores.max(axis=1))


def top_score_shift(old: TopScores, new: TopScores) -> Contributions:
    """Return how far the top score moves, up or down: the mean of |new - old|.

    Scores can shift while every answer stays: a consumer's cut-off then cuts elsewhere.

    Args:
        old: (n,) top scores of the old version.
        new: (n,) top scores of the new version, in the same order.

    Returns:
        (n,) contributions in [0, 1]; None when a version has no scores.

    Raises:
        ShapeError: lengths differ.

    Example:
        >>> top_score_shift(TopScores(np.array([0.5, 1.0])), TopScores(np.array([0.75, 0.75]))).mean
        0.25
    """
    _require_pair(old, new)
    shift = np.abs(new.values - old.values)
    reason = old.missing or new.missing or "no sample"
    return Contributions("top_score_shift", shift, Direction.LOWER_IS_BETTER, reason=reason)


def acceptance(old: TopScores, new: TopScores, cut_off: float) -> list[Contributions]:
    """Return the share of answers that a consumer takes, who takes them from ``cut_off`` on.

    Args:
        old: (n,) top scores of the old version.
        new: (n,) top scores of the new version, in the same order.
        cut_off: an answer is taken when its top score is at least this.

    Returns:
        ``acceptance.old``, ``acceptance.new`` and their paired difference
        ``acceptance.new_minus_old``; None where a version has no scores. Neither direction is an
        improvement: more answers that are taken are more right and more wrong ones.

    Raises:
        ShapeError: lengths differ.

    Example:
        >>> old, new = TopScores(np.array([0.5, 0.9])), TopScores(np.array([0.8, 0.9]))
        >>> [c.mean for c in acceptance(old, new, 0.75)]
        [0.5, 1.0, 0.5]
    """
    _require_pair(old, new)
    before, after = (
        Contributions(
            f"acceptance.{version}",
            np.where(np.isnan(top.values), np.nan, top.values >= cut_off),
            Direction.NEITHER,
            reason=top.missing or "no sample",
            is_share=True,
        )
        for version, top in (("old", old), ("new", new))
    )
    return [before, after, after.minus(before, "acceptance.new_minus_old")]


def _require_pair(old: TopScores, new: TopScores) -> None:
    if old.values.ndim != 1 or old.values.shape != new.values.shape:
        raise ShapeError(f"top scores are {old.values.shape} and {new.values.shape}")
