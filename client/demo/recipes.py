"""Train, export and describe every version of the demo's two model lines.

``digits-embedder``: a first version on few images, an independent second, and a third that is
backward-compatible with the first. ``digits-classifier``: a first version on few images, one
retrained on more, and one retrained on the same images with focal distillation.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from client.demo.data import Images, Parts
from compat.training.augmentation import jitter
from compat.training.bct import bct_loss
from compat.training.distillation import distillation_loss
from compat.training.fitting import Schedule, fit
from compat.training.heads import CosineHead, fresh_head, frozen_head
from compat.training.networks import build

CLASSES = [str(c) for c in range(10)]
DIMENSION = 32


@dataclass(frozen=True)
class Embedder:
    """A network that embeds, and the head it was trained under."""

    network: nn.Sequential
    head: CosineHead


@contextmanager
def repeatable() -> Iterator[None]:
    """Train on one thread with deterministic kernels: equal seeds give equal bytes."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict)
        torch.set_num_threads(threads)


# Chosen on the pool (bench/training_*.py), before anything was judged.
EMBEDDER_OLD = Schedule(epochs=60)
EMBEDDER_NEW = Schedule(epochs=60)
INFLUENCE, ALIGNMENT = 1.0, 2.0

CLASSIFIER_OLD = Schedule(epochs=30)
CLASSIFIER_NEW = Schedule(epochs=20)
CLASSIFIER_FOCAL = Schedule(epochs=40)
FOCAL = {"mix": 0.12, "alpha": 1.0, "beta": 5.0, "temperature": 2.0}


def train_embedders(parts: Parts, seed: int) -> dict[int, Embedder]:
    """Return versions 1, 2 (independent of 1) and 3 (backward-compatible with 1)."""
    first = _embedder("digits-mlp-64", parts.train_old, EMBEDDER_OLD, 10 * seed + 1)
    second = _embedder("digits-mlp-128", parts.train_new, EMBEDDER_NEW, 10 * seed + 2)
    third = _embedder("digits-mlp-128", parts.train_new, EMBEDDER_NEW, 10 * seed + 3, first)
    return {1: first, 2: second, 3: third}


def train_classifiers(parts: Parts, seed: int) -> dict[int, nn.Sequential]:
    """Return versions 1, 2 (plainly retrained) and 3 (with focal distillation from 1)."""
    first = _classifier(parts.train_old, CLASSIFIER_OLD, 10 * seed + 4)
    second = _classifier(parts.train_new, CLASSIFIER_NEW, 10 * seed + 5)
    third = _classifier(parts.train_new, CLASSIFIER_FOCAL, 10 * seed + 6, first)
    return {1: first, 2: second, 3: third}


EMBEDDER_STORY: dict[int, dict[str, Any]] = {
    1: {"lineage": [], "recipe": "cosine head on 250 images"},
    2: {
        "lineage": [{"relation": "retrained_from", "parent": 1}],
        "recipe": "wider network, all training images, independent of version 1",
    },
    3: {
        "lineage": [
            {"relation": "retrained_from", "parent": 1},
            {"relation": "compatible_with", "parent": 1},
        ],
        "recipe": "as version 2, trained backward-compatible with version 1",
    },
}
CLASSIFIER_STORY: dict[int, dict[str, Any]] = {
    1: {"lineage": [], "recipe": "convolutional network, few images"},
    2: {
        "lineage": [{"relation": "retrained_from", "parent": 1}],
        "recipe": "the same network from scratch on all training images",
    },
    3: {
        "lineage": [
            {"relation": "fine_tuned_from", "parent": 1},
            {"relation": "distilled_from", "parent": 1},
        ],
        "recipe": "as version 2, started from version 1, with focal distillation from it",
    },
}
"""How each version came to be: edges to earlier numbers of its line, and a sentence."""


def embedder_manifest() -> dict[str, Any]:
    """Return the manifest that every embedder is uploaded with."""
    return {
        "schema": 1,
        "format": "onnx",
        "task": "embedding",
        "input": {"name": "input", "dtype": "float32", "shape": [1, 8, 8]},
        "preprocessing": {"do_rescale": True, "rescale_factor": 1 / 240},
        "output": {
            "name": "embedding",
            "kind": "embedding",
            "dimension": DIMENSION,
            "normalisation": "l2",
            "distance": "cosine",
        },
    }


def classifier_manifest() -> dict[str, Any]:
    """Return the manifest that every classifier is uploaded with."""
    return {
        "schema": 1,
        "format": "onnx",
        "task": "classification",
        "input": {"name": "input", "dtype": "float32", "shape": [1, 28, 28]},
        "preprocessing": {"do_rescale": True, "rescale_factor": 1 / 255},
        "output": {"name": "logits", "kind": "logits", "classes": CLASSES},
    }


def outputs(network: nn.Module, images: Images) -> np.ndarray:
    """Return the (n, D) float32 outputs of ``network`` on ``images``."""
    with torch.no_grad():
        return network(as_input(images)).numpy()


def as_input(images: Images) -> Tensor:
    """Return the (n, 1, side, side) float32 input that the manifests' preprocessing gives."""
    return torch.from_numpy(images.pixels[:, None] * np.float32(rescale_factor(images)))


def rescale_factor(images: Images) -> float:
    """Return what grey values are multiplied with: digits end at 240, MNIST at 255."""
    return 1 / 240 if images.pixels.shape[1] == 8 else 1 / 255


def _embedder(
    architecture: str, images: Images, schedule: Schedule, seed: int, old: Embedder | None = None
) -> Embedder:
    network = build(architecture, DIMENSION, seed)
    head = fresh_head(len(CLASSES), DIMENSION, seed)
    inputs, labels = as_input(images), torch.from_numpy(images.labels)
    if old is not None:
        with torch.no_grad():
            old_embeddings = old.network(inputs)
        old_head = frozen_head(old.head)

    def loss_of(rows: Tensor) -> Tensor:
        embeddings = network(inputs[rows])
        if old is None:
            return F.cross_entropy(head(embeddings), labels[rows])
        return bct_loss(
            embeddings, labels[rows], head, old_head, old_embeddings[rows], INFLUENCE, ALIGNMENT
        )

    fit([*network.parameters(), *head.parameters()], len(images), loss_of, schedule, seed)
    return Embedder(network, head)


def _classifier(
    images: Images, schedule: Schedule, seed: int, old: nn.Sequential | None = None
) -> nn.Sequential:
    network = build("mnist-conv-16", len(CLASSES), seed)
    inputs, labels = as_input(images), torch.from_numpy(images.labels)
    generator = torch.Generator().manual_seed(seed)
    if old is not None:
        network.load_state_dict(old.state_dict())

    def loss_of(rows: Tensor) -> Tensor:
        if old is None:
            return F.cross_entropy(network(inputs[rows]), labels[rows])
        jittered = jitter(inputs[rows], generator)
        with torch.no_grad():
            old_logits = old(jittered)
        return distillation_loss(network(jittered), old_logits, labels[rows], **FOCAL)

    fit(network.parameters(), len(images), loss_of, schedule, seed)
    return network
