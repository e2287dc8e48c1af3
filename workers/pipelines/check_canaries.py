"""Job: embed the canaries of one segment again, and compare with the vectors that are stored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compat.drift import DriftOutcome
from compat.metrics.drift import assess_drift, drifts, explained
from workers.artifacts.onnx_checks import read_model
from workers.artifacts.upload import finite, open_table, read_ids, read_inputs, require_column
from workers.errors import PermanentError
from workers.indexing.chunks import read_chunk
from workers.indexing.protocol import Distance
from workers.outputs import require_shape
from workers.runners.onnx_runner import OnnxRunner
from workers.signature import Signature

VECTOR = "vector"

Inputs = Sequence[NDArray[np.generic]]
"""Samples of several uploads one after the other, which need not be of one shape."""


def main(job: dict[str, Any], folder: Path, report: Callable[[int, int], None]) -> dict[str, Any]:
    """Return whether the stored vectors are of the claimed version, and else of which other.

    Canaries are rows of one uploaded ``table``, or items: ``ids``, ``sources`` with the rows of
    uploads that hold their inputs, and ``places`` (chunk, row) of their vectors in ``chunks``.
    """
    signature = Signature.of(job["manifest"])
    if "table" in job:
        ids, inputs, stored = read_canaries(folder / job["table"], signature)
    else:
        ids, inputs, stored = job["ids"], _inputs(folder, job["sources"]), _stored(folder, job)
    by_direction = job["manifest"]["output"]["distance"] == Distance.COSINE

    def drifts_from(version: Mapping[str, Any]) -> NDArray[np.float64]:
        made = _embedded(folder, version, job["device"], inputs)
        return drifts(stored, made, by_direction=by_direction)

    found = drifts_from(job)
    report(1, 1 + len(job["others"]))
    drift = assess_drift(found, job["tolerance"])
    others = []
    if drift.outcome is DriftOutcome.DIFFERS:
        others = _tried(job, found, drifts_from, report, drift.over)
    return asdict(drift) | {
        "worst_id": "" if drift.worst_row is None else ids[drift.worst_row],
        "tolerance": job["tolerance"],
        "others": others,
        "of": [one["version"] for one in others if one["matching"] == drift.over],
    }


def read_canaries(
    path: Path, signature: Signature
) -> tuple[list[str], Inputs, NDArray[np.float32]]:
    """Return ids, inputs and vectors of canaries that were handed in.

    Raises:
        PermanentError: ``missing_column``, ``unsupported_dtype``, ``output_shape``,
            ``not_finite``, and what reading a table raises.
    """
    table = open_table(path)
    ids, inputs = read_ids(table), read_inputs(table)
    if inputs is None:
        raise PermanentError("missing_column", "canaries are given in a column 'input' or 'image'")
    require_column(table, VECTOR)
    vectors = finite(table.numbers(VECTOR), VECTOR)
    if vectors.dtype != np.float32:
        raise PermanentError("unsupported_dtype", f"{VECTOR!r} must hold float32 numbers")
    require_shape(vectors.shape, signature, rows=table.rows)
    return ids, [inputs], vectors


def _tried(
    job: Mapping[str, Any],
    found: NDArray[np.float64],
    drifts_from: Callable[[Mapping[str, Any]], NDArray[np.float64]],
    report: Callable[[int, int], None],
    over: int,
) -> list[dict[str, Any]]:
    """Return, by other version, how many of the canaries that differ are its vectors."""
    tried: list[NDArray[np.float64] | None] = []
    notes = []
    for number, other in enumerate(job["others"], start=2):
        note = ""
        if other["manifest"]["output"]["dimension"] != job["manifest"]["output"]["dimension"]:
            tried.append(None)
            note = "its vectors have another length"
        else:
            try:
                tried.append(drifts_from(other))
            except PermanentError as exc:
                tried.append(None)
                note = str(exc)
        notes.append(note)
        report(number, 1 + len(job["others"]))
    counts = explained(found, tried, job["tolerance"])
    return [
        {"version": other["version"], "matching": count, "of": over, "note": note}
        for other, count, note in zip(job["others"], counts, notes, strict=True)
    ]


def _embedded(
    folder: Path, version: Mapping[str, Any], device: str, inputs: Inputs
) -> NDArray[np.float32]:
    model, _ = read_model(folder / version["artifact"], version["manifest"])
    runner = OnnxRunner(model, version["manifest"], device=device)
    return np.concatenate([runner.run(one) for one in inputs])


def _inputs(folder: Path, sources: Sequence[Mapping[str, Any]]) -> Inputs:
    inputs = []
    for source in sources:
        held = read_inputs(open_table(folder / source["upload"]))
        if held is None:
            raise PermanentError("missing_column", "items are given in a column 'input' or 'image'")
        inputs.append(held[np.array(source["rows"], dtype=np.int64)])
    return inputs


def _stored(folder: Path, job: Mapping[str, Any]) -> NDArray[np.float32]:
    dimension = job["manifest"]["output"]["dimension"]
    chunks = [read_chunk(folder / path, dimension) for path in job["chunks"]]
    return np.stack([chunks[chunk][row] for chunk, row in job["places"]])
