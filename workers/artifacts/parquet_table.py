"""Parquet uploads: columns are read one at a time, in batches whose decoded size is counted."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from workers.artifacts.images import decode
from workers.artifacts.tables import Caps, Texts, require_text
from workers.errors import PermanentError

BATCH_ROWS = 512
THRIFT_BYTES = 16 * 2**20
"""Largest string or list inside the file's own description."""

VALUE_BYTES = 4
"""Bytes of a decoded number."""

LARGEST_EXACT = 2**24
"""Integers beyond it do not fit float32 without a change."""


class ParquetTable:
    """The ``Table`` of a Parquet file: one row a sample."""

    def __init__(self, path: Path, caps: Caps) -> None:
        self._caps = caps
        try:
            self._file = pq.ParquetFile(
                path,
                memory_map=False,
                pre_buffer=False,
                thrift_string_size_limit=THRIFT_BYTES,
                thrift_container_size_limit=THRIFT_BYTES,
            )
            self._schema = self._file.schema_arrow
        except (pa.ArrowException, OSError, ValueError) as exc:
            raise _unreadable(exc) from None
        self.names = tuple(self._schema.names)
        self.rows = self._file.metadata.num_rows
        caps.require_columns(self.names)
        caps.require_rows(self.rows)
        caps.require_inflation(_decoded_bytes(self._file.metadata), path.stat().st_size)

    def texts(self, name: str) -> Texts:
        kind = self._kind(name)
        if not (_is_text(kind) or pa.types.is_integer(kind)):
            raise _unsupported(name, kind, "one string or integer a row")
        return self._texts(name)

    def flags(self, name: str) -> NDArray[np.bool_]:
        if not pa.types.is_boolean(self._kind(name)):
            raise _unsupported(name, self._kind(name), "one boolean a row")
        values = self._column(name)
        if values.null_count:
            raise _missing(name, _first_null(values))
        return values.to_numpy(zero_copy_only=False)

    def numbers(self, name: str) -> NDArray[np.generic]:
        leaf = self._kind(name)
        while _is_list(leaf):
            leaf = leaf.value_type
        if not (pa.types.is_integer(leaf) or pa.types.is_floating(leaf)):
            raise _unsupported(name, self._kind(name), "numbers, or lists of numbers of one shape")
        filled = _Filled(name, self.rows, self._caps)
        for start, batch in self._batches(name):
            filled.put(start, _as_array(batch, name, start))
        return filled.array

    def images(self, name: str) -> NDArray[np.uint8]:
        kind = self._kind(name)
        if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
            raise _unsupported(name, kind, "the bytes of one PNG or JPEG file a row")
        filled = _Filled(name, self.rows, self._caps)
        for start, batch in self._batches(name):
            for row, encoded in enumerate(batch.to_pylist(), start=start):
                if encoded is None:
                    raise _missing(name, row)
                image = decode(encoded, max_pixels=self._caps.pixels, row=row)
                filled.put(row, image[None])
        return filled.array

    def slice_values(self, name: str) -> list[str] | None:
        kind = self._kind(name)
        if pa.types.is_boolean(kind):
            shown = {None: "", True: "true", False: "false"}
            return [shown[value] for value in self._column(name).to_pylist()]
        if _is_text(kind) or pa.types.is_integer(kind):
            return [value or "" for value in self._texts(name)]
        return None

    def _texts(self, name: str) -> Texts:
        values: Texts = []
        for start, batch in self._batches(name):
            try:
                found = batch.to_pylist()
            except UnicodeDecodeError:
                raise PermanentError(
                    "bad_text", f"{name!r} holds what is not UTF-8, near row {start}"
                ) from None
            for row, value in enumerate(found, start=start):
                text = None if value is None else str(value)
                require_text(text, name, row)
                values.append(text)
        return values

    def _kind(self, name: str) -> pa.DataType:
        """Return the type of a column; categories count as what they name."""
        kind = self._schema.field(name).type
        return kind.value_type if pa.types.is_dictionary(kind) else kind

    def _column(self, name: str) -> pa.Array:
        parts = [batch for _, batch in self._batches(name)]
        return pa.concat_arrays(parts) if parts else pa.array([], type=self._kind(name))

    def _batches(self, name: str) -> Iterator[tuple[int, pa.Array]]:
        """Yield the number of the first row and the decoded values of each batch."""
        rows, decoded_bytes = 0, 0
        try:
            for batch in self._file.iter_batches(BATCH_ROWS, columns=[name], use_threads=False):
                decoded_bytes += batch.nbytes
                self._caps.require_bytes(decoded_bytes)
                yield rows, _without_categories(batch.column(name))
                rows += batch.num_rows
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, KeyError) as exc:
            raise _unreadable(exc) from None
        if rows != self.rows:
            raise PermanentError("not_a_table", f"{name!r} has {rows} rows, not {self.rows}")


