"""Job: run a version once over an evaluation set, and a few rows twice."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.artifacts.onnx_checks import read_model
from workers.artifacts.stored import CanonicalSet, Outputs
from workers.errors import PermanentError
from workers.outputs import predicted
from workers.runners.onnx_runner import OnnxRunner
from workers.runners.protocol import Runner
from workers.signature import Signature

OUTPUTS_FILE = "outputs.npz"

REPEATED = 64
"""Rows that are run twice (chosen): enough to meet a graph that minds order or batch."""

REPEAT_BATCH = 7
"""Rows at once the second time: not a size that the first run chooses for many rows."""


def main(job: dict[str, Any], folder: Path, report: Callable[[int, int], None]) -> dict[str, Any]:
    """Write ``outputs.npz`` and return its size and how it was made."""
    started = time.monotonic()
    model, _ = read_model(folder / job["artifact"], job["manifest"])
    runner = OnnxRunner(model, job["manifest"], device=job["device"])
    judged = CanonicalSet.read(folder / job["set"])
    outputs = run_set(runner, Signature.of(job["manifest"]), judged, report)
    outputs.write(folder / OUTPUTS_FILE)
    return {
        "rows": len(outputs.ids),
        "dimension": outputs.outputs.shape[1],
        "provider": runner.provider,
        "duration_s": round(time.monotonic() - started, 3),
    }


def run_set(
    runner: Runner,
    signature: Signature,
    judged: CanonicalSet,
    report: Callable[[int, int], None],
) -> Outputs:
    """Return the outputs of every sample, and of some of them a second time.

    Raises:
        PermanentError: ``set_without_inputs``, and what the runner raises.
    """
    if judged.inputs is None:
        raise PermanentError(
            "set_without_inputs",
            "the set has neither 'input' nor 'image': only recorded outputs can be judged on it",
        )
    outputs = runner.run(judged.inputs, report=report)
    rows = repeated_rows(len(judged.ids))
    again = runner.run(judged.inputs[rows[::-1]], rows=REPEAT_BATCH)[::-1]
    return Outputs(
        ids=judged.ids,
        outputs=outputs,
        predicted=predicted(outputs, signature.classes, judged.classes.tolist())
        if signature.classes
        else None,
        repeat_rows=rows,
        repeat_outputs=np.ascontiguousarray(again),
    )


def repeated_rows(rows: int) -> NDArray[np.int64]:
    """Return up to ``REPEATED`` rows, spread evenly from the first to the last, ascending."""
    return np.unique(np.linspace(0, rows - 1, min(rows, REPEATED)).round().astype(np.int64))
