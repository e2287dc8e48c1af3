"""Samples a second through the runner, and exact retrieval as a share of a matrix product.

python -m bench.evaluation
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from bench.machine import print_table
from compat.metrics.retrieval import Distance, Rows, measure, on_grid
from tests.builders.onnx_models import a_classifier_manifest, a_linear_model
from workers.onnx_session import Session
from workers.runners.onnx_runner import MAX_ROWS, OnnxRunner
from workers.runners.preprocessing import prepared
from workers.runners.process import Limits, run_child
from workers.signature import Signature

SAMPLES = 20_000
SHAPE = (28, 28)
REPEATS = 5
RETRIEVAL = ((1_000, 10_000, 64), (1_000, 50_000, 64), (1_000, 50_000, 256))


def seconds(act: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the median time of ``act`` after one run that does not count."""
    act()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        act()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main() -> None:
    """Print both tables."""
    torch.set_num_threads(1)
    _runner()
    _retrieval()


def _runner() -> None:
    rng = np.random.default_rng(0)
    classes = [f"c{i:03d}" for i in range(100)]
    inputs = rng.integers(0, 255, size=(SAMPLES, *SHAPE), dtype=np.uint8)
    manifest = a_classifier_manifest(
        classes,
        shape=(1, *SHAPE),
        preprocessing={"do_rescale": True, "rescale_factor": 1 / 255},
    )
    graph = a_linear_model(rng.normal(size=(784, 100)), shape=(1, *SHAPE)).SerializeToString()
    signature = Signature.of(manifest)
    session = Session(graph, signature, device="cpu", threads=1)
    ready = prepared(inputs, signature)
    runner = OnnxRunner(graph, manifest)

    def bare() -> None:
        for start in range(0, SAMPLES, MAX_ROWS):
            session.run(ready[start : start + MAX_ROWS])

    floor = seconds(bare)
    through = seconds(lambda: runner.run(inputs))
    whole = seconds(lambda: _child(graph, manifest, inputs, classes), repeats=3)
    rows = [
        [name, f"{SAMPLES / t:,.0f}", f"{t / floor:.1f}"]
        for name, t in (
            ("bare ONNX Runtime session, inputs prepared", floor),
            ("runner: preprocessing, batches, checks", through),
            ("whole evaluation in a fresh child process", whole),
        )
    ]
    title = f"Evaluation of {SAMPLES:,} images of 28 x 28 through a linear model of 100 classes"
    print_table(title, ["path", "samples/s", "time over bare"], rows)


def _child(graph: bytes, manifest: dict, inputs: np.ndarray, classes: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.onnx").write_bytes(graph)
        rows = len(inputs)
        np.savez(
            folder / "judged.npz",
            ids=np.array([f"s{i}" for i in range(rows)]),
            inputs=inputs,
            labels=np.arange(rows) % len(classes),
            classes=np.array(classes),
            is_query=np.ones(rows, bool),
            is_gallery=np.ones(rows, bool),
            pinned=np.zeros(rows, bool),
        )
        job = {
            "artifact": str(folder / "model.onnx"),
            "manifest": manifest,
            "set": str(folder / "judged.npz"),
            "device": "cpu",
        }
        run_child("workers.pipelines.compute_outputs", job, folder=folder, limits=Limits())


def _retrieval() -> None:
    rows = []
    for queries, gallery, dimension in RETRIEVAL:
        rng = np.random.default_rng(1)
        query_rows = _rows(rng, queries, dimension)
        gallery_rows = _rows(rng, gallery, dimension)
        exact = seconds(lambda q=query_rows, g=gallery_rows: measure(q, g, Distance.COSINE), 3)
        left = torch.randn(queries, dimension)
        right = torch.randn(dimension, gallery)
        product = seconds(lambda a=left, b=right: a @ b)
        rows.append(
            [
                f"{queries:,} x {gallery:,} x {dimension}",
                f"{queries / exact:,.0f}",
                f"{queries / product:,.0f}",
                f"{product / exact:.1%}",
            ]
        )
    print_table(
        "Exact retrieval (every rank, AP, MAP@R, hit and recall rates), one thread",
        ["queries x gallery x dimension", "queries/s", "float32 product, queries/s", "share"],
        rows,
    )


def _rows(rng: np.random.Generator, n: int, dimension: int) -> Rows:
    vectors = torch.from_numpy(rng.normal(size=(n, dimension)).astype(np.float32))
    labels = torch.from_numpy(rng.integers(0, 100, size=n))
    return on_grid(vectors, labels)


if __name__ == "__main__":
    main()