def _decoded_bytes(metadata: pq.FileMetaData) -> int:
    """Return about how large the file is once decoded.

    Its own size without compression is not enough: a million equal values are one entry of a
    dictionary and a run length.
    """
    decoded = 0
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for chunk in map(group.column, range(group.num_columns)):
            decoded += max(chunk.total_uncompressed_size, VALUE_BYTES * chunk.num_values)
    return decoded


class _Filled:
    """An array of all rows, made when the first part shows the shape, then filled."""

    def __init__(self, name: str, rows: int, caps: Caps) -> None:
        self._name, self._rows, self._caps = name, rows, caps
        self.array: NDArray[np.generic] = np.empty(0, dtype=np.float32)

    def put(self, start: int, part: NDArray[np.generic]) -> None:
        """Store ``part``, which begins at row ``start``."""
        if start == 0:
            shape = (self._rows, *part.shape[1:])
            self._caps.require_bytes(math.prod(shape) * part.itemsize)
            self.array = np.empty(shape, dtype=part.dtype)
        if part.shape[1:] != self.array.shape[1:]:
            raise _unequal(self._name, start, part.shape[1:], self.array.shape[1:])
        self.array[start : start + len(part)] = part


def _as_array(values: pa.Array, name: str, start: int) -> NDArray[np.generic]:
    """Return one batch of nested lists as an array; every list of a level has one length."""
    shape = [len(values)]
    per_row = 1
    while _is_list(values.type):
        if values.null_count:
            raise _missing(name, start + _first_null(values) // per_row)
        lengths = pc.list_value_length(values).to_numpy(zero_copy_only=False)
        if len(lengths) and (lengths != lengths[0]).any():
            at = int(np.argmax(lengths != lengths[0]))
            raise _unequal(name, start + at // per_row, (int(lengths[at]),), (int(lengths[0]),))
        size = int(lengths[0]) if len(lengths) else 0
        shape.append(size)
        per_row *= max(size, 1)
        values = values.flatten()
    if values.null_count:
        raise _missing(name, start + _first_null(values) // per_row)
    return _as_numbers(values, name).reshape(shape)


def _as_numbers(values: pa.Array, name: str) -> NDArray[np.generic]:
    numbers = values.to_numpy(zero_copy_only=False)
    if numbers.dtype == np.uint8:
        return numbers
    exact = numbers.dtype.kind == "f" or not (
        (numbers > LARGEST_EXACT).any() or (numbers < -LARGEST_EXACT).any()
    )
    if not exact:
        raise PermanentError(
            "unsupported_dtype", f"{name!r} holds integers that float32 cannot hold exactly"
        )
    with np.errstate(over="ignore"):  # what is too large becomes infinite and is refused as such
        return numbers.astype(np.float32)


def _without_categories(values: pa.Array) -> pa.Array:
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def _is_list(kind: pa.DataType) -> bool:
    return (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _first_null(values: pa.Array) -> int:
    return int(np.argmax(values.is_null().to_numpy(zero_copy_only=False)))


def _missing(name: str, row: int) -> PermanentError:
    return PermanentError("missing_value", f"{name!r} has no value in row {row}")


def _unequal(name: str, row: int, found: tuple[int, ...], first: tuple[int, ...]) -> PermanentError:
    return PermanentError(
        "unequal_shapes",
        f"{name!r} has shape {list(found)} in row {row} and {list(first)} before; all rows must "
        "have one shape",
    )


def _unsupported(name: str, kind: pa.DataType, wanted: str) -> PermanentError:
    return PermanentError("unsupported_dtype", f"{name!r} is of type {kind}; it must hold {wanted}")


def _unreadable(exc: Exception) -> PermanentError:
    return PermanentError("not_a_table", f"the Parquet file cannot be read: {str(exc)[:300]}")
