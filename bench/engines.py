"""pgvector beside FAISS files: the same vectors, the same queries, one thread each.

    python -m bench.engines [--sizes 10000 100000]

Vectors are synthetic, around a thousand centres, which flatters every index that approximates.
FAISS files are built and mapped as the seal of a segment does it; pgvector is loaded and searched
through the engine contract, on a PostgreSQL of the bench's own that syncs, without parallel
workers.
"""

import argparse
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.installations import percentile
from bench.machine import print_table
from bench.search_data import DIMENSION, DISTANCE, index_file, queries, vectors
from tests import servers

SIZES = (10_000, 100_000)
QUERIES = 300
WARM_UP = 30
K = 10
ONE_THREAD = ("shared_buffers=256MB", "max_parallel_maintenance_workers=0")
ONE_THREAD += ("max_parallel_workers_per_gather=0",)
HEADER = ("rows", "engine", "kept as", "load and build s", "recall@10", "p50 ms", "p99 ms")

Search = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(prog="python -m bench.engines", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    sizes = parser.parse_args().sizes
    servers.POSTGRES_SPEED = ONE_THREAD  # the tests' own do not sync
    folder = servers.short_folder("bench-pg")
    with servers.postgres(folder) as url, tempfile.TemporaryDirectory(prefix="bench-") as work:
        start_vectors(url, servers.create_database(folder, "vectors"), work)
        rows = [row for size in sizes for row in measured(size, Path(work))]
    print_table(f"Engines, {DIMENSION} numbers, {DISTANCE}, k = {K}", HEADER, rows)


def start_vectors(url: str, vectors_url: str, folder: str) -> None:
    """Load Django with a database of vectors, and make its tables."""
    os.environ.update(
        DATABASE_URL=url,
        VECTORS_URL=vectors_url,
        REGISTRY_DATA_DIR=folder,
        DJANGO_SETTINGS_MODULE="registry.settings",
        LOG_LEVEL="ERROR",
    )
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", "vectors", database="vectors", verbosity=0, interactive=False)


def measured(size: int, folder: Path) -> list[tuple[str, ...]]:
    """Return the lines of one size: exact and as published, of each engine."""
    rows, asked = vectors(0, size), queries(QUERIES + WARM_UP)
    exact = flat_of(rows)
    truth = np.concatenate([exact(query[None]) for query in asked])
    lines = [line(size, "files", "flat", "–", truth, asked, exact)]
    for made in (in_a_file, in_pgvector):
        for engine, kept, seconds, search in made(rows, folder):
            lines.append(line(size, engine, kept, seconds, truth, asked, search))
    return lines


def flat_of(rows: np.ndarray) -> Search:
    """Return the exact search of a flat file."""
    from workers.indexing.faiss_flat import FaissFlat
    from workers.indexing.protocol import Distance

    flat = FaissFlat(DIMENSION, Distance(DISTANCE))
    flat.add(rows)
    return lambda query: flat.search(query, K)[1]


def in_a_file(rows: np.ndarray, folder: Path) -> list[tuple[str, str, str, Search]]:
    """Return a graph in a file, built and mapped as a segment's is."""
    from workers.indexing.protocol import Distance
    from workers.indexing.publish import read_index

    started = time.perf_counter()
    built = index_file(folder, 0, len(rows), "hnsw")
    seconds = f"{time.perf_counter() - started:.1f}"
    digest = hashlib.sha256(built.path.read_bytes()).hexdigest()
    index = read_index(
        built.path,
        digest=digest,
        dimension=DIMENSION,
        distance=Distance(DISTANCE),
    )
    return [("files", built.kind, seconds, lambda query: index.search(query, K)[1])]


def in_pgvector(rows: np.ndarray, folder: Path) -> list[tuple[str, str, str, Search]]:
    """Return pgvector with its graph, then the same compared row by row."""
    from workers.engines.engine import Engine
    from workers.engines.pgvector import PgvectorAdapter
    from workers.engines.protocol import Collection
    from workers.engines.publication import BLOCK_ROWS
    from workers.indexing.protocol import Distance

    engine = Engine(PgvectorAdapter())
    name, space = f"bench-{len(rows)}", "bench"
    engine.create(Collection(name, DIMENSION, Distance(DISTANCE), space))
    started = time.perf_counter()
    for first in range(0, len(rows), BLOCK_ROWS):
        block = rows[first : first + BLOCK_ROWS]
        engine.upsert(name, np.arange(first, first + len(block)), block, space=space)
    loaded = time.perf_counter() - started
    kept = engine.arrange(name)
    built = time.perf_counter() - started - loaded

    def search(query: np.ndarray, **how: Any) -> np.ndarray:
        return engine.search(name, query, K, space=space, **how)[1]

    return [
        ("pgvector", kept, f"{loaded:.1f} + {built:.1f}", search),
        ("pgvector", "flat", f"{loaded:.1f}", lambda query: search(query, exact=True)),
    ]


def line(
    size: int,
    engine: str,
    kept: str,
    seconds: str,
    truth: np.ndarray,
    asked: np.ndarray,
    search: Search,
) -> tuple[str, ...]:
    """Ask every query by itself and return what came of it."""
    times, shares = [], []
    for number, query in enumerate(asked):
        started = time.perf_counter()
        found = search(query[None])[0]
        if number >= WARM_UP:
            times.append(1e3 * (time.perf_counter() - started))
            shares.append(len({*found.tolist()} & {*truth[number].tolist()}) / K)
    print(f"  {size} rows, {engine} {kept}: done", file=sys.stderr)
    p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
    recall = f"{np.mean(shares):.3f}"
    return (f"{size:,}", engine, kept, seconds, recall, f"{p50:.2f}", f"{p99:.2f}")


if __name__ == "__main__":
    main()
