"""How much a flip weighs: by its class, and by the sample itself."""

from collections.abc import Mapping

import numpy as np

from compat.errors import ShapeError
from compat.measurement import Direction
from compat.metrics.bootstrap import Contributions

NO_WEIGHT = "no_weight"


def weights_of(
    names: np.ndarray, by_class: Mapping[str, float], own: np.ndarray | None = None
) -> np.ndarray:
    """Return the weight of each sample: that of its class times its own.

    Args:
        names: (n,) unicode, the true class of each sample.
        by_class: weights >= 0 of some classes; the others weigh 1.
        own: (n,) weights >= 0 of the samples themselves; None if each is 1.

    Returns:
        (n,) float64.

    Raises:
        ShapeError: lengths differ, or a weight is negative or not finite.

    Example:
        >>> weights_of(np.array(["stop", "yield"]), {"stop": 5.0}, np.array([1.0, 3.0])).tolist()
        [5.0, 3.0]
    """
    kinds, member_of = np.unique(names, return_inverse=True)
    weights = np.array([float(by_class.get(str(kind), 1.0)) for kind in kinds])[member_of]
    if own is not None:
        if own.shape != names.shape:
            raise ShapeError(f"own weights are {own.shape}, samples {names.shape}")
        weights = weights * own
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ShapeError("a weight is negative or not finite")
    return weights


def severity_nfr(flips: Contributions, weights: np.ndarray, name: str) -> Contributions:
    """Return the share of the weight that lies on negative flips: sum(w * flip) / sum(w).

    Its bounds take what was not seen for as heavy as the heaviest sample of the whole set, also
    on a slice that holds no such sample.

    Args:
        flips: (n,) 1 at a negative flip, 0 elsewhere, NaN where not asked.
        weights: (n,) float64 >= 0 over the whole set.
        name: ``severity_nfr`` or ``severity_retrieval_nfr``.

    Returns:
        (n,) weighted contributions; mean in [0, 1], None when the weights add up to zero.

    Raises:
        ShapeError: lengths differ, or a weight is negative or not finite.

    Example:
        >>> flips = Contributions("nfr", np.array([1.0, 0.0]))
        >>> severity_nfr(flips, np.array([3.0, 1.0]), "severity_nfr").mean
        0.75
    """
    undefined = bool(np.isnan(flips.values).all())
    return Contributions(
        name,
        flips.values,
        Direction.LOWER_IS_BETTER,
        reason=flips.reason if undefined else NO_WEIGHT,
        weights=weights,
        heaviest=float(weights.max(initial=0.0)),
    )
