"""Run an ONNX graph over samples, in batches that fit."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.onnx_session import OutOfMemoryError, Session
from workers.outputs import finished
from workers.runners.preprocessing import prepared
from workers.runners.protocol import Report, no_report
from workers.signature import Signature

BATCH_BYTES = 64 * 2**20
"""Memory that one batch is planned to use (chosen: small beside the limit of a child)."""

ACTIVATIONS = 16
"""Bytes alive inside a graph for each byte that enters or leaves it (chosen; ResNets at 224
pixels need about 20). A wrong guess costs a retry with half the rows, not the run."""

MAX_ROWS = 256
"""Rows of a batch, at most: beyond it a single thread gains nothing."""


class OnnxRunner:
    """The ``Runner`` of ONNX graphs."""

    def __init__(
        self, model: bytes, manifest: Mapping[str, Any], *, device: str = "cpu", threads: int = 1
    ) -> None:
        """Load ``model``, which has passed the static checks.

        Raises:
            PermanentError: ``no_cuda``, ``out_of_memory``, ``not_a_model``.
        """
        self.signature = Signature.of(manifest)
        self._session = Session(model, self.signature, device=device, threads=threads)

    @property
    def provider(self) -> str:
        return self._session.provider

    def run(
        self, inputs: NDArray[np.generic], *, rows: int | None = None, report: Report = no_report
    ) -> NDArray[np.float32]:
        outputs = np.empty((len(inputs), self.signature.width), dtype=np.float32)
        rows = self._session.fixed_rows or rows or planned_rows(self.signature)
        start = 0
        while start < len(inputs):
            batch = inputs[start : start + rows]
            try:
                raw = self._run_batch(prepared(batch, self.signature))
            except OutOfMemoryError:
                if len(batch) == 1 or self._session.fixed_rows:
                    raise
                rows = len(batch) // 2
                continue
            outputs[start : start + len(batch)] = finished(
                raw, self.signature, rows=len(batch), first_row=start
            )
            start += len(batch)
            report(start, len(inputs))
        return outputs

    def _run_batch(self, batch: NDArray[np.generic]) -> NDArray[np.generic]:
        """Run one batch; a graph with a fixed number of rows gets zeros for those missing."""
        missing = (self._session.fixed_rows or 0) - len(batch)
        if missing <= 0:
            return self._session.run(batch)
        padding = np.zeros((missing, *batch.shape[1:]), dtype=batch.dtype)
        raw = self._session.run(np.concatenate([batch, padding]))
        return raw[: len(batch)] if raw.shape[:1] == (len(batch) + missing,) else raw


def planned_rows(signature: Signature) -> int:
    """Return how many samples to run at once: ``BATCH_BYTES`` over what one sample may need."""
    number_bytes = np.dtype(signature.input_dtype).itemsize
    sample_bytes = math.prod(signature.input_shape) * number_bytes + signature.width * 4
    return max(1, min(MAX_ROWS, BATCH_BYTES // (ACTIVATIONS * sample_bytes)))
