"""A toy world whose upgrades come out as science says: linear encoders over noisy classes.

Samples are a class direction in the first half of their numbers and noise in the second. The old
encoder keeps much of the noise, the compatible one little of it in the same coordinates, and the
independent one is the compatible one turned by a random rotation.
"""

import io
from typing import Any

import numpy as np
from onnx import helper, numpy_helper

from tests.builders.onnx_models import (
    a_classifier_manifest,
    a_linear_model,
    a_model,
    an_encoder_manifest,
)

SIDE = 6
CLASSES = ("a", "b", "c", "d", "e")
ROWS = 400


def samples(rows: int = ROWS, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return (rows, 12) float32 samples and their class names."""
    rng = np.random.default_rng(seed)
    prototypes = np.random.default_rng(99).normal(size=(len(CLASSES), SIDE))
    labels = rng.integers(len(CLASSES), size=rows)
    signal = prototypes[labels] + rng.normal(scale=0.3, size=(rows, SIDE))
    noise = rng.normal(size=(rows, SIDE))
    return np.hstack([signal, noise]).astype(np.float32), np.array(CLASSES)[labels]


def npz(**arrays: np.ndarray) -> bytes:
    """Return the bytes of an NPZ file."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def ids(rows: int, prefix: str = "s") -> np.ndarray:
    """Return that many sample ids."""
    return np.array([f"{prefix}-{i:04d}" for i in range(rows)])


def an_evaluation_set(task: str = "embedding", rows: int = ROWS, seed: int = 1) -> bytes:
    """Return an upload in which every sample is a query and a gallery item."""
    inputs, labels = samples(rows, seed)
    columns = {"id": ids(rows), "input": inputs, "label": labels}
    if task == "embedding":
        columns["role"] = np.full(rows, "both")
    columns["half"] = np.where(np.arange(rows) % 2 == 0, "even", "odd")
    return npz(**columns)


def items(rows: int = 50, seed: int = 5, prefix: str = "item") -> bytes:
    """Return an upload of gallery items."""
    return npz(id=ids(rows, prefix), input=samples(rows, seed)[0])


def encoder(kind: str, jitter: int = 0) -> tuple[bytes, dict[str, Any]]:
    """Return graph and manifest of the ``old``, ``compatible`` or ``independent`` encoder.

    Args:
        jitter: changes the bytes without changing what comes out noticeably.
    """
    noise = {"old": 0.9, "compatible": 0.15, "independent": 0.15}[kind]
    weights = np.diag([1.0] * SIDE + [noise] * SIDE)
    if kind == "independent":
        weights = weights @ np.linalg.qr(np.random.default_rng(3).normal(size=weights.shape))[0]
    weights = weights * (1 + jitter * 1e-6)
    graph = a_linear_model(weights, shape=(2 * SIDE,))
    return graph.SerializeToString(), an_encoder_manifest(2 * SIDE, shape=(2 * SIDE,))


def classifier(noise: float, seed: int = 0) -> tuple[bytes, dict[str, Any]]:
    """Return graph and manifest of a classifier that hears ``noise``; another seed, other noise."""
    prototypes = np.random.default_rng(99).normal(size=(len(CLASSES), SIDE))
    prototypes /= np.linalg.norm(prototypes, axis=1, keepdims=True)
    heard = np.random.default_rng(seed).normal(scale=noise, size=(SIDE, len(CLASSES)))
    graph = a_linear_model(np.vstack([prototypes.T, heard]), shape=(2 * SIDE,))
    return graph.SerializeToString(), a_classifier_manifest(CLASSES, shape=(2 * SIDE,))


def a_slow_encoder(
    seed: int = 4, side: int = 1536, rounds: int = 12
) -> tuple[bytes, dict[str, Any]]:
    """Return an encoder whose evaluation of a few thousand samples takes seconds."""
    mixing = np.linalg.qr(np.random.default_rng(seed).normal(size=(side, side)))[0]
    widen = np.random.default_rng(5).normal(size=(2 * SIDE, side)) / side**0.5
    nodes = [
        helper.make_node("MatMul", ["input", "widen"], ["x0"]),
        *(helper.make_node("MatMul", [f"x{i}", "mixing"], [f"x{i + 1}"]) for i in range(rounds)),
        helper.make_node("MatMul", [f"x{rounds}", "narrow"], ["logits"]),
    ]
    weights = {"widen": widen, "mixing": mixing, "narrow": widen.T}
    graph = a_model(
        nodes,
        shape=(2 * SIDE,),
        columns=2 * SIDE,
        initialisers=[numpy_helper.from_array(w.astype(np.float32), n) for n, w in weights.items()],
    )
    return graph.SerializeToString(), an_encoder_manifest(2 * SIDE, shape=(2 * SIDE,))
