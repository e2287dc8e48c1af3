"""Uploaded tables: which kind a file is, and the columns that every table has."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workers.artifacts.content import looks_like
from workers.artifacts.npz_table import NpzTable
from workers.artifacts.parquet_table import ParquetTable
from workers.artifacts.tables import Caps, Table, Texts
from workers.errors import PermanentError


def open_table(path: Path, caps: Caps | None = None) -> Table:
    """Return the table in ``path``: Parquet or NPZ, by content.

    Raises:
        PermanentError: ``not_a_table``, ``too_large``, ``inflates_too_far``, ``column_name``,
            ``unequal_lengths``, ``unsupported_dtype``.
    """
    kind = looks_like(path)
    if kind == "a Parquet file":
        return ParquetTable(path, caps or Caps())
    if kind == "an NPZ file":
        return NpzTable(path, caps or Caps())
    raise PermanentError(
        "not_a_table",
        f"this looks like {kind or 'nothing known'}; a table is uploaded as Parquet or NPZ",
    )


def require_column(table: Table, name: str) -> None:
    """Refuse a table without the column ``name``."""
    if name not in table.names:
        raise PermanentError(
            "missing_column",
            f"there is no column {name!r}; the columns are {', '.join(table.names)[:300]}",
        )


def read_ids(table: Table) -> list[str]:
    """Return the ``id`` column.

    Raises:
        PermanentError: ``missing_column``, ``missing_value``, ``duplicate_id``, ``empty_set``.
    """
    require_column(table, "id")
    if table.rows == 0:
        raise PermanentError("empty_set", "the table has no rows")
    ids = complete(table.texts("id"), "id", "missing_value")
    rows: dict[str, int] = {}
    for row, name in enumerate(ids):
        if name in rows:
            raise PermanentError(
                "duplicate_id", f"the id {name!r} is in row {rows[name]} and again in row {row}"
            )
        rows[name] = row
    return ids


def complete(values: Texts, name: str, code: str) -> list[str]:
    """Return ``values``, none of which may be missing or empty."""
    for row, value in enumerate(values):
        if not value:
            raise PermanentError(code, f"{name!r} has no value in row {row}")
    return values  # type: ignore[return-value]


def read_inputs(table: Table) -> NDArray[np.generic] | None:
    """Return the samples, from ``input`` or ``image``; ``None`` where the table has neither.

    Raises:
        PermanentError: ``text_not_supported``, ``two_inputs``, ``not_finite``, and what
            ``numbers`` and ``images`` raise.
    """
    given = [name for name in ("input", "image", "text") if name in table.names]
    if "text" in given:
        raise PermanentError("text_not_supported", "text input cannot be run yet")
    if len(given) > 1:
        raise PermanentError("two_inputs", "give either 'input' or 'image', not both")
    if not given:
        return None
    if given == ["image"]:
        return table.images("image")
    return finite(table.numbers("input"), "input")


def finite(numbers: NDArray[np.generic], name: str, code: str = "not_finite") -> NDArray:
    """Return ``numbers``, none of which may be NaN or infinite."""
    if numbers.dtype == np.float32:
        good = np.isfinite(numbers.reshape(len(numbers), -1)).all(axis=1)
        if not good.all():
            row = int(np.argmin(good))
            raise PermanentError(code, f"{name!r} in row {row} holds NaN or an infinity")
    return numbers
