"""Job: turn uploaded predictions or embeddings into outputs of an evaluation set."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.artifacts.stored import CanonicalSet, Outputs
from workers.artifacts.tables import Table
from workers.artifacts.upload import complete, finite, open_table, read_ids
from workers.errors import PermanentError
from workers.outputs import finished, in_set_classes, predicted
from workers.signature import Signature

OUTPUTS_FILE = "outputs.npz"
SHOWN = 3
"""Ids named in a message."""


def main(job: dict[str, Any], folder: Path, report: Callable[[int, int], None]) -> dict[str, Any]:
    """Write ``outputs.npz`` in the set's order and return its size."""
    table = open_table(folder / job["artifact"])
    judged = CanonicalSet.read(folder / job["set"], inputs=False)
    outputs = read_recording(table, Signature.of(job["manifest"]), judged)
    report(1, 2)
    outputs.write(folder / OUTPUTS_FILE)
    report(2, 2)
    return {"rows": len(outputs.ids), "dimension": outputs.outputs.shape[1]}


def read_recording(table: Table, signature: Signature, judged: CanonicalSet) -> Outputs:
    """Return the recorded outputs, aligned to the set by id.

    Raises:
        PermanentError: ``ids_missing``, ``ids_extra``, ``duplicate_id``, ``missing_column``,
            ``two_outputs``, ``label_outside_classes``, and what ``finished`` raises.
    """
    order = _order(read_ids(table), judged.ids.tolist())
    given = [name for name in ("output", "prediction") if name in table.names]
    if len(given) != 1 or (given == ["prediction"] and not signature.classes):
        raise PermanentError(*_wrong_columns(given, signature))
    if given == ["prediction"]:
        return _from_names(table, signature, judged, order)
    raw = finite(table.numbers("output"), "output", "outputs_not_finite")
    outputs = finished(raw, signature, rows=table.rows)[order]
    classes = (
        predicted(outputs, signature.classes, judged.classes.tolist())
        if signature.classes
        else None
    )
    return Outputs.recorded(judged.ids, outputs, classes)


def _from_names(
    table: Table, signature: Signature, judged: CanonicalSet, order: NDArray[np.int64]
) -> Outputs:
    """Return outputs of which only the predicted class names are known."""
    names = complete(table.texts("prediction"), "prediction", "missing_label")
    columns = {name: column for column, name in enumerate(signature.classes)}
    for row, name in enumerate(names):
        if name not in columns:
            raise PermanentError(
                "label_outside_classes",
                f"row {row} predicts {name!r}, which is not among the manifest's classes",
            )
    indices = np.array([columns[name] for name in names], dtype=np.int64)[order]
    classes = in_set_classes(indices, signature.classes, judged.classes.tolist())
    return Outputs.recorded(judged.ids, np.empty((len(classes), 0), dtype=np.float32), classes)


def _order(ids: Sequence[str], wanted: Sequence[str]) -> NDArray[np.int64]:
    """Return, for each id of the set, the row of the upload that has it."""
    rows = {name: row for row, name in enumerate(ids)}
    missing = [name for name in wanted if name not in rows]
    if missing:
        raise PermanentError(
            "ids_missing",
            f"{len(missing)} of the {len(wanted)} ids of the set have no row: {_some(missing)}",
        )
    if len(ids) > len(wanted):
        known = set(wanted)
        extra = [name for name in ids if name not in known]
        raise PermanentError("ids_extra", f"{len(extra)} ids are not in the set: {_some(extra)}")
    return np.array([rows[name] for name in wanted], dtype=np.int64)


def _wrong_columns(given: Sequence[str], signature: Signature) -> tuple[str, str]:
    if len(given) == 2:
        return "two_outputs", "give either 'output' or 'prediction', not both"
    also = " or 'prediction'" if signature.classes else ""
    return "missing_column", f"the table needs a column 'output'{also}"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:SHOWN])
    return shown + (", ..." if len(names) > SHOWN else "")
