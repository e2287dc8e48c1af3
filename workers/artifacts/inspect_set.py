"""Job: turn an uploaded evaluation set into its canonical form, or say what is wrong with it."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.artifacts.stored import CLASS, CanonicalSet
from workers.artifacts.tables import Table
from workers.artifacts.upload import complete, open_table, read_ids, read_inputs, require_column
from workers.errors import PermanentError

SET_FILE = "set.npz"
KNOWN = ("id", "input", "image", "text", "label", "role", "identity", "pinned", "severity")
ROLES = ("query", "gallery", "both")

MAX_CLASSES = 50_000
"""Classes of a set (chosen): product retrieval benchmarks have about 23,000."""

MAX_SLICE_VALUES = 50
MAX_SLICES = 50
"""Slice columns (chosen): each is measured on its own."""


def main(job: dict[str, Any], folder: Path, report: Callable[[int, int], None]) -> dict[str, Any]:
    """Write ``set.npz`` and return its summary."""
    table = open_table(folder / job["artifact"])
    canonical = read_set(table, job["task"])
    report(1, 2)
    canonical.write(folder / SET_FILE)
    report(2, 2)
    return summary(canonical)


def read_set(table: Table, task: str) -> CanonicalSet:
    """Return the canonical form of ``table``.

    Raises:
        PermanentError: the code says which rule is broken, the detail says in which row.
    """
    ids = read_ids(table)
    require_column(table, "label")
    labels = complete(table.texts("label"), "label", "missing_label")
    classes, indices = np.unique(np.array(labels), return_inverse=True)
    if len(classes) > MAX_CLASSES:
        raise PermanentError(
            "too_many_classes",
            f"there are {len(classes)} labels; at most {MAX_CLASSES} are taken",
        )
    indices = indices.astype(np.int64)
    is_query, is_gallery = _roles(table, task, indices)
    return CanonicalSet(
        ids=np.array(ids),
        labels=indices,
        classes=classes,
        is_query=is_query,
        is_gallery=is_gallery,
        pinned=_pinned(table),
        inputs=read_inputs(table),
        identities=_identities(table),
        slices=_slices(table),
        severities=_severities(table),
    )


def summary(canonical: CanonicalSet) -> dict[str, Any]:
    """Return what the registry keeps of a set beside the file."""
    inputs = canonical.inputs
    return {
        "rows": len(canonical.ids),
        "classes": canonical.classes.tolist(),
        "n_queries": int(canonical.is_query.sum()),
        "n_gallery": int(canonical.is_gallery.sum()),
        "slices": {name: _counts(values) for name, values in canonical.slices.items()},
        "pinned": int(canonical.pinned.sum()),
        "input": None
        if inputs is None
        else {"dtype": str(inputs.dtype), "shape": list(inputs.shape[1:])},
        "has_identity": canonical.identities is not None,
        "has_severity": canonical.severities is not None,
    }


def _roles(
    table: Table, task: str, labels: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return who asks and who is found; in classification nobody does either."""
    if task != "embedding":
        nobody = np.zeros(table.rows, dtype=np.bool_)
        return nobody, nobody
    require_column(table, "role")
    roles = table.texts("role")
    for row, role in enumerate(roles):
        if role not in ROLES:
            raise PermanentError(
                "unknown_role", f"the role in row {row} is {role!r}; it must be one of {ROLES}"
            )
    is_query = np.array([role != "gallery" for role in roles])
    is_gallery = np.array([role != "query" for role in roles])
    _require_a_relevant_item(labels, is_query, is_gallery)
    return is_query, is_gallery


def _require_a_relevant_item(
    labels: NDArray[np.int64], is_query: NDArray[np.bool_], is_gallery: NDArray[np.bool_]
) -> None:
    """Refuse a set in which no query has anything to find; a query never finds itself."""
    found = np.bincount(labels[is_gallery], minlength=labels.max() + 1)
    others = found[labels] - is_gallery
    if not (others[is_query] > 0).any():
        raise PermanentError(
            "no_relevant_item",
            f"none of the {int(is_query.sum())} queries shares its label with another item of the "
            f"gallery, which has {int(is_gallery.sum())}",
        )


def _pinned(table: Table) -> NDArray[np.bool_]:
    if "pinned" not in table.names:
        return np.zeros(table.rows, dtype=np.bool_)
    return table.flags("pinned")


def _identities(table: Table) -> NDArray[np.int64] | None:
    if "identity" not in table.names:
        return None
    names = complete(table.texts("identity"), "identity", "missing_value")
    return np.unique(np.array(names), return_inverse=True)[1].astype(np.int64)


def _severities(table: Table) -> NDArray[np.float32] | None:
    if "severity" not in table.names:
        return None
    weights = table.numbers("severity").astype(np.float32)
    if weights.ndim != 1:
        raise PermanentError(
            "bad_severity",
            f"'severity' has shape {list(weights.shape)}; it must be one number a row",
        )
    good = np.isfinite(weights) & (weights >= 0)
    if not good.all():
        row = int(np.argmin(good))
        raise PermanentError(
            "bad_severity", f"the severity in row {row} is {weights[row]}; it must be 0 or more"
        )
    return weights


def _slices(table: Table) -> dict[str, NDArray[np.str_]]:
    """Return the columns that name subsets; what has too many values is no slice."""
    slices = {}
    for name in table.names:
        if name in KNOWN:
            continue
        values = table.slice_values(name)
        if values is not None and 0 < len(set(values) - {""}) <= MAX_SLICE_VALUES:
            _require_slice_name(name)
            slices[name] = np.array(values)
    if len(slices) > MAX_SLICES:
        raise PermanentError(
            "too_many_slices", f"{len(slices)} columns are slices; at most {MAX_SLICES} are taken"
        )
    return slices


def _require_slice_name(name: str) -> None:
    if name == CLASS or "&" in name or "=" in name:
        raise PermanentError(
            "column_name",
            f"the column {name!r} is a slice: its name may not be {CLASS!r} nor hold '&' or '='",
        )


def _counts(values: Sequence[str]) -> dict[str, int]:
    counted = Counter(str(value) for value in values if value)
    return dict(sorted(counted.items()))
