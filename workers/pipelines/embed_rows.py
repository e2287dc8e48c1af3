"""Job: embed chosen rows of several uploads with one encoder."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from workers.artifacts.onnx_checks import read_model
from workers.artifacts.upload import open_table, read_inputs
from workers.errors import PermanentError
from workers.pipelines.embed_batch import VECTORS_FILE
from workers.runners.onnx_runner import OnnxRunner


def main(job: dict[str, Any], folder: Path, report: Callable[[int, int], None]) -> dict[str, Any]:
    """Write ``vectors.f32``, row by row what ``sources`` name one after the other.

    Each source is an upload and the rows that are wanted of it, in their order.
    """
    model, _ = read_model(folder / job["artifact"], job["manifest"])
    runner = OnnxRunner(model, job["manifest"], device=job["device"])
    total, done = sum(len(source["rows"]) for source in job["sources"]), 0
    started = time.monotonic()
    parts = []
    for source in job["sources"]:
        parts.append(runner.run(_inputs(folder / source["upload"], source["rows"])))
        done += len(source["rows"])
        report(done, total)
    vectors = np.concatenate(parts)
    vectors.tofile(folder / VECTORS_FILE)
    return {
        "rows": total,
        "dimension": vectors.shape[1],
        "provider": runner.provider,
        "duration_s": round(time.monotonic() - started, 3),
    }


def _inputs(upload: Path, rows: list[int]) -> np.ndarray:
    inputs = read_inputs(open_table(upload))
    if inputs is None:
        raise PermanentError("missing_column", "items are given in a column 'input' or 'image'")
    return inputs[np.array(rows, dtype=np.int64)]
