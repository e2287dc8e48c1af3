"""Job: fit adapters on paired vectors, choose one, and append it to a graph.

On the query side it maps the candidate's vectors and is appended to the candidate's graph. On the
gallery side it maps the incumbent's: it is appended to the incumbent's graph, and kept as a graph
of its own over stored vectors.
"""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from compat.adapters.choose import Choice, Side, choose
from compat.adapters.vector_map import VectorMap
from compat.errors import ShapeError
from compat.metrics.distances import Distance
from workers.artifacts.onnx_append import append_adapter, vector_graph
from workers.artifacts.onnx_checks import read_model
from workers.artifacts.stored import CanonicalSet
from workers.artifacts.vector_graphs import vector_manifest
from workers.errors import PermanentError
from workers.outputs import finished
from workers.pipelines.aligned import read_outputs, read_set
from workers.pipelines.compute_outputs import repeated_rows
from workers.runners.onnx_runner import OnnxRunner
from workers.signature import Signature

ADAPTED_FILE = "adapted.onnx"
VECTORS_FILE = "vectors.onnx"
"""The map alone, on the gallery side."""

MOST_PAIRS = 20_000
"""Pairs that are used, spread evenly (chosen: orthogonal maps saturate near 10,000)."""

TOLERANCE = 1e-5
"""Between the appended operators and the fitted map, in units of the vector's length."""


@dataclass(frozen=True)
class Sides:
    """Which side is mapped, and the manifests of the version it is from and of that it is into."""

    side: Side
    mapped: dict[str, Any]
    into: dict[str, Any]
    device: str


def main(job: dict[str, Any], folder: Path, report: Callable[[int, int], None]) -> dict[str, Any]:
    """Write ``adapted.onnx`` and return its manifest and what held-out items say of each method.

    On the gallery side ``vectors.onnx`` is written as well.

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
    new, old = (read_outputs(folder / job[name], fitting.ids, name) for name in ("new", "old"))
    side = Side(job["side"])
    mapped, into = ("new", "old") if side is Side.QUERY else ("old", "new")
    sides = Sides(side, job[f"{mapped}_manifest"], job[f"{into}_manifest"], job["device"])
    choice = _chosen(new.outputs, old.outputs, fitting, sides, job["distance"])
    report(2, 4)
    model, _ = read_model(folder / job["artifact"], sides.mapped)
    manifest = _append(model, choice.adapter, sides, folder)
    report(3, 4)
    difference = _difference(model, manifest, choice.adapter, fitting.inputs, sides, folder)
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
    sides: Sides,
    distance: str,
) -> Choice:
    """Fit and choose; vectors of length one are compared as directions, whatever the distance."""
    compared = Distance.COSINE if Signature.of(sides.into).unit_length else Distance(distance)
    rows = np.linspace(0, len(new) - 1, min(len(new), MOST_PAIRS)).round().astype(np.int64)
    groups = None if fitting.identities is None else torch.from_numpy(fitting.identities[rows])
    pairs = torch.from_numpy(new[rows]), torch.from_numpy(old[rows])
    try:
        return choose(*pairs, compared, side=sides.side, groups=groups)
    except ShapeError as exc:
        raise PermanentError("nothing_to_fit", str(exc)) from exc


def _append(model: bytes, adapter: VectorMap, sides: Sides, folder: Path) -> dict[str, Any]:
    """Write the adapted graph, have it pass the checks of every upload, return its manifest."""
    taken = Signature.of(sides.mapped)
    data, output = append_adapter(model, taken.output_name, adapter, unit_length=taken.unit_length)
    path = folder / ADAPTED_FILE
    path.write_bytes(data)
    manifest = sides.mapped | {"output": sides.into["output"] | {"name": output}}
    read_model(path, manifest)
    return manifest


def _difference(
    model: bytes,
    manifest: dict[str, Any],
    adapter: VectorMap,
    inputs: NDArray[np.generic],
    sides: Sides,
    folder: Path,
) -> float:
    """Return how far the graphs are from the fitted map behind the mapped version's own graph."""
    some = inputs[repeated_rows(len(inputs))]
    plain = OnnxRunner(model, sides.mapped, device=sides.device).run(some)
    adapted = OnnxRunner((folder / ADAPTED_FILE).read_bytes(), manifest, device=sides.device)
    mapped = adapter(torch.from_numpy(plain)).numpy()
    expected = finished(mapped, Signature.of(manifest), rows=len(some))
    apart = _apart(adapted.run(some), expected)
    if sides.side is Side.GALLERY:
        apart = max(apart, _apart(_rewritten(plain, adapter, sides, folder), expected))
    if not apart <= TOLERANCE:
        raise PermanentError(
            "adapter_differs",
            f"the adapted graph is {apart:.1e} away from the fitted map on its inputs",
        )
    return apart


def _rewritten(
    plain: NDArray[np.float32], adapter: VectorMap, sides: Sides, folder: Path
) -> NDArray[np.float32]:
    """Write the map as a graph over stored vectors, and return what that makes of ``plain``."""
    path = folder / VECTORS_FILE
    unit_length = Signature.of(sides.mapped).unit_length
    path.write_bytes(vector_graph(adapter, unit_length=unit_length))
    manifest = vector_manifest(plain.shape[1], sides.into["output"])
    data, _ = read_model(path, manifest)
    return OnnxRunner(data, manifest, device=sides.device).run(plain)


def _apart(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Return the greatest difference of two tables, in units of the expected row's length."""
    lengths = np.linalg.norm(expected.astype(np.float64), axis=1).clip(min=1e-12)
    return float((np.abs(found.astype(np.float64) - expected).max(axis=1) / lengths).max())
