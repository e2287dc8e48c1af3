"""What joining the samples of several searches brings: python -m bench.batches [--hidden N]."""

import argparse
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from bench.cutover import DIMENSION, SHAPE, graph
from bench.machine import print_table
from tests.builders.onnx_models import an_encoder_manifest
from workers.runners.resident import ResidentChild
from workers.serving.batches import Batches

SECONDS, ROUNDS = 1.0, 7


def rate(encode: Callable[[np.ndarray], object], threads: int) -> float:
    """Return samples a second of ``threads`` that ask for one after the other."""
    ends, counts = time.monotonic() + SECONDS, [0] * threads

    def ask(number: int) -> None:
        sample = np.random.default_rng(number).random((1, *SHAPE), dtype=np.float32)
        while time.monotonic() < ends:
            encode(sample)
            counts[number] += 1

    asking = [threading.Thread(target=ask, args=(n,)) for n in range(threads)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    return sum(counts) / SECONDS


def main() -> None:
    """Print the median samples a second, one by one and joined in turn, by number of threads."""
    parser = argparse.ArgumentParser(prog="python -m bench.batches", description=__doc__)
    parser.add_argument("--hidden", type=int, default=4096)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 8])
    given = parser.parse_args()
    manifest = an_encoder_manifest(DIMENSION, shape=SHAPE, distance="inner_product")
    table = []
    with tempfile.TemporaryDirectory() as folder:
        artifact = Path(folder) / "encoder.onnx"
        artifact.write_bytes(graph(given.hidden))
        child = ResidentChild(artifact, manifest)
        try:
            child.warm()
            for threads in given.threads:
                batches = Batches(child.run)
                rounds = [
                    (rate(child.run, threads), rate(batches.encode, threads)) for _ in range(ROUNDS)
                ]
                alone, joined = (median(way) for way in zip(*rounds, strict=True))
                told = (f"{alone:,.0f}", f"{joined:,.0f}", f"{joined / alone:.2f}")
                table.append([str(threads), *told])
        finally:
            child.close()
    print_table(
        f"Samples a second through a warm encoder of 784 x {given.hidden} x {DIMENSION}",
        ["threads", "one by one", "joined", "joined / one by one"],
        table,
    )


if __name__ == "__main__":
    main()
