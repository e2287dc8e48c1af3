"""Whether stored vectors are still what their encoder makes of the same inputs.

One number per canary: half the squared distance between the stored vector and the one that was made
now, of two vectors of length one where only directions count, and relative to the longer of the two
otherwise. For directions it is one minus their cosine; for vectors of one length both agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compat.drift import DriftOutcome
from compat.errors import ShapeError


@dataclass(frozen=True)
class Drift:
    """What the canaries of one segment say together.

    Attributes:
        items: canaries, those without a defined drift included.
        undefined: of them, those without one: both vectors are zero.
        over: those above the tolerance.
        worst: the greatest drift; None where none is defined.
        worst_row: the canary that it is of.
    """

    outcome: DriftOutcome
    items: int
    undefined: int
    over: int
    worst: float | None
    worst_row: int | None


def drifts(
    stored: NDArray[np.floating], made: NDArray[np.floating], *, by_direction: bool
) -> NDArray[np.float64]:
    """Return, per canary, how far the stored vector lies from the one that was made now.

    Args:
        stored: (N, D) finite vectors as an index holds them, N >= 1.
        made: (N, D) finite vectors of the same inputs, row by row.
        by_direction: whether lengths do not matter, as under cosine distance.

    Returns:
        (N,) float64 in [0, 2]; NaN where a direction is missing, or both vectors are zero.

    Raises:
        ShapeError: another rank or shape than stated, or a number that is not finite.

    Example:
        >>> drifts(np.array([[3.0, 4.0]]), np.array([[6.0, 8.0]]), by_direction=True).tolist()
        [0.0]
        >>> drifts(np.array([[3.0, 4.0]]), np.array([[6.0, 8.0]]), by_direction=False).tolist()
        [0.125]
    """
    if stored.ndim != 2 or stored.shape != made.shape or not stored.size:
        raise ShapeError(f"stored vectors are {stored.shape}, made ones {made.shape}")
    one, other = stored.astype(np.float64), made.astype(np.float64)
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise ShapeError("a vector is not finite")
    lengths = np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1)
    scales = lengths if by_direction else (np.maximum(*lengths),) * 2
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = one / scales[0][:, None] - other / scales[1][:, None]
    return np.square(apart).sum(axis=1) / 2


def assess_drift(found: NDArray[np.float64], tolerance: float) -> Drift:
    """Return what the canaries say: one above the tolerance is enough to differ.

    An index in which some vectors are another encoder's holds canaries of both kinds, so no share
    of them is let pass. Where none is defined there is no evidence: that is an error, not a match.

    Args:
        found: (N,) drifts, NaN where undefined, N >= 1.
        tolerance: the greatest drift that counts as the same vector.

    Returns:
        What they say; ``worst`` is in [0, 2], None where no drift is defined.

    Raises:
        ShapeError: no canary at all.

    Example:
        >>> assess_drift(np.array([1e-9, 0.3]), 1e-4).over
        1
        >>> assess_drift(np.array([np.nan]), 1e-4).outcome
        <DriftOutcome.ERRORED: 'errored'>
    """
    if found.ndim != 1 or not found.size:
        raise ShapeError(f"drifts are {found.shape}")
    defined = np.flatnonzero(~np.isnan(found))
    undefined = len(found) - len(defined)
    if not len(defined):
        return Drift(DriftOutcome.ERRORED, len(found), undefined, 0, None, None)
    worst = int(defined[np.argmax(found[defined])])
    over = int((found[defined] > tolerance).sum())
    outcome = DriftOutcome.DIFFERS if over else DriftOutcome.MATCHES
    return Drift(outcome, len(found), undefined, over, float(found[worst]), worst)


def explained(
    found: NDArray[np.float64], others: Sequence[NDArray[np.float64] | None], tolerance: float
) -> list[int | None]:
    """Return, per other version, how many of the canaries that differ are its vectors.

    Args:
        found: (N,) drifts from the version that is claimed.
        others: for each other version, (N,) drifts from it; None where it could not be tried.
        tolerance: the same as for the claim.

    Returns:
        As many numbers as ``others``, from 0 to the canaries that differ; None where not tried.

    Raises:
        ShapeError: another number of canaries.

    Example:
        >>> explained(np.array([0.3, 0.0]), [np.array([0.0, 0.3]), None], 1e-4)
        [1, None]
    """
    differing = found > tolerance
    counts: list[int | None] = []
    for drift in others:
        if drift is not None and drift.shape != found.shape:
            raise ShapeError(f"drifts are {found.shape} and {drift.shape}")
        counts.append(None if drift is None else int((drift[differing] <= tolerance).sum()))
    return counts
