"""Which rows may be found: counted and packed once, however often they are searched."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from workers.errors import PermanentError


class Live:
    """A mask over the rows of an index; it never changes.

    Raises:
        PermanentError: ``wrong_mask``: ``rows`` is no vector of booleans.
    """

    def __init__(self, rows: NDArray[np.bool_]) -> None:
        if rows.dtype != np.bool_ or rows.ndim != 1:
            raise PermanentError("wrong_mask", f"a mask of {rows.dtype} and {list(rows.shape)}")
        self.rows = rows
        self._parts: dict[tuple[int, int], Live] = {(0, len(rows)): self}

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def count(self) -> int:
        """Return how many rows may be found."""
        return int(np.count_nonzero(self.rows))

    @cached_property
    def bits(self) -> NDArray[np.uint8]:
        """Return the mask as FAISS reads it: eight rows a byte, the first one lowest."""
        return np.packbits(self.rows, bitorder="little")

    def part(self, start: int, stop: int) -> "Live":
        """Return the mask of consecutive rows, the same one each time."""
        if (start, stop) not in self._parts:
            self._parts[start, stop] = Live(self.rows[start:stop])
        return self._parts[start, stop]
