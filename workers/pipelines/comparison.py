"""What is asked of two versions and what comparing them yields, whatever their task."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from compat.calibration import Calibration
from compat.measurement import Measurement
from compat.metrics.null import NullResult
from compat.metrics.planted import Rung
from compat.metrics.severity import weights_of
from workers.artifacts.stored import CanonicalSet, Outputs

Report = Callable[[int, int], None]
"""Takes how many steps are done, of how many."""


@dataclass(frozen=True)
class Question:
    """What is compared, on what, and what a policy asks for beyond what always is measured.

    Attributes:
        judged: the evaluation set.
        versions: outputs by ``old``, ``new`` and, where there is one, ``producer``.
        ancestors: outputs of versions that were promoted before.
        said: what the manifests of ``old`` and ``new`` say of their outputs.
        asks: what the policy asks for; see ``docs/formats.md``.
        rewritten: by cell, outputs that its queries meet in place of the gallery version's.
    """

    judged: CanonicalSet
    versions: Mapping[str, Outputs]
    ancestors: Sequence[Outputs]
    said: Mapping[str, Mapping[str, Any]]
    asks: Mapping[str, Any]
    rewritten: Mapping[str, Outputs] = field(default_factory=dict)

    @property
    def weights(self) -> np.ndarray | None:
        """(n,) how much a flip of each sample weighs; None where nobody says."""
        own = self.judged.severities
        if own is None and "severity" not in self.asks:
            return None
        names = self.judged.classes[self.judged.labels]
        return weights_of(names, self.asks.get("severity", {}), own)


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
        planted: regressions planted into the old version, the null pair first.
        samples: further (q,) arrays for ``samples.npz``.
        chance: the level of a ranking that knows nothing, for an embedding.
        calibration: by cell, how items of different classes score; for an embedding.
    """

    measurements: Sequence[Measurement]
    null_test: NullResult
    rows: np.ndarray
    old_right: np.ndarray
    new_right: np.ndarray | None
    old_answers: np.ndarray
    new_answers: np.ndarray | None
    planted: Sequence[Rung]
    samples: Mapping[str, np.ndarray] = field(default_factory=dict)
    chance: float | None = None
    calibration: Mapping[str, Calibration] = field(default_factory=dict)
