"""What vectors must satisfy before an engine sees them; engines repair nothing."""

import numpy as np
from numpy.typing import NDArray

from workers.errors import PermanentError
from workers.indexing.live import Live
from workers.indexing.protocol import Distance, Vectors

UNIT_TOLERANCE = 1e-4
"""How far from 1 a length may be (chosen: rounding to float32 stays below 1e-6)."""

LARGEST_SQUARE = 1e37
"""The largest squared length: up to it no inner product or squared distance of two vectors
overflows float32, whose largest number is 3.4e38."""


def require_vectors(vectors: Vectors, dimension: int, distance: Distance) -> None:
    """Refuse what an engine would silently take: another shape, NaN, overflow, wrong length.

    Raises:
        PermanentError: ``wrong_dimension``, ``not_finite``, ``out_of_range``, ``not_normalised``.
    """
    if vectors.dtype != np.float32 or vectors.ndim != 2 or vectors.shape[1] != dimension:
        raise PermanentError(
            "wrong_dimension",
            f"expected float32 rows of {dimension} numbers, got {vectors.dtype} of shape "
            f"{list(vectors.shape)}",
        )
    squares = _squares(vectors)
    if not np.isfinite(squares).all():
        raise PermanentError("not_finite", f"{_row(~np.isfinite(squares))} is not finite")
    if (squares > LARGEST_SQUARE).any():
        raise PermanentError(
            "out_of_range", f"{_row(squares > LARGEST_SQUARE)} is too long to be compared"
        )
    odd = np.abs(np.sqrt(squares) - 1) > UNIT_TOLERANCE
    if distance is Distance.COSINE and odd.any():
        raise PermanentError("not_normalised", f"{_row(odd)} does not have length one")


def comparable(vectors: Vectors, distance: Distance) -> Vectors:
    """Return vectors as an index of ``distance`` takes them: for cosine, their directions.

    Cosine is defined by directions alone, so an encoder whose manifest normalises nothing still
    has one; the zero vector has none.

    Raises:
        PermanentError: ``zero_vector``.
    """
    if distance is not Distance.COSINE:
        return vectors
    lengths = np.sqrt(_squares(vectors))
    if not lengths.all():
        raise PermanentError("zero_vector", f"{_row(lengths == 0)} is zero: it has no direction")
    with np.errstate(invalid="ignore"):  # what is not finite stays so, and the engine refuses it
        return (vectors / lengths[:, None]).astype(np.float32)


def require_search(k: int, rows: int, live: Live | None) -> None:
    """Refuse a number of neighbours or a mask that cannot be meant.

    Raises:
        PermanentError: ``invalid_k``, ``wrong_mask``.
    """
    if k < 1:
        raise PermanentError("invalid_k", f"{k} neighbours cannot be found")
    if live is not None and len(live) != rows:
        raise PermanentError("wrong_mask", f"a mask of {len(live)} for {rows} rows")


def _squares(vectors: Vectors) -> NDArray[np.float64]:
    return np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64)


def _row(at_fault: NDArray[np.bool_]) -> str:
    return f"row {int(np.argmax(at_fault))}"
