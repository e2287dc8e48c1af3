"""What a table of an upload is, and how much of one is read."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from workers.errors import PermanentError

MAX_TEXT = 200
"""Characters of an id, a class name or a slice value."""

FORBIDDEN = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
"""Characters that no page can show and PostgreSQL cannot store."""

Texts = list[str | None]


@dataclass(frozen=True)
class Caps:
    """How much of a table is read (chosen, except where a line says otherwise).

    Attributes:
        rows: samples.
        columns: columns.
        bytes: bytes of one column once it is decoded.
        ratio: decoded bytes for each byte of the file, beyond ``free_bytes``. Images and labels
            compress by less than 20; a bomb by 1,000.
        free_bytes: decoded bytes that are read whatever the ratio.
        pixels: pixels of one image.
    """

    rows: int = 1_000_000
    columns: int = 200
    bytes: int = 2 * 2**30
    ratio: int = 50
    free_bytes: int = 64 * 2**20
    pixels: int = 2**24

    def require_rows(self, rows: int) -> None:
        if rows > self.rows:
            raise PermanentError(
                "too_large", f"the table has {rows} rows; at most {self.rows} are taken"
            )

    def require_columns(self, names: Sequence[str]) -> None:
        if len(names) > self.columns:
            raise PermanentError(
                "too_large", f"the table has {len(names)} columns; at most {self.columns} are taken"
            )
        for name in names:
            if not name or len(name) > MAX_TEXT or FORBIDDEN.search(name):
                raise PermanentError(
                    "column_name",
                    f"the column name {name[:40]!r} is empty, longer than {MAX_TEXT} characters, "
                    "or holds control characters",
                )
            if names.count(name) > 1:
                raise PermanentError("column_name", f"there are two columns called {name!r}")

    def require_inflation(self, decoded_bytes: int, file_bytes: int) -> None:
        """Refuse what decodes to far more than the file holds, before it is decoded."""
        if decoded_bytes > max(self.free_bytes, self.ratio * file_bytes):
            raise PermanentError(
                "inflates_too_far",
                f"{file_bytes} bytes would become {decoded_bytes}: more than {self.ratio} for one",
            )

    def require_bytes(self, decoded_bytes: int) -> None:
        if decoded_bytes > self.bytes:
            raise PermanentError(
                "too_large",
                f"a column decodes to more than {self.bytes} bytes; split the upload",
            )


class Table(Protocol):
    """A table whose columns are decoded when they are asked for."""

    rows: int
    names: tuple[str, ...]

    def texts(self, name: str) -> Texts:
        """Return a column of strings or integers as strings; ``None`` where there is no value.

        Raises:
            PermanentError: ``unsupported_dtype``, ``bad_text``.
        """

    def flags(self, name: str) -> NDArray[np.bool_]:
        """Return a boolean column. Raises PermanentError ``unsupported_dtype``."""

    def numbers(self, name: str) -> NDArray[np.generic]:
        """Return (n, ...) uint8 or float32.

        Raises:
            PermanentError: ``unsupported_dtype``, ``unequal_shapes``, ``missing_value``.
        """

    def images(self, name: str) -> NDArray[np.uint8]:
        """Return encoded images as (n, height, width) or (n, height, width, 3).

        Raises:
            PermanentError: ``unsupported_dtype``, ``unequal_shapes``, ``not_an_image``.
        """

    def slice_values(self, name: str) -> list[str] | None:
        """Return a string, boolean or integer column as strings, empty where there is no value;
        ``None`` for a column of another kind."""


def require_text(value: str | None, name: str, row: int) -> None:
    """Refuse a text that is too long or holds characters that cannot be shown or stored."""
    if value is not None and (len(value) > MAX_TEXT or FORBIDDEN.search(value)):
        raise PermanentError(
            "bad_text",
            f"{name!r} in row {row} is longer than {MAX_TEXT} characters or holds control "
            f"characters: {value[:40]!r}",
        )
