"""Reading stored outputs for a comparison: in the order of the set, and finite."""

import zipfile
from pathlib import Path

import numpy as np

from compat.errors import ShapeError
from compat.metrics.alignment import order_by_id
from workers.artifacts.stored import CanonicalSet, Outputs
from workers.errors import PermanentError

_UNREADABLE = (OSError, ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile)


def read_set(path: Path, *, inputs: bool = False) -> CanonicalSet:
    """Read a canonical set, without its inputs unless asked.

    Raises:
        PermanentError: ``set_unreadable``.
    """
    _require_archive(path, "set_unreadable")
    try:
        return CanonicalSet.read(path, inputs=inputs)
    except _UNREADABLE as exc:
        raise PermanentError("set_unreadable", str(exc)) from exc


def read_outputs(path: Path, ids: np.ndarray, version: str) -> Outputs:
    """Read the outputs of one version and bring them into the order of ``ids``.

    Args:
        path: the archive.
        ids: (n,) ids of the evaluation set.
        version: how messages name it.

    Raises:
        PermanentError: ``outputs_unreadable``, ``outputs_misaligned`` when the ids are not exactly
            the set's, or ``outputs_not_finite``.
    """
    found = _read(path, version)
    lengths = {len(found.ids), len(found.outputs)}
    if found.predicted is not None:
        lengths.add(len(found.predicted))
    if found.outputs.ndim != 2 or len(lengths) != 1:
        detail = f"the {version} version has {len(found.ids)} ids for {found.outputs.shape}"
        raise PermanentError("outputs_misaligned", detail)
    if not np.isin(found.repeat_rows, np.arange(len(found.ids))).all():
        raise PermanentError("outputs_unreadable", f"{version} version: a repeated row is no row")
    _require_finite(found, version)
    rows = _order(ids, found.ids, version)
    return Outputs(
        ids=ids,
        outputs=found.outputs[rows],
        predicted=None if found.predicted is None else found.predicted[rows],
        repeat_rows=np.argsort(rows)[found.repeat_rows],
        repeat_outputs=found.repeat_outputs,
    )


def _require_archive(path: Path, code: str) -> None:
    if not zipfile.is_zipfile(path):  # numpy leaves such a file open when it refuses it
        raise PermanentError(code, "the file is no archive of arrays")


def _read(path: Path, version: str) -> Outputs:
    _require_archive(path, "outputs_unreadable")
    try:
        with np.load(path, allow_pickle=False) as kept:
            return Outputs(
                ids=kept["ids"],
                outputs=kept["outputs"],
                predicted=kept.get("predicted"),
                repeat_rows=kept["repeat_rows"],
                repeat_outputs=kept["repeat_outputs"],
            )
    except _UNREADABLE as exc:
        raise PermanentError("outputs_unreadable", f"{version} version: {exc}") from exc


def _order(ids: np.ndarray, found: np.ndarray, version: str) -> np.ndarray:
    try:
        return order_by_id(ids, found)
    except ShapeError as exc:
        raise PermanentError("outputs_misaligned", f"{version} version: {exc}") from exc


def _require_finite(found: Outputs, version: str) -> None:
    if not (np.isfinite(found.outputs).all() and np.isfinite(found.repeat_outputs).all()):
        detail = f"an output of the {version} version is NaN or infinite"
        raise PermanentError("outputs_not_finite", detail)
