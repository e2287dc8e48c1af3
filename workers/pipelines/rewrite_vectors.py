"""Job: make the vectors of a chunk into those of another space."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from workers.artifacts.onnx_checks import read_model
from workers.artifacts.vector_graphs import vector_manifest
from workers.indexing.chunks import read_chunk
from workers.pipelines.embed_batch import VECTORS_FILE
from workers.runners.onnx_runner import OnnxRunner


def main(job: dict[str, Any], folder: Path, report: Callable[[int, int], None]) -> dict[str, Any]:
    """Write ``vectors.f32``, row by row what the transform makes of the chunk.

    Raises:
        PermanentError: ``chunk_missing``, ``chunk_corrupt``, and what checking and running a graph
            raise.
    """
    manifest = vector_manifest(job["dimension"], job["output"])
    model, _ = read_model(folder / job["transform"], manifest)
    stored = read_chunk(folder / job["chunk"], job["dimension"])
    vectors = OnnxRunner(model, manifest, device=job["device"]).run(stored, report=report)
    vectors.tofile(folder / VECTORS_FILE)
    return {"rows": len(vectors), "dimension": vectors.shape[1]}
