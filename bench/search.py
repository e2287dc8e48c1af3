"""Time of a search through the product, beside bare FAISS on the same index file.

    python -m bench.search [--sizes 10000 100000 ...] [--databases sqlite postgresql]

One client, one query after the other, k = 10, exact search. *In process* is the search without
HTTP: live pointer, segments, FAISS, the ids of the hits. *Over HTTP* is the real search process,
asked on loopback over one kept connection with a vector in JSON. The three are interleaved query by
query, so that other load meets all of them.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bench.installations import DATABASES, percentile, results_of, start_django
from bench.machine import print_table

SIZES = (10_000, 100_000, 1_000_000)
DIMENSION = 64
QUERIES = 300
K = 10
BLOCK = 50_000
READY_WITHIN_S = 300


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(prog="python -m bench.search", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--databases", nargs="+", choices=DATABASES, default=DATABASES)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.sizes)
        return
    sizes = ["--sizes", *map(str, options.sizes)]
    results = [
        result
        for database in options.databases
        for result in results_of("bench.search", database, *sizes)
    ]
    print_table(
        f"Search beside bare FAISS, {DIMENSION}-d, k = {K}, {QUERIES} queries, one thread; "
        f"load {os.getloadavg()[0]:.1f}",
        ["database", "items", "way", "p50 ms", "p99 ms", "p50 / FAISS", "p50 - FAISS ms"],
        [row for result in results for row in _rows(result)],
    )


def measure(sizes: list[int]) -> None:
    """Print one JSON line for each size."""
    start_django()
    for size in sizes:
        gallery, producer, index = _sealed_gallery(size)
        with _search_process() as connection:
            times = _times(gallery, producer, index, connection)
        print(json.dumps({"items": size, "times": times}), flush=True)


def _sealed_gallery(size: int) -> tuple[Any, str, Any]:
    """Return a gallery whose items lie in one sealed segment, its live encoder, and the index."""
    from tests.builders import galleries as build
    from workers.indexing.protocol import Distance
    from workers.indexing.publish import INDEX_FILE, read_index
    from workers.pipelines import seal_segment

    alias = build.an_alias()
    old, new = (build.an_encoder(alias, dimension=DIMENSION) for _ in range(2))
    gallery, rng = build.a_gallery(old), np.random.default_rng(0)
    for start in range(0, size, BLOCK):
        ids = [f"item-{n:07d}" for n in range(start, min(start + BLOCK, size))]
        build.fill(gallery, ids, rng.normal(size=(len(ids), DIMENSION)).astype(np.float32))
    build.move(gallery, new, covers=[old])
    segment = gallery.segments.get(number=1)
    files, batches = build.files_of(segment), segment.batches.order_by("pk")
    chunks = [str(files.path(batch.chunk_digest)) for batch in batches]
    job = {"chunks": chunks, "dimension": DIMENSION, "distance": segment.distance}
    with tempfile.TemporaryDirectory() as folder:
        result = seal_segment.main(job, Path(folder), lambda done, total: None)
        build.seal_with(gallery, (Path(folder) / INDEX_FILE).read_bytes())
    index = read_index(
        files.path(result["sha256"]),
        digest=result["sha256"],
        dimension=DIMENSION,
        distance=Distance(segment.distance),
    )
    return gallery, str(new), index.flat


def _times(
    gallery: Any, producer: str, index: Any, connection: http.client.HTTPConnection
) -> dict[str, list[float]]:
    """Return the milliseconds of each query by each way; the ways must agree on the hits."""
    import faiss
    from django.conf import settings

    from workers.serving.encoders import Encoders
    from workers.serving.queries import Query
    from workers.serving.search import Search
    from workers.serving.segments import Segments

    faiss.omp_set_num_threads(1)
    search = Search(Segments(), Encoders())
    headers = {"Authorization": f"Bearer {settings.SEARCH_SECRET}"}
    address = f"/galleries/{gallery.name}/search"

    def bare(vector: np.ndarray) -> list[float]:
        return index.search(vector, K)[0][0].tolist()

    def in_process(vector: np.ndarray) -> list[float]:
        answer = search.answer(gallery.name, Query(K, vector=vector, producer=producer))
        return [hit["score"] for hit in answer["hits"]]

    def over_http(vector: np.ndarray) -> list[float]:
        body = json.dumps({"vector": vector[0].tolist(), "producer": producer, "k": K})
        connection.request("POST", address, body, headers)
        return [hit["score"] for hit in json.load(connection.getresponse())["hits"]]

    ways = {"bare FAISS": bare, "in process": in_process, "over HTTP": over_http}
    times: dict[str, list[float]] = {name: [] for name in ways}
    queries = np.random.default_rng(2).normal(size=(QUERIES + 5, DIMENSION)).astype(np.float32)
    for number, query in enumerate(queries):
        scores = []
        for name, way in ways.items():
            started = time.perf_counter()
            scores.append(way(query[None]))
            if number >= 5:  # the first ones load what stays
                times[name].append((time.perf_counter() - started) * 1000)
        assert scores[0] == scores[1] == scores[2], scores
    return times


@contextmanager
def _search_process() -> Iterator[http.client.HTTPConnection]:
    """Start the search process and give a connection to it once it is ready."""
    from tests.processes import free_port

    port = free_port()
    command = [sys.executable, "-m", "workers.serving", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            _wait_until_ready(connection, process)
            yield connection
            connection.close()
        finally:
            process.terminate()


def _wait_until_ready(
    connection: http.client.HTTPConnection, process: subprocess.Popen[bytes]
) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            connection.request("GET", "/health/")
            response = connection.getresponse()
            response.read()
            if response.status == 200:
                return
        except OSError:
            connection.close()
        time.sleep(0.1)
    raise SystemExit("the search process did not become ready")


def _rows(result: dict[str, Any]) -> list[list[str]]:
    bare = percentile(result["times"]["bare FAISS"], 0.5)
    rows = []
    for name, times in result["times"].items():
        middle = percentile(times, 0.5)
        figures = [middle, percentile(times, 0.99), middle / bare, middle - bare]
        rows.append(
            [result["database"], f"{result['items']:,}", name, *(f"{f:.2f}" for f in figures)]
        )
    return rows


if __name__ == "__main__":
    main()
