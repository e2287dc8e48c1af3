"""Make the demo's folder: train what is not there yet, export it, write the evaluation sets."""

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

import compat.training
from client.demo import data, recipes, sets
from client.demo.figures import count_flips, retrieve
from client.demo.graph import onnx_bytes

FORMAT = 1
"""Of ``demo.json``."""


def train_all(seed: int, folder: Path) -> dict[str, Any]:
    """Return what the demo uploads, trained now or found in ``folder`` from an earlier call.

    The key of the cache is the seed, the source text of the recipes and the versions of torch
    and numpy. The folder appears whole or not at all.

    Args:
        seed: of the training; the splits never move.
        folder: where a subfolder per key is kept; made when missing.

    Returns:
        ``{"seed", "key", "sets": {name: {"task", "path", "rows"}}, "models": {name: {"task",
        "set", "versions": [{"number", "path", "manifest", "lineage", "recipe",
        "development"}]}}}``. Paths are absolute; lineage is a list of ``{"relation", "parent"}``
        with version numbers of the same line; development figures are plain numbers.
    """
    key = _key(seed)
    place = folder / key
    if not (place / "demo.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(dir=folder, prefix=".making-"))
        _make(seed, key, making)
        if place.exists():
            shutil.rmtree(making)
        else:
            os.replace(making, place)
    description = json.loads((place / "demo.json").read_text())
    for item in _items(description):
        item["path"] = str((place / item["path"]).absolute())
    return description


def _items(description: dict[str, Any]) -> list[dict[str, Any]]:
    versions = [v for model in description["models"].values() for v in model["versions"]]
    return [*description["sets"].values(), *versions]


def _key(seed: int) -> str:
    digest = hashlib.sha256(f"{seed} {torch.__version__} {np.__version__}".encode())
    for package in (Path(__file__).parent, Path(compat.training.__file__).parent):
        for source in sorted(package.glob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _make(seed: int, key: str, place: Path) -> None:
    with recipes.repeatable():
        models = {
            "digits-embedder": _embedders(seed, place),
            "digits-classifier": _classifiers(seed, place),
        }
    description = {
        "format": FORMAT,
        "seed": seed,
        "key": key,
        "sets": _sets(place),
        "models": models,
    }
    (place / "demo.json").write_text(json.dumps(description, indent=1, sort_keys=True))


def _sets(place: Path) -> dict[str, Any]:
    """Write the judged images; the only place where the demo reads them."""
    digits, mnist = data.digits_judged(), data.mnist_judged()
    sets.write_digits(
        digits, data.ink_threshold(data.digits_pool().train_new), place / "digits-judged.npz"
    )
    sets.write_mnist(
        mnist, data.ink_threshold(data.mnist_pool().train_new), place / "mnist-judged.parquet"
    )
    return {
        "digits-judged": {
            "task": "embedding",
            "path": "digits-judged.npz",
            "rows": len(digits),
        },
        "mnist-judged": {
            "task": "classification",
            "path": "mnist-judged.parquet",
            "rows": len(mnist),
        },
    }


def _embedders(seed: int, place: Path) -> dict[str, Any]:
    parts = data.digits_pool()
    trained = recipes.train_embedders(parts, seed)
    held_out = parts.development
    rows = {n: recipes.outputs(e.network, held_out) for n, e in trained.items()}
    labels = held_out.labels
    old_old = retrieve(rows[1], rows[1], labels)
    versions = []
    for number, embedder in trained.items():
        new_old = retrieve(rows[number], rows[1], labels)
        new_new = retrieve(rows[number], rows[number], labels)
        path = f"digits-embedder-{number}.onnx"
        (place / path).write_bytes(onnx_bytes(embedder.network, (1, 8, 8), "embedding"))
        versions.append(
            {
                "number": number,
                "path": path,
                "manifest": recipes.embedder_manifest(),
                **recipes.EMBEDDER_STORY[number],
                "development": {
                    "queries": len(held_out),
                    "map_own_gallery": float(new_new.average_precision.mean()),
                    "map_on_gallery_of_1": float(new_old.average_precision.mean()),
                    "retrieval_nfr_on_gallery_of_1": float(
                        (old_old.first_is_right & ~new_old.first_is_right).mean()
                    ),
                },
            }
        )
    return {"task": "embedding", "set": "digits-judged", "versions": versions}


def _classifiers(seed: int, place: Path) -> dict[str, Any]:
    parts = data.mnist_pool()
    trained = recipes.train_classifiers(parts, seed)
    held_out = parts.development
    predicted = {n: recipes.outputs(c, held_out).argmax(axis=1) for n, c in trained.items()}
    versions = []
    for number, network in trained.items():
        flips = count_flips(held_out.labels, predicted[1], predicted[number])
        path = f"digits-classifier-{number}.onnx"
        (place / path).write_bytes(onnx_bytes(network, (1, 28, 28), "logits"))
        versions.append(
            {
                "number": number,
                "path": path,
                "manifest": recipes.classifier_manifest(),
                **recipes.CLASSIFIER_STORY[number],
                "development": {
                    "images": flips.images,
                    "errors": flips.new_errors,
                    "negative_flips_from_1": flips.negative,
                    "positive_flips_from_1": flips.positive,
                },
            }
        )
    return {"task": "classification", "set": "mnist-judged", "versions": versions}
