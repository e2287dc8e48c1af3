"""Vectors and indexes of the search benchmark: made once, whichever database asks for them."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

DIMENSION = 64
DISTANCE = "cosine"
BLOCK = 50_000
CENTRES = 1000
SPREAD = 0.6


@dataclass(frozen=True)
class IndexFile:
    """One index over some rows, as the seal of a segment builds it."""

    path: Path
    kind: str
    recall_at_10: float
    build_s: float


def vectors(first: int, rows: int) -> np.ndarray:
    """Return rows ``first`` and after of an endless set around a thousand centres, length one.

    Centroids are trained on such data more easily than on what encoders make: the recall of an
    index that uses them is flattered.
    """
    centres = np.random.default_rng(0).normal(size=(CENTRES, DIMENSION))
    blocks = []
    for start in range(first - first % BLOCK, first + rows, BLOCK):
        rng = np.random.default_rng(start + 1)
        near = centres[rng.integers(0, CENTRES, BLOCK)]
        block = near + SPREAD * rng.normal(size=(BLOCK, DIMENSION))
        blocks.append((block / np.linalg.norm(block, axis=1)[:, None]).astype(np.float32))
    skipped = first % BLOCK
    return np.concatenate(blocks)[skipped : skipped + rows]


def queries(count: int) -> np.ndarray:
    """Return vectors of the same kind that are no rows."""
    return vectors(10**9, count)


def index_file(folder: Path, first: int, rows: int, kind: str) -> IndexFile:
    """Return the index of these rows, built by a child as the seal does, unless it is there."""
    from workers.runners.process import Limits, run_child

    place = folder / f"{first}-{rows}-{kind}"
    if not (place / "result.json").exists():
        place.mkdir(parents=True)
        with tempfile.TemporaryDirectory(dir=folder) as work:
            result = run_child(
                "bench.search_data",
                {"first": first, "rows": rows, "kind": kind},
                folder=Path(work),
                limits=Limits(memory_bytes=None, cpu_s=None, wall_s=24 * 3600),
            )
            (Path(work) / "index.faiss").rename(place / "index.faiss")
        (place / "result.json").write_text(json.dumps(result))
    result = json.loads((place / "result.json").read_text())
    return IndexFile(
        place / "index.faiss", result["kind"], result["recall_at_10"], result["build_s"]
    )


def main(job: dict[str, Any], folder: Path, report: Any) -> dict[str, Any]:
    """Job: build one index, whatever its recall."""
    import time

    from workers.indexing.build import blocks_of, chosen
    from workers.indexing.choice import Kind
    from workers.indexing.faiss_flat import FaissFlat
    from workers.indexing.protocol import Distance
    from workers.indexing.publish import write_index

    exact, kind = FaissFlat(DIMENSION, Distance(DISTANCE)), Kind(job["kind"])
    for first, rows in parts(job["first"], job["rows"]):
        exact.add(vectors(first, rows))
    total, started = blocks_of(kind, job["rows"]), time.process_time()
    built = chosen(exact, lambda block: report(block, total), kind=kind, floor=0.0)
    build_s = time.process_time() - started
    write_index(built.index, folder)
    return {
        "kind": built.index.kind.value,
        "recall_at_10": built.recall_at_10,
        "build_s": build_s,
    }


def parts(first: int, rows: int) -> Sequence[tuple[int, int]]:
    """Return (first, rows) of blocks that fit into memory."""
    ends = [*range(first + BLOCK, first + rows, BLOCK), first + rows]
    starts = [first, *ends[:-1]]
    return [(start, end - start) for start, end in zip(starts, ends, strict=True)]
