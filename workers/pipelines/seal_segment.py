"""Job: build the index file of a sealed segment from its chunks."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workers.indexing.build import blocks_of, chosen
from workers.indexing.choice import Kind, kind_for
from workers.indexing.chunks import read_chunk
from workers.indexing.conditions import comparable
from workers.indexing.faiss_flat import FaissFlat
from workers.indexing.protocol import Distance
from workers.indexing.publish import write_index


def main(job: dict[str, Any], folder: Path, report: Callable[[int, int], None]) -> dict[str, Any]:
    """Write ``index.faiss`` with the rows of all chunks, in their order; return what it is.

    Its kind follows from its size, or is the one that the job names.
    """
    distance, dimension = Distance(job["distance"]), job["dimension"]
    chunks = [folder / path for path in job["chunks"]]
    rows = sum(path.stat().st_size for path in chunks if path.exists()) // (4 * dimension)
    kind = Kind(job.get("kind") or kind_for(rows, dimension))
    total = len(chunks) + blocks_of(kind, rows)
    exact = FaissFlat(dimension, distance)
    for done, path in enumerate(chunks, start=1):
        exact.add(comparable(read_chunk(path, dimension), distance))
        report(done, total)
    built = chosen(exact, lambda block: report(len(chunks) + block, total), kind=kind)
    return asdict(write_index(built.index, folder)) | {
        "kind": built.index.kind.value,
        "recall_at_10": built.recall_at_10,
        "note": built.note,
    }
