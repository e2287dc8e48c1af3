"""Job: decide whether an uploaded graph can be run as its manifest says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from workers.artifacts.onnx_checks import read_model
from workers.onnx_session import Session
from workers.outputs import require_shape
from workers.signature import Signature

DRY_ROWS = 2
"""Rows of the dry run: one would not show a graph that folds its batch."""


def main(job: dict[str, Any], folder: Path, report: Callable[[int, int], None]) -> dict[str, Any]:
    """Check the file, load it, and run it once on zeros."""
    model, facts = read_model(folder / job["artifact"], job["manifest"])
    report(1, 2)
    _dry_run(model, Signature.of(job["manifest"]))
    report(2, 2)
    return facts


def _dry_run(model: bytes, signature: Signature) -> None:
    """Run zeros and look at the shape only: a graph may well divide by the length of zero."""
    session = Session(model, signature)
    rows = session.fixed_rows or DRY_ROWS
    zeros = np.zeros((rows, *signature.input_shape), dtype=signature.input_dtype)
    require_shape(session.run(zeros).shape, signature, rows=rows)
