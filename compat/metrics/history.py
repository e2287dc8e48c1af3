"""What the line of versions once got right and the new version gets wrong: slow erosion."""

from collections.abc import Sequence

import numpy as np

from compat.errors import ShapeError
from compat.measurement import Direction
from compat.metrics.bootstrap import Contributions


def cumulative_flips(
    earlier: Sequence[np.ndarray], new: np.ndarray, name: str, reason: str = "no sample"
) -> Contributions:
    """Return the share of samples that some earlier version got right and the new one gets wrong.

    A chain of upgrades that each break a little can break a lot; every pair of neighbours passes
    and this does not. At least the negative flip rate against each of the earlier versions.

    Args:
        earlier: (n,) arrays, one a version; 1 or true where it is right, NaN where the sample is
            not asked about.
        new: (n,) the same of the new version; all NaN where it cannot be asked.
        name: ``cumulative_nfr`` or ``cumulative_retrieval_nfr``.
        reason: why the measure is undefined when no sample is defined.

    Returns:
        (n,) contributions, 1 at such a flip; mean in [0, 1].

    Raises:
        ShapeError: there is no earlier version, or lengths differ.

    Example:
        >>> first, second = np.array([True, False, True]), np.array([False, True, True])
        >>> cumulative_flips([first, second], np.array([False, False, True]), "cumulative_nfr").mean
        0.6666666666666666
    """
    if not earlier or any(right.shape != new.shape for right in earlier):
        raise ShapeError(f"{name}: {[right.shape for right in earlier]} before {new.shape}")
    once = np.max(np.stack(earlier).astype(np.float64), axis=0)
    flips = once * (1.0 - new.astype(np.float64))
    return Contributions(name, flips, Direction.LOWER_IS_BETTER, reason=reason, is_share=True)
