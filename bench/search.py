"""Time of a search through the product, beside the bare engine on the same index files.

    python -m bench.search [--sizes 10000 ...] [--kinds flat hnsw ...] [--databases sqlite ...]
        [--segments 1 2] [--clients 2 8] [--indexes FOLDER]

k = 10 on 64 numbers by cosine. *In process* is the search without HTTP: live pointer, segments,
engine, the ids of the hits. *HTTP* is the real search process, *API* the real web process before
it, with a token; both are asked on loopback over one kept connection a client with a vector in
JSON. For latency one client asks by every way in turn, query by query, so that other load meets all
of them; for throughput several clients, one thread each, ask by one way after the other. CPU is of
the thread that asks, over HTTP and the API of the processes that answer; the database's own is not
in it. *chunks* is a segment without an index, whose rows are read into memory. Two segments hold
nine tenths and one tenth. With ``--indexes FOLDER`` indexes are kept there from run to run.
"""

import argparse
import json
import os
import tempfile
import threading
import time
from itertools import cycle
from pathlib import Path
from typing import Any

from bench.installations import DATABASES, percentile, results_of, start_django
from bench.machine import print_table
from bench.search_data import DIMENSION, index_file, queries
from bench.search_gallery import open_gallery, publish
from bench.search_processes import Server, search_process, web_process
from bench.search_ways import K, Way, ways

SIZES = (10_000, 100_000, 1_000_000)
KINDS = ("chunks", "flat", "hnsw", "ivf_sq8")
QUERIES = 300
WARM_UP = 10
CLIENTS = (2, 8)
RATE_FOR_S = 2.0


def main() -> None:
    """Print two tables: indexes and memory, then times."""
    parser = argparse.ArgumentParser(prog="python -m bench.search", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--databases", nargs="+", choices=DATABASES, default=DATABASES)
    parser.add_argument("--segments", type=int, nargs="+", choices=(1, 2), default=(1, 2))
    parser.add_argument("--clients", type=int, nargs="+", default=CLIENTS)
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
        passed_on += ["--clients", *map(str, options.clients)]
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
            *(
                title
                for clients in options.clients
                for title in (f"queries/s, {clients} clients", "of bare")
            ),
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
                result = _measured(gallery, producer, sizes, kind, options)
                print(json.dumps({"items": size, "segments": count, **result}), flush=True)


def _measured(
    gallery: Any, producer: str, sizes: list[int], kind: str, options: argparse.Namespace
) -> dict[str, Any]:
    starts = [0, *sizes[:-1]]
    built_as = "flat" if kind == "chunks" else kind
    files = [
        index_file(options.indexes, start, size, built_as)
        for start, size in zip(starts, sizes, strict=True)
    ]
    for number, file in enumerate(files, start=1):
        publish(gallery, number, None if kind == "chunks" else file)
    with search_process() as search, web_process(search.port) as web:
        before = search.memory()
        asked = ways(gallery, producer, files, search.port, web.port)
        times, cpu = _times(asked, search, web)
        memory = search.memory()
        rates = {
            name: [_rate(way, clients) for clients in options.clients]
            for name, way in asked.items()
        }
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


def _times(
    asked: dict[str, Way], search: Server, web: Server
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Return the milliseconds of each query by each way, and the CPU of the mean one.

    The ways must agree on the hits.
    """
    answering = {"HTTP": [search], "API": [search, web]}
    times: dict[str, list[float]] = {name: [] for name in asked}
    cpu = dict.fromkeys(asked, 0.0)
    for number, query in enumerate(queries(QUERIES + WARM_UP)):
        scores = []
        for name, way in asked.items():
            started, used = time.perf_counter(), time.thread_time()
            scores.append(way(query[None]))
            if number >= WARM_UP:  # the first ones load what stays
                cpu[name] += time.thread_time() - used
                times[name].append((time.perf_counter() - started) * 1000)
        if any(found != scores[0] for found in scores):
            raise RuntimeError(f"the ways disagree: {scores}")
    for name, servers in answering.items():  # ticks are coarse, and both ways use one of them
        before = sum(server.cpu_s() for server in servers)
        for query in queries(QUERIES):
            asked[name](query[None])
        cpu[name] = sum(server.cpu_s() for server in servers) - before
    return times, {name: 1000 * used / QUERIES for name, used in cpu.items()}


def _rate(way: Way, count: int) -> float:
    """Return the queries a second that ``count`` threads get answered together."""
    from django.db import connection

    asked = queries(QUERIES)
    ready, answered = threading.Barrier(count + 1), [0] * count

    def ask(number: int) -> None:
        way(asked[:1])
        ready.wait()
        over_at = time.perf_counter() + RATE_FOR_S
        for query in cycle(asked[number::count]):
            way(query[None])
            answered[number] += 1
            if time.perf_counter() > over_at:
                break
        connection.close()

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(count)]
    for client in clients:
        client.start()
    ready.wait()
    started = time.perf_counter()
    for client in clients:
        client.join()
    return sum(answered) / (time.perf_counter() - started)


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
        rates = zip(result["rates"][name], result["rates"]["bare engine"], strict=True)
        rows.append(
            [
                result["database"],
                f"{result['items']:,}",
                str(result["segments"]),
                result["kind"],
                name,
                *(f"{figure:.2f}" for figure in figures),
                *(
                    figure
                    for rate, bare_rate in rates
                    for figure in (f"{rate:,.0f}", f"{rate / bare_rate:.2f}")
                ),
            ]
        )
    return rows


if __name__ == "__main__":
    main()
