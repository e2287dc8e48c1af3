"""Every engine as the contract test opens it; run as a program, it is the second process.

A line in ``OPENERS`` puts an engine under the whole contract, one in ``DURABLE`` and ``SHARED``
under what only servers and files can promise.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from workers.engines.engine import Engine
from workers.engines.faiss_files import FaissFilesAdapter
from workers.engines.memory import MemoryAdapter
from workers.engines.protocol import Adapter, Collection
from workers.indexing.protocol import Distance

ROOT = Path(__file__).resolve().parents[2]
SPACE = "a" * 64


def memory(place: str) -> Adapter:
    return MemoryAdapter()


def pgvector(place: str) -> Adapter:
    """Open the database of vectors: this process's own, or the one at ``place`` elsewhere."""
    import django  # absent where only the server of Milvus is installed
    from django.apps import apps

    if not apps.ready:
        os.environ.update(DJANGO_SETTINGS_MODULE="registry.settings", VECTORS_URL=place)
        django.setup()
    from workers.engines.pgvector import PgvectorAdapter

    return PgvectorAdapter()


def faiss_files(place: str) -> Adapter:
    return FaissFilesAdapter(Path(place))


def qdrant_local(place: str) -> Adapter:
    from workers.engines.qdrant_local import QdrantLocalAdapter  # a package of development

    return QdrantLocalAdapter(Path(place))


def milvus(place: str) -> Adapter:
    from workers.engines.milvus import MilvusAdapter  # installed apart: ``make test-milvus``

    return MilvusAdapter(place)


OPENERS: dict[str, Callable[[str], Adapter]] = {
    "memory": memory,
    "faiss_files": faiss_files,
    "pgvector": pgvector,
    "qdrant_local": qdrant_local,
    "milvus": milvus,
}
"""By name: what opens an engine whose data are at a place (a folder, an address)."""

INSTALLED = {"milvus"} if find_spec("milvus") else set(OPENERS) - {"milvus"}
"""Those of this environment: that of Milvus has no other."""

DURABLE = ["faiss_files", "pgvector", "qdrant_local", "milvus"]
"""Those that keep what they acknowledged when their process ends."""

SHARED = ["faiss_files", "pgvector", "milvus"]
"""Those that several processes may have open at once."""


@dataclass
class Kind:
    """One engine and where its data are; opened again, it is a restart."""

    name: str
    place: str

    def open(self) -> Engine:
        """Return the engine, as another process would have it."""
        return Engine(OPENERS[self.name](self.place))


def collection(
    name: str, dimension: int = 2, distance: Distance = Distance.INNER_PRODUCT, space: str = SPACE
) -> Collection:
    return Collection(name, dimension, distance, space)


def f32(rows, dimension: int = 2):
    return np.asarray(rows, dtype=np.float32).reshape(-1, dimension)


def ids(*rows: int):
    return np.array(rows, dtype=np.int64)


def counted(first: int, rows: int):
    """Return rows from ``first`` on and vectors that say which row they are."""
    numbers = np.arange(first, first + rows, dtype=np.int64)
    return numbers, np.stack([numbers, -numbers], axis=1).astype(np.float32)


def main(name: str, place: str, act: str, argument: str) -> None:
    """Do one thing in a process of its own and print what came of it."""
    engine, asked = Kind(name, place).open(), json.loads(argument)
    if act == "write":
        for first in asked["firsts"]:
            rows, vectors = counted(first, asked["rows"])
            engine.upsert(asked["collection"], rows, vectors, space=SPACE)
        print(json.dumps("written"))
    else:
        scores, rows = engine.search(
            asked["collection"], f32(asked["query"]), asked["k"], space=SPACE, where=asked["where"]
        )
        found = {"count": engine.count(asked["collection"]), "rows": rows.tolist()}
        print(json.dumps(found | {"scores": scores.tolist()}))
    engine.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
