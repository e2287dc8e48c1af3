"""What a new manifest starts from: the newest version's own, or an example of its task."""

from typing import Any

from registry.catalog.models import RegisteredModel
from registry.catalog.rewriting import as_uploaded
from registry.web.json_text import json_text

KEYS = ("schema", "format", "task", "input", "preprocessing", "output")
"""The order in which people read a manifest."""

_INPUT = {"name": "input", "dtype": "float32", "shape": [3, 224, 224]}
_PREPROCESSING = {
    "do_resize": True,
    "size": {"height": 224, "width": 224},
    "resample": 2,
    "do_rescale": True,
    "rescale_factor": 0.00392156862745098,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}
EXAMPLES: dict[str, dict[str, Any]] = {
    "classification": {
        "schema": 1,
        "format": "onnx",
        "task": "classification",
        "input": _INPUT,
        "preprocessing": _PREPROCESSING,
        "output": {"name": "logits", "kind": "logits", "classes": ["cat", "dog"]},
    },
    "embedding": {
        "schema": 1,
        "format": "onnx",
        "task": "embedding",
        "input": _INPUT,
        "preprocessing": _PREPROCESSING,
        "output": {
            "name": "embedding",
            "kind": "embedding",
            "dimension": 512,
            "normalisation": "l2",
            "distance": "cosine",
        },
    },
}


def starting_manifest(model: RegisteredModel) -> str:
    """Return JSON text to start from."""
    newest = model.versions.order_by("-number").first()
    return _in_order(as_uploaded(newest.manifest) if newest else EXAMPLES[model.task])


def recorded_example(task: str) -> str:
    """Return the manifest of recorded outputs, as JSON text."""
    document = EXAMPLES[task]
    kept = {key: document[key] for key in ("schema", "task", "output")}
    return _in_order(kept | {"format": "recorded"})


def _in_order(document: dict[str, Any]) -> str:
    known = {key: document[key] for key in KEYS if key in document}
    return json_text(known | document)
