"""Job: fit adapters on paired vectors, choose one, and append it to the candidate's graph."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from compat.adapters.choose import Choice, choose
from compat.adapters.vector_map import VectorMap
from compat.errors import ShapeError
from compat.metrics.distances import Distance
from workers.artifacts.onnx_append import append_adapter
from workers.artifacts.onnx_checks import read_model
from workers.artifacts.stored import CanonicalSet
from workers.errors import PermanentError
from workers.outputs import finished
from workers.pipelines.aligned import read_outputs, read_set
from workers.pipelines.compute_outputs import repeated_rows
from workers.runners.onnx_runner import OnnxRunner
from workers.signature import Signature

ADAPTED_FILE = "adapted.onnx"

MOST_PAIRS = 20_000
"""Pairs that are used, spread evenly (chosen: orthogonal maps saturate near 10,000)."""

TOLERANCE = 1e-5
"""Between the appended operators and the fitted map, in units of the vector's length."""


def main(job: dict[str, Any], folder: Path, report: Callable[[int, int], None]) -> dict[str, Any]:
    """Write ``adapted.onnx`` and return its manifest and what held-out items say of each method.

    Raises:
        PermanentError: ``set_judges_the_alias``, ``set_without_inputs``,
            ``nothing_to_fit``, ``adapter_differs``, and what reading, checking and running a graph
            and reading outputs raise.
    """
    fitting = read_set(folder / job["set"], inputs=True)
    if fitting.inputs is None:
        raise PermanentError("set_without_inputs", "the fitting set holds no inputs to check with")
    for name, path in job["judged"].items():
        _require_apart(fitting, read_set(folder / path, inputs=True), name)
    report(1, 4)
    new, old = (read_outputs(folder / job[side], fitting.ids, side) for side in ("new", "old"))
    choice = _chosen(new.outputs, old.outputs, fitting, Signature.of(job["old_manifest"]), job)
    report(2, 4)
    model, _ = read_model(folder / job["artifact"], job["new_manifest"])
    manifest = _append(model, choice.adapter, job, folder)
    report(3, 4)
    difference = _difference(model, manifest, choice.adapter, fitting.inputs, job, folder)
    report(4, 4)
    return {
        "manifest": manifest,
        "method": choice.method,
        "tried": [asdict(one) for one in choice.tried],
        "stay_old": asdict(choice.stay_old),
        "fitted": choice.fitted,
        "held_out": choice.held_out,
        "parameters": choice.adapter.parameters,
        "difference": difference,
    }


def _require_apart(fitting: CanonicalSet, judged: CanonicalSet, name: str) -> None:
    """Refuse samples that also judge: a candidate is never fitted on what decides on it."""
    if judged.inputs is None:
        return
    shared = _digests(fitting.inputs) & _digests(judged.inputs)
    if shared:
        raise PermanentError(
            "set_judges_the_alias",
            f"{len(shared)} inputs of the fitting set are in {name}, which judges the alias",
        )


def _digests(inputs: NDArray[np.generic]) -> set[bytes]:
    rows = np.ascontiguousarray(inputs)
    return {hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in rows}


def _chosen(
    new: NDArray[np.float32],
    old: NDArray[np.float32],
    fitting: CanonicalSet,
    wanted: Signature,
    job: Mapping[str, Any],
) -> Choice:
    """Fit and choose; vectors of length one are compared as directions, whatever the distance."""
    distance = Distance.COSINE if wanted.unit_length else Distance(job["distance"])
    rows = np.linspace(0, len(new) - 1, min(len(new), MOST_PAIRS)).round().astype(np.int64)
    groups = None if fitting.identities is None else torch.from_numpy(fitting.identities[rows])
    try:
        return choose(
            torch.from_numpy(new[rows]), torch.from_numpy(old[rows]), distance, groups=groups
        )
    except ShapeError as exc:
        raise PermanentError("nothing_to_fit", str(exc)) from exc


def _append(
    model: bytes, adapter: VectorMap, job: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """Write the adapted graph, have it pass the checks of every upload, return its manifest."""
    taken = Signature.of(job["new_manifest"])
    data, output = append_adapter(model, taken.output_name, adapter, unit_length=taken.unit_length)
    path = folder / ADAPTED_FILE
    path.write_bytes(data)
    manifest = job["new_manifest"] | {"output": job["old_manifest"]["output"] | {"name": output}}
    read_model(path, manifest)
    return manifest


def _difference(
    model: bytes,
    manifest: dict[str, Any],
    adapter: VectorMap,
    inputs: NDArray[np.generic],
    job: Mapping[str, Any],
    folder: Path,
) -> float:
    """Return how far the adapted graph is from the fitted map behind the candidate's own graph."""
    some = inputs[repeated_rows(len(inputs))]
    plain = OnnxRunner(model, job["new_manifest"], device=job["device"]).run(some)
    adapted = OnnxRunner((folder / ADAPTED_FILE).read_bytes(), manifest, device=job["device"])
    mapped = adapter(torch.from_numpy(plain)).numpy()
    expected = finished(mapped, Signature.of(manifest), rows=len(some))
    lengths = np.linalg.norm(expected.astype(np.float64), axis=1).clip(min=1e-12)
    apart = np.abs(adapted.run(some).astype(np.float64) - expected).max(axis=1) / lengths
    if not apart.max() <= TOLERANCE:
        raise PermanentError(
            "adapter_differs",
            f"the adapted graph is {apart.max():.1e} away from the fitted map on its inputs",
        )
    return float(apart.max())
