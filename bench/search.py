"""Time of a search through the product, beside the bare engine on the same index files.

    python -m bench.search [--sizes 10000 ...] [--kinds flat hnsw ...] [--databases sqlite ...]

k = 10 on 64 numbers by cosine. *In process* is the search without HTTP: live pointer, segments,
engine, the ids of the hits. *Over HTTP* is the real search process, asked on loopback over one kept
connection with a vector in JSON. For latency one client asks by every way in turn, query by query,
so that other load meets all of them; for throughput two clients ask by one way after the other.
CPU is of the thread that asks, over HTTP of the search process; the database's own is not in it.
*chunks* is a segment without an index, whose rows are read into memory. Two segments hold nine
tenths and one tenth. With ``--indexes FOLDER`` indexes are kept there from run to run.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.installations import DATABASES, percentile, results_of, start_django
from bench.machine import print_table
from bench.search_data import DIMENSION, DISTANCE, IndexFile, index_file, queries
from bench.search_gallery import open_gallery, publish

SIZES = (10_000, 100_000, 1_000_000)
KINDS = ("chunks", "flat", "hnsw", "ivf_sq8")
QUERIES = 300
WARM_UP = 10
CLIENTS = 2
K = 10
READY_WITHIN_S = 300

Way = Callable[[np.ndarray], list[float]]


def main() -> None:
    """Print two tables: indexes and memory, then times."""
    parser = argparse.ArgumentParser(prog="python -m bench.search", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--databases", nargs="+", choices=DATABASES, default=DATABASES)
    parser.add_argument("--segments", type=int, nargs="+", choices=(1, 2), default=(1, 2))
    parser.add_argument("--indexes", type=Path)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options)
        return
    with tempfile.TemporaryDirectory(prefix="bench-indexes-") as folder:
        indexes = options.indexes or Path(folder)
        indexes.mkdir(exist_ok=True)
        passed_on = ["--indexes", str(indexes), "--sizes", *map(str, options.sizes)]
        passed_on += ["--kinds", *options.kinds, "--segments", *map(str, options.segments)]
        results = [
            result
            for database in options.databases
            for result in results_of("bench.search", database, *passed_on)
        ]
    print_table(
        f"Indexes of {DIMENSION}-d rows, and the search process that holds them",
        ["items", "segments", "index", "build CPU s", "MB", "recall@10", "private MB", "mapped MB"],
        [_index_row(r) for r in results if r["database"] == options.databases[0]],
    )
    print_table(
        f"Search beside the bare engine, k = {K}, one thread a search, {QUERIES} queries; "
        f"load {os.getloadavg()[0]:.1f}",
        [
            "database",
            "items",
            "segments",
            "index",
            "way",
            "p50 ms",
            "p99 ms",
            "p50 / bare",
            "p99 / bare",
            "CPU ms",
            "CPU / bare",
            f"queries/s, {CLIENTS} clients",
            "of bare",
        ],
        [row for result in results for row in _rows(result)],
    )


def measure(options: argparse.Namespace) -> None:
    """Print one JSON line for each size, number of segments and kind."""
    start_django()
    for size in options.sizes:
        for count in options.segments:
            sizes = [size] if count == 1 else [size - size // 10, size // 10]
            gallery, producer = open_gallery(sizes)
            for kind in options.kinds:
                result = _measured(gallery, producer, sizes, kind, options.indexes)
                print(json.dumps({"items": size, "segments": count, **result}), flush=True)


def _measured(
    gallery: Any, producer: str, sizes: list[int], kind: str, folder: Path
) -> dict[str, Any]:
    starts = [0, *sizes[:-1]]
    built_as = "flat" if kind == "chunks" else kind
    files = [
        index_file(folder, start, size, built_as) for start, size in zip(starts, sizes, strict=True)
    ]
    for number, file in enumerate(files, start=1):
        publish(gallery, number, None if kind == "chunks" else file)
    with _search_process() as (process, port):
        before = _memory(process)
        ways = _ways(gallery, producer, files, port)
        times, cpu = _times(ways, process)
        memory = _memory(process)
        rates = {name: _rate(way) for name, way in ways.items()}
    return {
        "kind": kind,
        "build_s": sum(file.build_s for file in files),
        "bytes": sum(file.path.stat().st_size for file in files),
        "recall_at_10": min(file.recall_at_10 for file in files),
        "ready": before,
        "memory": memory,
        "times": times,
        "cpu_ms": cpu,
        "rates": rates,
    }


def _ways(gallery: Any, producer: str, files: list[IndexFile], port: int) -> dict[str, Way]:
    """Return the three ways to ask; each may be used by several threads."""
    from django.conf import settings

    from workers.serving.encoders import Encoders
    from workers.serving.queries import Query
    from workers.serving.search import Search
    from workers.serving.segments import Segments

    search = Search(Segments(), Encoders())
    headers = {"Authorization": f"Bearer {settings.SEARCH_SECRET}"}
    address = f"/galleries/{gallery.name}/search"
    own = threading.local()

    def in_process(vector: np.ndarray) -> list[float]:
        answer = search.answer(gallery.name, Query(K, vectors={producer: vector}))
        return [hit["score"] for hit in answer["hits"]]

    def over_http(vector: np.ndarray) -> list[float]:
        if not hasattr(own, "connection"):
            own.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        body = json.dumps({"vector": vector[0].tolist(), "producer": producer, "k": K})
        own.connection.request("POST", address, body, headers)
        return [hit["score"] for hit in json.load(own.connection.getresponse())["hits"]]

    engines = [_engine(file.path) for file in files]
    return {"bare engine": partial(_bare, engines), "in process": in_process, "HTTP": over_http}


def _engine(path: Path) -> tuple[Any, Any]:
    """Return an engine as the product maps it, with the parameters of its searches."""
    import hashlib

    from workers.indexing.protocol import Distance
    from workers.indexing.publish import read_index

    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    index = read_index(path, digest=digest, dimension=DIMENSION, distance=Distance(DISTANCE))
    return index.engine, None if index.kind == "flat" else index.parameters(K)


def _bare(engines: list[tuple[Any, Any]], vector: np.ndarray) -> list[float]:
    import faiss

    faiss.omp_set_num_threads(1)
    scores = [engine.search(vector, K, params=parameters)[0][0] for engine, parameters in engines]
    return np.sort(np.concatenate(scores))[::-1][:K].tolist()


def _times(
    ways: dict[str, Way], process: subprocess.Popen[bytes]
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Return the milliseconds of each query by each way, and the CPU of the mean one.

    The ways must agree on the hits.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    cpu = dict.fromkeys(ways, 0.0)
    for number, query in enumerate(queries(QUERIES + WARM_UP)):
        scores = []
        if number == WARM_UP:
            cpu, served = dict.fromkeys(ways, 0.0), _cpu_s(process)
        for name, way in ways.items():
            started, used = time.perf_counter(), time.thread_time()
            scores.append(way(query[None]))
            cpu[name] += time.thread_time() - used
            if number >= WARM_UP:  # the first ones load what stays
                times[name].append((time.perf_counter() - started) * 1000)
        assert scores[0] == scores[1] == scores[2], scores
    cpu["HTTP"] = _cpu_s(process) - served
    return times, {name: 1000 * used / QUERIES for name, used in cpu.items()}


def _rate(way: Way) -> float:
    """Return the queries a second that ``CLIENTS`` threads get answered together."""
    from django.db import connection

    asked = queries(QUERIES)
    ready = threading.Barrier(CLIENTS + 1)

    def ask(mine: np.ndarray) -> None:
        way(mine[:1])
        ready.wait()
        for query in mine:
            way(query[None])
        connection.close()

    clients = [threading.Thread(target=ask, args=(asked[n::CLIENTS],)) for n in range(CLIENTS)]
    for client in clients:
        client.start()
    ready.wait()
    started = time.perf_counter()
    for client in clients:
        client.join()
    return len(asked) / (time.perf_counter() - started)


def _searching(process: subprocess.Popen[bytes]) -> Path:
    """Return where the system tells of the process that searches: the parent's child."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return Path("/proc") / children[0]


