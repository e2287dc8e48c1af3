"""What an index is: rows of vectors, and the nearest of them."""

from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from workers.indexing.live import Live

MISSING = -1
"""The row where fewer than k were found; its score is minus infinity."""

Vectors = NDArray[np.float32]
Found = tuple[NDArray[np.float32], NDArray[np.int64]]
"""(Q, k) scores and (Q, k) rows, best first."""


class Distance(StrEnum):
    """How two vectors are compared. The score of each is bigger for what is nearer.

    ``COSINE``: the inner product of vectors of length one, in [-1, 1]. ``INNER_PRODUCT``: as it
    is. ``EUCLIDEAN``: the negated distance (not its square), at most 0.
    """

    COSINE = "cosine"
    INNER_PRODUCT = "inner_product"
    EUCLIDEAN = "euclidean"


class Index(Protocol):
    """Rows numbered from 0 in the order in which they were added; every engine agrees on results.

    Several threads may search at once; none may while rows are added.
    """

    dimension: int
    distance: Distance

    def __len__(self) -> int:
        """Return the number of rows, hidden ones included."""

    def add(self, vectors: Vectors) -> None:
        """Append (n, D) finite float32 rows; for ``COSINE`` they must have length one.

        Raises:
            PermanentError: ``wrong_dimension``, ``not_finite``, ``out_of_range``,
                ``not_normalised``; nothing was added.
        """

    def search(self, queries: Vectors, k: int, live: Live | None = None) -> Found:
        """Return the k nearest rows of each query, best first, equal scores by row.

        Args:
            queries: (Q, D) under the same conditions as rows.
            k: how many; beyond the rows that there are, ``MISSING`` pads.
            live: which rows may be found; all if not given.

        Raises:
            PermanentError: as ``add``, and ``invalid_k``, ``wrong_mask``.
        """

    def vectors(self) -> Vectors:
        """Return a copy of all rows."""
