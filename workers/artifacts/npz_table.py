"""NPZ uploads: members are read as streams by our own reader, and nothing is unpickled."""

import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workers.artifacts.tables import Caps, Texts, require_text
from workers.errors import PermanentError

CHUNK_BYTES = 2**20
ENDING = ".npy"

MAGIC = b"\x93NUMPY"
LENGTH_FORMATS = {1: "<H", 2: "<I", 3: "<I"}
HEADER_BYTES = 10_000

HEADER = re.compile(
    r"\{\s*'descr'\s*:\s*'(?P<descr>[<>|=]?[a-zA-Z?]\d{0,9}(?:\[\w{1,9}\])?)'\s*,"
    r"\s*'fortran_order'\s*:\s*(?P<fortran>True|False)\s*,"
    r"\s*'shape'\s*:\s*\((?P<shape>[\d,\s]{0,400})\)\s*,?\s*\}\s*"
)
"""What every writer of the format puts there. Numpy evaluates any literal, which a hostile header
can turn into a dozen kinds of exception; here there is nothing to evaluate."""

DAMAGE = (
    ValueError,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,  # a seek to where there is nothing
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What the zip reader makes of a damaged file."""


class NpzTable:
    """The ``Table`` of an NPZ file: one array a column."""

    def __init__(self, path: Path, caps: Caps) -> None:
        self._path, self._caps = path, caps
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
        except DAMAGE as exc:
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
        native = array.dtype.newbyteorder("=")
        if native not in (np.uint8, np.float32):
            raise _unsupported(name, array, "uint8 or float32")
        return array.astype(native, copy=False)

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
        """Refuse bombs by what the directory declares: zipfile never reads beyond that.

        The bytes of the file count, not those that members claim: overlapping members gain nothing.
        """
        file_bytes = self._path.stat().st_size
        for member in members:
            if member.flag_bits & 1 or member.compress_type not in (
                zipfile.ZIP_STORED,
                zipfile.ZIP_DEFLATED,
            ):
                raise PermanentError(
                    "not_a_table", f"{member.filename!r} is encrypted or compressed unusually"
                )
        self._caps.require_inflation(sum(member.file_size for member in members), file_bytes)

    @contextmanager
    def _member(self, name: str) -> Iterator[zipfile.ZipExtFile]:
        """Open the member of a column; whatever turns out to be damaged is a refusal."""
        try:
            with zipfile.ZipFile(self._path) as archive, archive.open(name + ENDING) as member:
                yield member
        except DAMAGE as exc:
            raise PermanentError("not_a_table", f"{name!r} cannot be read: {exc}") from None

    def _header(self, name: str) -> tuple[int, ...]:
        shape, dtype, _ = self._whole_header(name)
        if not shape:
            raise PermanentError(
                "unsupported_dtype", f"{name!r} is a single value; a column has one value a row"
            )
        self._caps.require_bytes(math.prod(shape) * dtype.itemsize)
        return shape

    def _whole_header(self, name: str) -> tuple[tuple[int, ...], np.dtype, bool]:
        with self._member(name) as member:
            shape, fortran, dtype = _read_header(member, name)
        return shape, dtype, fortran

    def _array(self, name: str) -> NDArray[np.generic]:
        with self._member(name) as member:
            shape, fortran, dtype = _read_header(member, name)
            array = np.empty(math.prod(shape), dtype=dtype)
            _fill(member, memoryview(array.view(np.uint8)))
        return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)


def _read_header(member: zipfile.ZipExtFile, name: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return shape, order and dtype of a member; object arrays and records are refused."""
    said = HEADER.fullmatch(_header_text(member))
    try:
        dtype = np.dtype(said["descr"] if said else "O")
    except TypeError:
        dtype = np.dtype("O")
    if dtype.hasobject or dtype.itemsize == 0:
        raise PermanentError(
            "unsupported_dtype",
            f"{name!r} is not an array of plain values; Python objects and records are never read",
        )
    shape = tuple(int(size) for size in said["shape"].replace(",", " ").split())
    return shape, said["fortran"] == "True", dtype


def _header_text(member: zipfile.ZipExtFile) -> str:
    """Return the header of an array, which says what follows it."""
    mark = member.read(len(MAGIC) + 2)
    length_format = LENGTH_FORMATS.get(mark[-2]) if len(mark) == len(MAGIC) + 2 else None
    if not mark.startswith(MAGIC) or length_format is None:
        raise ValueError("it does not begin as one")
    (length,) = struct.unpack(length_format, member.read(struct.calcsize(length_format)))
    if length > HEADER_BYTES:
        raise ValueError(f"its header has {length} bytes")
    return member.read(length).decode("utf-8").rstrip()


def _fill(member: zipfile.ZipExtFile, target: memoryview) -> None:
    """Read exactly ``target`` from ``member``."""
    filled = 0
    while filled < len(target):
        read = member.readinto(target[filled : filled + CHUNK_BYTES])
        if not read:
            break
        filled += read
    if filled < len(target) or member.read(1):
        raise ValueError("it is shorter or longer than its header says")


def _unsupported(name: str, array: NDArray[np.generic], wanted: str) -> PermanentError:
    return PermanentError(
        "unsupported_dtype",
        f"{name!r} is an array of {array.dtype} with {array.ndim} axes; it must hold {wanted}",
    )
