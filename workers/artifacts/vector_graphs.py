"""How an adapter that is a graph over stored vectors is run."""

from collections.abc import Mapping
from typing import Any

VECTORS, REWRITTEN = "vectors", "rewritten"
"""Its input and its output."""


def vector_manifest(dimension: int, output: Mapping[str, Any]) -> dict[str, Any]:
    """Return how such a graph is run: on vectors of ``dimension`` numbers, into that output."""
    return {
        "schema": 1,
        "format": "onnx",
        "task": "embedding",
        "input": {"name": VECTORS, "dtype": "float32", "shape": [dimension]},
        "output": dict(output) | {"name": REWRITTEN},
    }
