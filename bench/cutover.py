"""Time of a cutover against the size of the gallery, beside a full backfill of the same gallery.

    python -m bench.cutover [--sizes 1000 10000 ...] [--databases sqlite postgresql]

A cutover is what a promotion does to one gallery: lock it, seal its insert segment, open another,
write the view, move the pointer, commit. CPU is that of the client. The first answer is timed from
the same start to the end of a search under the new epoch, in a process that holds the segments. A
backfill encodes every item again: up to ``MEASURED_UP_TO`` items it is run, with the files, rows
and index that it has to write; beyond, its encoding alone is computed from the measured rate, which
is a lower bound.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.installations import DATABASES, results_of, start_django
from bench.machine import print_table

SIZES = (1_000, 10_000, 100_000, 1_000_000)
DIMENSION = 64
REPEATS = 11
MEASURED_UP_TO = 10_000
RATE_SAMPLES = 10_000
SHAPE = (1, 28, 28)
HIDDEN = 512
BLOCK = 50_000


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(prog="python -m bench.cutover", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--databases", nargs="+", choices=DATABASES, default=DATABASES)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.sizes)
        return
    sizes = ["--sizes", *map(str, options.sizes)]
    rows = [
        _row(result)
        for database in options.databases
        for result in results_of("bench.cutover", database, *sizes)
    ]
    print_table(
        f"A cutover beside a backfill: {DIMENSION}-d vectors, encoder of two layers "
        f"({HIDDEN} hidden) on 28 x 28 images, one thread; {REPEATS} cutovers each; "
        f"load {os.getloadavg()[0]:.1f}",
        [
            "database",
            "items",
            "cutover p50 ms",
            "max ms",
            "CPU ms",
            "first answer p50 ms",
            "files written",
            "backfill s",
            "how",
            "backfill / cutover",
        ],
        rows,
    )


def measure(sizes: list[int]) -> None:
    """Print one JSON line for each size."""
    start_django()
    from tests.builders import galleries as build

    rate = _encode_rate()
    for size in sizes:
        alias = build.an_alias()
        versions = [build.an_encoder(alias, dimension=DIMENSION) for _ in range(2)]
        gallery = build.a_gallery(versions[0])
        _fill(gallery, size)
        result = _cutovers(gallery, versions)
        if size <= MEASURED_UP_TO:
            backfill = {"backfill_s": _backfill(alias, size), "how": "run"}
        else:
            backfill = {"backfill_s": size / rate, "how": f"{rate:,.0f} items/s, encoding alone"}
        print(json.dumps({"items": size, **result, **backfill}), flush=True)


def _cutovers(gallery: Any, versions: list[Any]) -> dict[str, Any]:
    """Cut over again and again; each time the segment left behind holds an item more."""
    from registry.galleries.models import InsertBatch
    from tests.builders import galleries as build
    from workers.serving.encoders import Encoders
    from workers.serving.queries import Query
    from workers.serving.search import Search
    from workers.serving.segments import Segments

    search, folder = Search(Segments(), Encoders()), build.files_of(gallery.segments.get())._root
    vector = np.ones((1, DIMENSION), dtype=np.float32)
    search.answer(gallery.name, Query(10, {str(versions[0]): vector}))
    moves, cpu, answers, written = [], [], [], 0
    for number in range(REPEATS):
        version = versions[(number + 1) % 2]
        before = _files(folder.parent)
        started, used = time.perf_counter(), time.process_time()
        cutover = build.move(gallery, version, covers=versions)
        moves.append((time.perf_counter() - started) * 1000)
        cpu.append((time.process_time() - used) * 1000)
        answer = search.answer(gallery.name, Query(10, {str(version): vector}))
        answers.append((time.perf_counter() - started) * 1000)
        assert answer["epoch"] == cutover.epoch
        assert len(answer["hits"]) == 10
        written += len(_files(folder.parent) - before)
        build.put(gallery, {f"late-{number}": [0.0] * DIMENSION})
    assert InsertBatch.objects.filter(gallery=gallery).count() > REPEATS
    return {
        "cutover_ms": statistics.median(moves),
        "max_ms": max(moves),
        "cpu_ms": statistics.median(cpu),
        "answer_ms": statistics.median(answers),
        "written": written,
    }


def _files(folder: Path) -> set[tuple[str, int, int]]:
    """Return every file of a gallery with its size and time of change."""
    stats = ((path, path.stat()) for path in folder.rglob("*") if path.is_file())
    return {(str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats}


def _fill(gallery: Any, size: int) -> None:
    from tests.builders import galleries as build

    rng = np.random.default_rng(0)
    for start in range(0, size, BLOCK):
        ids = [f"item-{n:07d}" for n in range(start, min(start + BLOCK, size))]
        vectors = rng.normal(size=(len(ids), DIMENSION)).astype(np.float32)
        build.fill(gallery, ids, vectors)


def _backfill(alias: Any, size: int) -> float:
    """Encode ``size`` stored inputs and make a searchable segment of them; return the seconds."""
    from tests.builders import galleries as build
    from workers.pipelines import seal_segment

    gallery = build.a_gallery(build.an_encoder(build.an_alias(), dimension=DIMENSION))
    segment = gallery.live_view.insert_segment
    inputs = _inputs(size)
    ids = [f"item-{n:07d}" for n in range(size)]
    runner = _runner()
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        build.fill(gallery, ids, runner.run(inputs))
        files = build.files_of(segment)
        chunks = [str(files.path(batch.chunk_digest)) for batch in segment.batches.all()]
        job = {"chunks": chunks, "dimension": DIMENSION, "distance": segment.distance}
        seal_segment.main(job, Path(folder), lambda done, total: None)
        return time.perf_counter() - started


def _encode_rate() -> float:
    runner, inputs = _runner(), _inputs(RATE_SAMPLES)
    runner.run(inputs[:1000])
    started = time.perf_counter()
    runner.run(inputs)
    return RATE_SAMPLES / (time.perf_counter() - started)


def _runner() -> Any:
    from tests.builders.onnx_models import an_encoder_manifest
    from workers.runners.onnx_runner import OnnxRunner

    manifest = an_encoder_manifest(DIMENSION, shape=SHAPE, distance="inner_product")
    return OnnxRunner(graph(HIDDEN), manifest)


def graph(hidden: int) -> bytes:
    """Return an encoder of two layers as an ONNX graph."""
    from onnx import helper, numpy_helper

    from tests.builders.onnx_models import a_model

    rng = np.random.default_rng(0)
    layers = (rng.normal(size=(784, hidden)), rng.normal(size=(hidden, DIMENSION)))
    weights = [
        numpy_helper.from_array(layer.astype(np.float32), f"weights_{number}")
        for number, layer in enumerate(layers)
    ]
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights_0"], ["wide"]),
        helper.make_node("Relu", ["wide"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "weights_1"], ["logits"]),
    ]
    model = a_model(nodes, shape=SHAPE, columns=DIMENSION, initialisers=weights)
    return model.SerializeToString()


def _inputs(size: int) -> np.ndarray:
    return np.random.default_rng(1).random((size, *SHAPE), dtype=np.float32)


def _row(result: dict[str, Any]) -> list[str]:
    ratio = 1000 * result["backfill_s"] / result["cutover_ms"]
    return [
        result["database"],
        f"{result['items']:,}",
        f"{result['cutover_ms']:.1f}",
        f"{result['max_ms']:.1f}",
        f"{result['cpu_ms']:.1f}",
        f"{result['answer_ms']:.1f}",
        str(result["written"]),
        f"{result['backfill_s']:.2f}",
        result["how"],
        f"{ratio:,.0f}",
    ]


if __name__ == "__main__":
    main()
