"""What it takes to rewrite stored vectors, by method: python -m bench.rewriting."""

import argparse
import hashlib
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from bench.machine import print_table
from compat.adapters.choose import METHODS
from workers.artifacts.onnx_append import vector_graph
from workers.pipelines import rewrite_vectors

PAIRS = 2_000
OUTPUT = {"kind": "embedding", "normalisation": "l2", "distance": "cosine"}


def seconds(method: str, rows: int, dimension: int, folder: Path) -> float:
    """Return how long one chunk takes, as its child does it, from the file to the file."""
    rng = np.random.default_rng(0)
    stored = rng.normal(size=(rows, dimension)).astype(np.float32)
    old = torch.from_numpy(stored[:PAIRS])
    adapter = METHODS[method](old, torch.from_numpy(np.roll(stored[:PAIRS], 1, axis=1)))
    (folder / "transform").write_bytes(vector_graph(adapter, unit_length=True))
    chunk = hashlib.sha256(stored.tobytes()).hexdigest()
    (folder / chunk).write_bytes(stored.tobytes())
    job = {"transform": "transform", "chunk": chunk, "dimension": dimension, "device": "cpu"}
    began = time.monotonic()
    rewrite_vectors.main(
        job | {"output": OUTPUT | {"dimension": dimension}}, folder, lambda done, total: None
    )
    return time.monotonic() - began


def main() -> None:
    """Print seconds and vectors a second, for each method."""
    parser = argparse.ArgumentParser(prog="python -m bench.rewriting", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=64)
    given = parser.parse_args()
    table = []
    for method in METHODS:
        with tempfile.TemporaryDirectory() as folder:
            took = seconds(method, given.rows, given.dimension, Path(folder))
        table.append([method, f"{took:.1f}", f"{given.rows / took:,.0f}"])
    print_table(
        f"{given.rows:,} stored vectors of {given.dimension} numbers rewritten, file to file",
        ["method", "seconds", "vectors a second"],
        table,
    )


if __name__ == "__main__":
    main()
