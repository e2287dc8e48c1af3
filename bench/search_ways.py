"""The ways to ask that the search benchmark compares, each used by several threads at once."""

import hashlib
import http.client
import json
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.search_data import DIMENSION, DISTANCE, IndexFile

K = 10

Way = Callable[[np.ndarray], list[float]]
"""From a (1, D) query to the scores of its hits, best first."""


def ways(
    gallery: Any, producer: str, files: list[IndexFile], search_port: int, web_port: int
) -> dict[str, Way]:
    """Return the four ways to ask, the bare engine first."""
    from django.conf import settings

    return {
        "bare engine": partial(_bare, [_engine(file.path) for file in files]),
        "in process": _in_process(gallery.name, producer),
        "HTTP": _over_http(
            search_port,
            f"/galleries/{gallery.name}/search",
            {"Authorization": f"Bearer {settings.SEARCH_SECRET}"},
            producer,
        ),
        "API": _over_http(
            web_port,
            f"/api/v1/galleries/{gallery.name}/search",
            {"Authorization": f"Bearer {_token()}", "Content-Type": "application/json"},
            producer,
        ),
    }


def _bare(engines: list[tuple[Any, Any]], vector: np.ndarray) -> list[float]:
    import faiss

    faiss.omp_set_num_threads(1)
    scores = [engine.search(vector, K, params=parameters)[0][0] for engine, parameters in engines]
    return np.sort(np.concatenate(scores))[::-1][:K].tolist()


def _engine(path: Path) -> tuple[Any, Any]:
    """Return an engine as the product maps it, with the parameters of its searches."""
    from workers.indexing.protocol import Distance
    from workers.indexing.publish import read_index

    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    index = read_index(path, digest=digest, dimension=DIMENSION, distance=Distance(DISTANCE))
    return index.engine, None if index.kind == "flat" else index.parameters(K)


def _in_process(gallery: str, producer: str) -> Way:
    from workers.serving.encoders import Encoders
    from workers.serving.queries import Query
    from workers.serving.search import Search
    from workers.serving.segments import Segments

    search = Search(Segments(), Encoders())

    def ask(vector: np.ndarray) -> list[float]:
        answer = search.answer(gallery, Query(K, vectors={producer: vector}))
        return [hit["score"] for hit in answer["hits"]]

    return ask


def _over_http(port: int, address: str, headers: Mapping[str, str], producer: str) -> Way:
    """Return a way over one connection a thread, kept for as long as the server keeps it."""
    own = threading.local()

    def ask(vector: np.ndarray) -> list[float]:
        if not hasattr(own, "connection"):
            own.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        body = json.dumps({"vector": vector[0].tolist(), "producer": producer, "k": K})
        try:
            own.connection.request("POST", address, body, headers)
            response = own.connection.getresponse()
        except (ConnectionError, http.client.RemoteDisconnected):  # it was idle for too long
            own.connection.close()
            own.connection.request("POST", address, body, headers)
            response = own.connection.getresponse()
        answer = json.load(response)
        if response.status != 200:
            raise RuntimeError(f"{address} answered {response.status}: {answer}")
        return [hit["score"] for hit in answer["hits"]]

    return ask


def _token() -> str:
    from registry.accounts.models import Scope
    from tests.builders.registry import a_token

    return a_token(scopes=[Scope.READ])[1]
