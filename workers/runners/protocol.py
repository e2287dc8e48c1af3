"""What a runner is: something that turns samples into checked outputs."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Report = Callable[[int, int], None]


def no_report(done: int, total: int) -> None:
    """Tell nobody."""


class Runner(Protocol):
    """Runs one version.

    Three keep this promise: the ONNX runner inside a child, the resident child as the search
    process sees it, and recorded outputs.
    """

    @property
    def provider(self) -> str:
        """What computes, as ONNX Runtime calls it; ``recorded`` where nothing does."""

    def run(
        self, inputs: NDArray[np.generic], *, rows: int | None = None, report: Report = no_report
    ) -> NDArray[np.float32]:
        """Return the outputs of ``inputs``, one row each, in their order.

        Args:
            inputs: (n, ...) uint8 or float32 samples as an evaluation set holds them; n >= 0.
            rows: how many samples to run at once, at most; chosen by the runner if not given.
            report: called with the samples done and the samples in all.

        Returns:
            (n, D) float32, finite, after the manifest's normalisation.

        Raises:
            PermanentError: the samples do not fit the manifest, or the outputs do not.
        """
