"""A runner that answers with what was recorded: no graph, no child, the same promise."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.errors import PermanentError
from workers.outputs import finished
from workers.runners.protocol import Report, no_report
from workers.signature import Signature


class RecordedRunner:
    """Answers each sample with the output recorded for a sample of the same content."""

    provider = "recorded"

    def __init__(
        self,
        manifest: Mapping[str, Any],
        inputs: NDArray[np.generic],
        outputs: NDArray[np.generic],
    ) -> None:
        """Remember ``outputs`` (n, D) for ``inputs`` (n, ...), row by row."""
        self.signature = Signature.of(manifest)
        self._outputs = finished(outputs, self.signature, rows=len(inputs))
        self._rows = {_content(sample): row for row, sample in enumerate(inputs)}

    def run(
        self, inputs: NDArray[np.generic], *, rows: int | None = None, report: Report = no_report
    ) -> NDArray[np.float32]:
        """Raises PermanentError ``not_recorded`` for a sample that was not recorded."""
        found = [self._rows.get(_content(sample)) for sample in inputs]
        if None in found:
            raise PermanentError("not_recorded", f"row {found.index(None)} was not recorded")
        if found:
            report(len(found), len(found))
        return self._outputs[np.array(found, dtype=np.int64)]


def _content(sample: NDArray[np.generic]) -> bytes:
    return repr(sample.shape).encode() + np.ascontiguousarray(sample, dtype=np.float32).tobytes()
