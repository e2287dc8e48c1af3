"""A set and the stored outputs of two versions, and what the compare pipeline says of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from compat.measurement import Measurement
from workers.artifacts.stored import CanonicalSet, Outputs
from workers.pipelines.compare import main

ROWS = 60

MANIFESTS = {
    "classification": {"output": {"kind": "logits", "classes": ["cat", "dog", "owl"]}},
    "embedding": {"output": {"kind": "embedding", "dimension": 5}},
}


def a_set(
    folder: Path, task: str = "classification", rows: int = ROWS, **changes: Any
) -> CanonicalSet:
    """Write a set of rows of three classes, and return it; changes go to its columns."""
    is_embedding = task == "embedding"
    columns = {
        "ids": np.array([f"m-{i}" for i in range(rows)]),
        "labels": np.arange(rows) % 3,
        "classes": np.array(["cat", "dog", "owl"]),
        "is_query": np.full(rows, is_embedding),
        "is_gallery": np.full(rows, is_embedding),
        "pinned": np.zeros(rows, bool),
        "inputs": np.zeros((rows, 8, 8), np.uint8),
        "identities": None,
        "slices": {"light": np.array(["day", "night", ""])[np.arange(rows) // 3 % 3]},
    }
    judged = CanonicalSet(**columns | changes)
    judged.write(folder / "set.npz")
    return judged


def outputs(
    folder: Path,
    name: str,
    ids: np.ndarray,
    values: np.ndarray,
    predicted: np.ndarray | None = None,
    repeat_rows: Sequence[int] = (),
    repeat_outputs: np.ndarray | None = None,
) -> None:
    """Write the outputs of one version."""
    rows = np.array(repeat_rows, dtype=np.int64)
    again = values[rows] if repeat_outputs is None else repeat_outputs
    Outputs(ids, values, predicted, rows, again).write(folder / f"{name}.npz")


def a_classifier(
    folder: Path,
    name: str,
    judged: CanonicalSet,
    wrong: Sequence[int] = (),
    unknown: Sequence[int] = (),
    **changes: Any,
) -> None:
    """Write the outputs of a classifier that is right but for some rows."""
    predicted = judged.labels.copy()
    predicted[list(wrong)] = (predicted[list(wrong)] + 1) % 3
    scores = np.eye(3, dtype=np.float32)[predicted]
    predicted[list(unknown)] = -1
    values = {"ids": judged.ids, "values": scores, "predicted": predicted} | changes
    outputs(folder, name, **values)


def an_encoder(
    folder: Path,
    name: str,
    judged: CanonicalSet,
    noise: float = 1.0,
    seed: int = 0,
    d: int = 5,
    **changes: Any,
) -> None:
    """Write embeddings: a centre for each class, and noise."""
    centres = np.random.default_rng(99).normal(size=(3, 16))[:, :d]
    wobble = np.random.default_rng(seed).normal(size=(len(judged.labels), d))
    values = (centres[judged.labels] + noise * wobble).astype(np.float32)
    outputs(folder, name, **{"ids": judged.ids, "values": values} | changes)


def compared(folder: Path, task: str = "classification", **changes: Any) -> dict[str, Any]:
    """Return what the pipeline says of ``old.npz`` and ``new.npz``, as JSON has it."""
    job = {
        "task": task,
        "distance": "cosine" if task == "embedding" else "",
        "set": str(folder / "set.npz"),
        "old": str(folder / "old.npz"),
        "new": str(folder / "new.npz"),
        "producer": None,
        "ancestors": [],
        "asks": {},
        "old_manifest": MANIFESTS.get(task, {"output": {}}),
        "new_manifest": MANIFESTS.get(task, {"output": {}}),
        "device": "cpu",
    }
    result = main(job | changes, folder, lambda done, total: None)
    return json.loads(json.dumps(result, allow_nan=False))


def named(result: dict[str, Any], slice: str = "") -> dict[str, Measurement]:
    """Return the measurements of one slice by name."""
    found = (Measurement.from_json(m) for m in result["measurements"])
    return {m.name: m for m in found if m.slice == slice}
