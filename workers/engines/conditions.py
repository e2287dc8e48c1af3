"""What names, rows and metadata must satisfy before an engine sees them."""

import re
from collections.abc import Sequence

import numpy as np

from compat.metadata import fault_of
from workers.engines.protocol import Collection, Metadata, Rows
from workers.errors import PermanentError

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST_NAME = 48
"""PostgreSQL takes 63 characters for a table, of which an adapter needs some (chosen)."""

MOST_DIMENSIONS = 16_000
"""Numbers of a vector: what pgvector stores at most, the least of all engines."""


def require_collection(collection: Collection) -> None:
    """Refuse what some engine could not keep.

    Raises:
        PermanentError: ``invalid_collection``.
    """
    name = collection.name
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise PermanentError("invalid_collection", f"{name[:60]!r} is no name of a collection")
    if not 1 <= collection.dimension <= MOST_DIMENSIONS:
        raise PermanentError(
            "invalid_collection", f"{collection.dimension} numbers: 1 to {MOST_DIMENSIONS}"
        )
    if not collection.space:
        raise PermanentError("invalid_collection", "a collection says whose vectors it holds")


def require_rows(rows: Rows) -> None:
    """Refuse numbers that are no rows, or one that is named twice.

    Raises:
        PermanentError: ``invalid_rows``.
    """
    if rows.dtype != np.int64 or rows.ndim != 1:
        raise PermanentError("invalid_rows", f"rows are int64, not {rows.dtype} {rows.shape}")
    if len(rows) and rows.min() < 0:
        raise PermanentError("invalid_rows", f"{rows.min()} is no row")
    if len(np.unique(rows)) != len(rows):
        raise PermanentError("invalid_rows", "a row is named twice")


def require_metadata(metadata: Sequence[Metadata] | None, rows: int) -> None:
    """Refuse metadata that engines would compare each in its own way.

    Raises:
        PermanentError: ``invalid_metadata``.
    """
    if metadata is None:
        return
    if len(metadata) != rows:
        raise PermanentError("invalid_metadata", f"{len(metadata)} entries for {rows} rows")
    for entry in metadata:
        if reason := fault_of(entry):
            raise PermanentError("invalid_metadata", reason)


def require_filter(where: Metadata | None) -> None:
    """Refuse a filter that no metadata could equal.

    Raises:
        PermanentError: ``invalid_filter``.
    """
    if where is not None and (reason := fault_of(where)):
        raise PermanentError("invalid_filter", reason)
