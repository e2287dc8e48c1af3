"""What names, rows and metadata must satisfy before an engine sees them."""

import re
from collections.abc import Sequence

import numpy as np

from workers.engines.protocol import Collection, Metadata, Rows
from workers.errors import PermanentError

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST_NAME = 48
"""PostgreSQL takes 63 characters for a table, of which an adapter needs some (chosen)."""

MOST_DIMENSIONS = 16_000
"""Numbers of a vector: what pgvector stores at most, the least of all engines."""

KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
"""Names of metadata: dots and brackets are paths to some engines, so there are none."""

MOST_KEYS = 32
LONGEST_VALUE = 1000
LARGEST_NUMBER = 2**53
"""Beyond, JSON numbers are no longer exact everywhere."""


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
        if reason := _fault(entry):
            raise PermanentError("invalid_metadata", reason)


def require_filter(where: Metadata | None) -> None:
    """Refuse a filter that no metadata could equal.

    Raises:
        PermanentError: ``invalid_filter``.
    """
    if where is not None and (reason := _fault(where)):
        raise PermanentError("invalid_filter", reason)


def _fault(entry: Metadata) -> str:
    if len(entry) > MOST_KEYS:
        return f"{len(entry)} names, at most {MOST_KEYS}"
    for key, value in entry.items():
        if not isinstance(key, str) or not KEY.fullmatch(key):
            return f"{str(key)[:60]!r}: a name has letters, digits and underscores, at most 64"
        if not _is_scalar(value):
            return f"{key}: a value is a string, a whole number, true or false, within bounds"
    return ""


def _is_scalar(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_VALUE and "\0" not in value and _is_text(value)
    return isinstance(value, bool) or (
        isinstance(value, int) and -LARGEST_NUMBER <= value <= LARGEST_NUMBER
    )


def _is_text(value: str) -> bool:
    """Whether it can be written down: half a surrogate pair cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def equals(entry: Metadata, where: Metadata) -> bool:
    """Tell whether metadata has all that a filter asks for; a truth is no number."""
    return all(
        type(entry.get(key)) is type(value) and entry[key] == value for key, value in where.items()
    )
