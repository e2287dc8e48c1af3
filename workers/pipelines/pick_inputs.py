"""Job: take a few samples out of a canonical set or an upload, with their pictures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from workers.artifacts.upload import open_table, read_inputs
from workers.errors import PermanentError
from workers.pipelines.aligned import read_set
from workers.pipelines.thumbnails import write_thumbnails

INPUTS_FILE = "inputs.npy"


def main(job: dict[str, Any], folder: Path, report: Callable[[int, int], None]) -> dict[str, Any]:
    """Write ``inputs.npy`` and ``thumbnails/<row>.png``, and say which rows have a picture.

    Raises:
        PermanentError: ``set_without_inputs``, ``missing_column``, ``unknown_row``, and what
            reading the file raises.
    """
    inputs = _inputs(folder / job["source"], job["kind"])
    rows = np.array(job["rows"], dtype=np.int64)
    if len(rows) and not (rows.min() >= 0 and rows.max() < len(inputs)):
        raise PermanentError("unknown_row", f"there are {len(inputs)} rows")
    np.save(folder / INPUTS_FILE, inputs[rows], allow_pickle=False)
    return {"pictured": sorted(write_thumbnails(inputs, rows.tolist(), folder))}


def _inputs(path: Path, kind: str) -> np.ndarray:
    if kind == "set":
        inputs = read_set(path, inputs=True).inputs
        if inputs is None:
            raise PermanentError("set_without_inputs", "the set has no inputs")
        return inputs
    inputs = read_inputs(open_table(path))
    if inputs is None:
        raise PermanentError("missing_column", "items are given in a column 'input' or 'image'")
    return inputs
