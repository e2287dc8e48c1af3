"""What comparing two versions yields, whatever their task."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from compat.measurement import Measurement
from compat.metrics.null import NullResult

Report = Callable[[int, int], None]
"""Takes how many steps are done, of how many."""


@dataclass(frozen=True)
class Comparison:
    """What one task measured.

    Attributes:
        measurements: of the whole set and of every slice.
        null_test: whether each version equals itself.
        rows: (q,) int64 rows of the set that were asked: all, or the queries.
        old_right: (q,) bool.
        new_right: (q,) bool; None where the new version cannot be asked on the old gallery.
        old_answers: (q,) int64, an index into the classes or -1.
        new_answers: (q,) int64, an index into the classes or -1; None likewise.
        samples: further (q,) arrays for ``samples.npz``.
        chance: the level of a ranking that knows nothing, for an embedding.
    """

    measurements: Sequence[Measurement]
    null_test: NullResult
    rows: np.ndarray
    old_right: np.ndarray
    new_right: np.ndarray | None
    old_answers: np.ndarray
    new_answers: np.ndarray | None
    samples: Mapping[str, np.ndarray] = field(default_factory=dict)
    chance: float | None = None