def _cpu_s(process: subprocess.Popen[bytes]) -> float:
    fields = (_searching(process) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(process: subprocess.Popen[bytes]) -> dict[str, int]:
    """Return the private and the mapped bytes of the process that searches."""
    status = (_searching(process) / "status").read_text()
    return {
        name: 1024 * int(status.split(f"{field}:")[1].split()[0])
        for name, field in (("private", "RssAnon"), ("mapped", "RssFile"))
    }


@contextmanager
def _search_process() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start the search process and give it, with its port, once it is ready."""
    from tests.processes import free_port

    port = free_port()
    command = [sys.executable, "-m", "workers.serving", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            _wait_until_ready(port, process)
            yield process, port
        finally:
            process.terminate()


def _wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
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


def _index_row(result: dict[str, Any]) -> list[str]:
    memory = result["memory"]
    return [
        f"{result['items']:,}",
        str(result["segments"]),
        result["kind"],
        f"{result['build_s']:.1f}",
        f"{result['bytes'] / 1e6:.0f}",
        f"{result['recall_at_10']:.3f}",
        f"{memory['private'] / 1e6:.0f}",
        f"{memory['mapped'] / 1e6:.0f}",
    ]


def _rows(result: dict[str, Any]) -> list[list[str]]:
    bare = result["times"]["bare engine"]
    rows = []
    for name, times in result["times"].items():
        figures = [percentile(times, 0.5), percentile(times, 0.99)]
        figures += [figures[0] / percentile(bare, 0.5), figures[1] / percentile(bare, 0.99)]
        figures += [
            result["cpu_ms"][name],
            result["cpu_ms"][name] / result["cpu_ms"]["bare engine"],
        ]
        rate = result["rates"][name]
        rows.append(
            [
                result["database"],
                f"{result['items']:,}",
                str(result["segments"]),
                result["kind"],
                name,
                *(f"{figure:.2f}" for figure in figures),
                f"{rate:,.0f}",
                f"{rate / result['rates']['bare engine']:.2f}",
            ]
        )
    return rows


if __name__ == "__main__":
    main()
