"""Job: build the index file of a sealed segment from its chunks."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workers.indexing.chunks import read_chunk
from workers.indexing.conditions import comparable
from workers.indexing.faiss_flat import FaissFlat
from workers.indexing.protocol import Distance
from workers.indexing.publish import write_index


def main(job: dict[str, Any], folder: Path, report: Callable[[int, int], None]) -> dict[str, Any]:
    """Write ``index.faiss`` with the rows of all chunks, in their order; return rows and digest."""
    distance = Distance(job["distance"])
    index = FaissFlat(job["dimension"], distance)
    for done, path in enumerate(job["chunks"], start=1):
        chunk = read_chunk(folder / path, job["dimension"])
        index.add(comparable(chunk, distance))
        report(done, len(job["chunks"]))
    return asdict(write_index(index, folder))
