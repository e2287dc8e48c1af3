"""NPZ uploads: members are read as streams by our own reader, and nothing is unpickled."""

import math
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from workers.artifacts.tables import Caps, Texts, require_text
from workers.errors import PermanentError

HEADER_BYTES = 10_000
"""numpy's own bound for a header that is read without trust."""

CHUNK_BYTES = 2**20
ENDING = ".npy"
READ_HEADER = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
HEADER_ERRORS = (ValueError, KeyError, EOFError, OverflowError, zipfile.BadZipFile, zlib.error)


class NpzTable:
    """The ``Table`` of an NPZ file: one array a column."""

    def __init__(self, path: Path, caps: Caps) -> None:
        self._path, self._caps = path, caps
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as exc:
            raise PermanentError("not_a_table", f"the NPZ file cannot be read: {exc}") from None
        self._require_sane(members)
        self.names = tuple(member.filename.removesuffix(ENDING) for member in members)
        caps.require_columns(self.names)
        lengths = {name: self._header(name)[0] for name in self.names}
        self.rows = lengths.get("id", 0)
        caps.require_rows(self.rows)
        for name, length in lengths.items():
            if "id" in lengths and length != self.rows:
                raise PermanentError(
                    "unequal_lengths", f"{name!r} has {length} rows where 'id' has {self.rows}"
                )

    def texts(self, name: str) -> Texts:
        return self._texts(name, self._array(name))

    def flags(self, name: str) -> NDArray[np.bool_]:
        array = self._array(name)
        if array.dtype != np.bool_ or array.ndim != 1:
            raise _unsupported(name, array, "one boolean a row")
        return array.view(np.uint8) != 0  # a byte of a file need not be 0 or 1

    def numbers(self, name: str) -> NDArray[np.generic]:
        array = self._array(name)
        if array.dtype not in (np.uint8, np.float32):
            raise _unsupported(name, array, "uint8 or float32")
        return array.astype(array.dtype.newbyteorder("="), copy=False)

    def images(self, name: str) -> NDArray[np.uint8]:
        raise PermanentError(
            "unsupported_dtype", f"{name!r} holds encoded images, which only Parquet can carry"
        )

    def slice_values(self, name: str) -> list[str] | None:
        shape, dtype, _ = self._whole_header(name)
        if len(shape) != 1 or dtype.kind not in "Uiub":
            return None
        array = self._array(name)
        if dtype.kind == "b":
            return ["true" if value else "false" for value in array.tolist()]
        return [value or "" for value in self._texts(name, array)]

    def _texts(self, name: str, array: NDArray[np.generic]) -> Texts:
        if array.ndim != 1 or array.dtype.kind not in "Uiu":
            raise _unsupported(name, array, "one string or integer a row")
        try:
            values = [str(value) for value in array.tolist()]
        except (ValueError, SystemError):
            raise PermanentError("bad_text", f"{name!r} holds what is not Unicode") from None
        for row, value in enumerate(values):
            require_text(value, name, row)
        return values

    def _require_sane(self, members: list[zipfile.ZipInfo]) -> None:
        """Refuse bombs by what the directory declares: zipfile never reads beyond that."""
        file_bytes = self._path.stat().st_size
        for member in members:
            if member.flag_bits & 1 or member.compress_type not in (
                zipfile.ZIP_STORED,
                zipfile.ZIP_DEFLATED,
            ):
                raise PermanentError(
                    "not_a_table", f"{member.filename!r} is encrypted or compressed unusually"
                )
        if sum(member.compress_size for member in members) > file_bytes:
            raise PermanentError("not_a_table", "members of the NPZ file overlap")
        self._caps.require_inflation(sum(member.file_size for member in members), file_bytes)

    def _header(self, name: str) -> tuple[int, ...]:
        shape, dtype, _ = self._whole_header(name)
        if not shape:
            raise PermanentError(
                "unsupported_dtype", f"{name!r} is a single value; a column has one value a row"
            )
        self._caps.require_bytes(math.prod(shape) * dtype.itemsize)
        return shape

    def _whole_header(self, name: str) -> tuple[tuple[int, ...], np.dtype, bool]:
        with zipfile.ZipFile(self._path) as archive, archive.open(name + ENDING) as member:
            shape, fortran, dtype = _read_header(member, name)
        return shape, dtype, fortran

    def _array(self, name: str) -> NDArray[np.generic]:
        with zipfile.ZipFile(self._path) as archive, archive.open(name + ENDING) as member:
            shape, fortran, dtype = _read_header(member, name)
            array = np.empty(math.prod(shape), dtype=dtype)
            _fill(member, memoryview(array.view(np.uint8)), name)
        return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)


def _read_header(member: zipfile.ZipExtFile, name: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return shape, order and dtype of a member; object arrays and records are refused."""
    try:
        version = npy.read_magic(member)
        shape, fortran, dtype = READ_HEADER[version](member, max_header_size=HEADER_BYTES)
    except HEADER_ERRORS as exc:
        raise PermanentError("not_a_table", f"{name!r} is not an array: {exc}") from None
    if dtype.hasobject or dtype.names or dtype.subdtype:
        raise PermanentError(
            "unsupported_dtype",
            f"{name!r} is an array of {dtype}; Python objects and records are never read",
        )
    if any(size < 0 for size in shape) or dtype.itemsize == 0:
        raise PermanentError("not_a_table", f"{name!r} has the shape {shape} of {dtype}")
    return shape, fortran, dtype


def _fill(member: zipfile.ZipExtFile, target: memoryview, name: str) -> None:
    """Read exactly ``target`` from ``member``."""
    filled = 0
    try:
        while filled < len(target):
            read = member.readinto(target[filled : filled + CHUNK_BYTES])
            if not read:
                break
            filled += read
        left = member.read(1)
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError) as exc:
        raise PermanentError("not_a_table", f"{name!r} cannot be read: {exc}") from None
    if filled < len(target) or left:
        raise PermanentError("not_a_table", f"{name!r} is shorter or longer than its header says")


def _unsupported(name: str, array: NDArray[np.generic], wanted: str) -> PermanentError:
    return PermanentError(
        "unsupported_dtype",
        f"{name!r} is an array of {array.dtype} with {array.ndim} axes; it must hold {wanted}",
    )
