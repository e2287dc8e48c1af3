"""Uploaded tables as files: NPZ and Parquet, valid unless a test says otherwise."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 6


def columns(rows: int = ROWS, **changes: Any) -> dict[str, Any]:
    """Return the columns of a set for retrieval: three classes, inputs of four numbers.

    A change to ``None`` takes the column away.
    """
    made: dict[str, Any] = {
        "id": [f"m-{row}" for row in range(rows)],
        "input": np.arange(rows * 4, dtype=np.float32).reshape(rows, 4) + 1,
        "label": ["abc"[row % 3] for row in range(rows)],
        "role": ["both"] * rows,
    }
    made |= changes
    return {name: values for name, values in made.items() if values is not None}


def npz(folder: Path, arrays: Mapping[str, Any], *, name: str = "upload") -> Path:
    """Write the arrays as NPZ, whatever they are."""
    path = folder / name
    with path.open("wb") as file:
        np.savez_compressed(file, **{key: np.asarray(value) for key, value in arrays.items()})
    return path


def parquet(
    folder: Path,
    arrays: Mapping[str, Any],
    *,
    name: str = "upload",
    types: Mapping[str, pa.DataType] | None = None,
) -> Path:
    """Write the columns as Parquet; arrays become nested lists."""
    made = {
        key: pa.array(_plain(value), type=(types or {}).get(key)) for key, value in arrays.items()
    }
    path = folder / name
    pq.write_table(pa.table(made), path)
    return path


def _plain(values: Any) -> Sequence[Any] | pa.Array:
    if not isinstance(values, np.ndarray):
        return values
    leaf = pa.from_numpy_dtype(values.dtype)
    for _ in range(values.ndim - 1):
        leaf = pa.list_(leaf)
    return pa.array(values.tolist(), type=leaf)
