"""Reading what the registry keeps: the canonical evaluation set and a version's outputs on it."""

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compat.errors import ShapeError
from compat.metrics.alignment import order_by_id
from workers.errors import PermanentError

SLICE_PREFIX = "slice:"


@dataclass(frozen=True)
class StoredSet:
    """A canonical evaluation set without its inputs, which are read when they are looked at.

    Attributes:
        path: the archive.
        ids: (n,) unicode.
        labels: (n,) int64, an index into ``classes``.
        classes: class names, sorted.
        is_query: (n,) bool.
        is_gallery: (n,) bool.
        identities: (n,) int64, equal for samples that are not independent; None if all are.
        slices: by column, the (n,) unicode value of each sample.
    """

    path: Path
    ids: np.ndarray
    labels: np.ndarray
    classes: list[str]
    is_query: np.ndarray
    is_gallery: np.ndarray
    identities: np.ndarray | None
    slices: Mapping[str, np.ndarray]

    def slice_masks(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the whole set, named by the empty string, then every ``column=value``."""
        yield "", np.ones(len(self.ids), dtype=bool)
        for column, values in sorted(self.slices.items()):
            for value in np.unique(values):
                yield f"{column}={value}", values == value

    def inputs(self) -> np.ndarray | None:
        """Return the (n, ...) inputs, or None when the set has none."""
        with np.load(self.path, allow_pickle=False) as archive:
            return archive["inputs"] if "inputs" in archive.files else None


@dataclass(frozen=True)
class StoredOutputs:
    """The outputs of one version, in the order of the evaluation set.

    Attributes:
        outputs: (n, D) float32.
        predicted: (n,) int64, an index into the set's classes or -1; None for an embedding.
        repeat_rows: (m,) int64 rows that were run a second time.
        repeat_outputs: (m, D) float32.
    """

    outputs: np.ndarray
    predicted: np.ndarray | None
    repeat_rows: np.ndarray
    repeat_outputs: np.ndarray


def read_set(path: Path) -> StoredSet:
    """Read a canonical set.

    Raises:
        PermanentError: ``set_unreadable``.
    """
    arrays = _read(path, "set_unreadable", without=("inputs",))
    try:
        return StoredSet(
            path=path,
            ids=arrays["ids"],
            labels=arrays["labels"],
            classes=arrays["classes"].tolist(),
            is_query=arrays["is_query"],
            is_gallery=arrays["is_gallery"],
            identities=arrays.get("identities"),
            slices={
                name.removeprefix(SLICE_PREFIX): values
                for name, values in arrays.items()
                if name.startswith(SLICE_PREFIX)
            },
        )
    except KeyError as exc:
        raise PermanentError("set_unreadable", f"the set has no array {exc}") from exc


def read_outputs(path: Path, ids: np.ndarray, version: str) -> StoredOutputs:
    """Read the outputs of one version and bring them into the order of ``ids``.

    Args:
        path: the archive.
        ids: (n,) ids of the evaluation set.
        version: how messages name it.

    Raises:
        PermanentError: ``outputs_unreadable``, ``outputs_misaligned`` when the ids are not exactly
            the set's, or ``outputs_not_finite``.
    """
    arrays = _read(path, "outputs_unreadable")
    try:
        found, outputs = arrays["ids"], arrays["outputs"]
        repeat_rows, repeat_outputs = arrays["repeat_rows"], arrays["repeat_outputs"]
    except KeyError as exc:
        detail = f"the outputs of the {version} version have no array {exc}"
        raise PermanentError("outputs_unreadable", detail) from exc
    predicted = arrays.get("predicted")
    lengths = {len(found), len(outputs), len(outputs if predicted is None else predicted)}
    if outputs.ndim != 2 or len(lengths) != 1:
        detail = f"the {version} version has {len(found)} ids for outputs {outputs.shape}"
        raise PermanentError("outputs_misaligned", detail)
    rows = _order(ids, found, version)
    _require_finite(outputs, repeat_outputs, version)
    place = np.argsort(rows)
    return StoredOutputs(
        outputs=outputs[rows],
        predicted=None if predicted is None else predicted[rows],
        repeat_rows=place[repeat_rows],
        repeat_outputs=repeat_outputs,
    )


def _order(ids: np.ndarray, found: np.ndarray, version: str) -> np.ndarray:
    try:
        return order_by_id(ids, found)
    except ShapeError as exc:
        raise PermanentError("outputs_misaligned", f"{version} version: {exc}") from exc


def _require_finite(outputs: np.ndarray, repeat_outputs: np.ndarray, version: str) -> None:
    if not (np.isfinite(outputs).all() and np.isfinite(repeat_outputs).all()):
        detail = f"an output of the {version} version is NaN or infinite"
        raise PermanentError("outputs_not_finite", detail)


def _read(path: Path, code: str, without: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files if name not in without}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as exc:
        raise PermanentError(code, str(exc)) from exc
