"""Job: embed a batch of uploaded items with one encoder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workers.artifacts.onnx_checks import read_model
from workers.artifacts.upload import open_table, read_ids, read_inputs
from workers.errors import PermanentError
from workers.runners.onnx_runner import OnnxRunner

VECTORS_FILE = "vectors.f32"
IDS_FILE = "ids.json"


def main(job: dict[str, Any], folder: Path, report: Callable[[int, int], None]) -> dict[str, Any]:
    """Write ``vectors.f32`` and ``ids.json``, row by row alike, and return their size."""
    if job["manifest"]["task"] != "embedding":
        raise PermanentError("not_an_encoder", "only a version that makes embeddings can embed")
    table = open_table(folder / job["batch"])
    ids, inputs = read_ids(table), read_inputs(table)
    if inputs is None:
        raise PermanentError("missing_column", "items are given in a column 'input' or 'image'")
    model, _ = read_model(folder / job["artifact"], job["manifest"])
    runner = OnnxRunner(model, job["manifest"], device=job["device"])
    vectors = runner.run(inputs, report=report)
    vectors.tofile(folder / VECTORS_FILE)
    (folder / IDS_FILE).write_text(json.dumps(ids, ensure_ascii=False), encoding="utf-8")
    return {"rows": len(ids), "dimension": vectors.shape[1], "provider": runner.provider}
