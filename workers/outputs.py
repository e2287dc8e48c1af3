"""What every array of outputs must satisfy, whoever made it, and what is derived from it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workers.errors import PermanentError
from workers.signature import Signature

NO_CLASS = -1
"""The predicted class of a sample whose predicted name the evaluation set does not know."""


def finished(
    raw: NDArray[np.generic], signature: Signature, *, rows: int, first_row: int = 0
) -> NDArray[np.float32]:
    """Return checked outputs, scaled to length one where the manifest says so.

    Args:
        raw: what a graph put out or a person recorded.
        rows: how many rows there must be.
        first_row: number of the first row, for messages.

    Raises:
        PermanentError: ``output_shape``, ``output_rows``, ``outputs_not_finite``,
            ``zero_embedding``.
    """
    require_shape(raw.shape, signature, rows=rows)
    with np.errstate(over="ignore"):  # too large for float32 is infinite, and refused below
        outputs = np.ascontiguousarray(raw, dtype=np.float32)
    finite = np.isfinite(outputs).all(axis=1)
    if not finite.all():
        row = first_row + int(np.argmin(finite))
        raise PermanentError(
            "outputs_not_finite", f"row {row} of the outputs holds NaN or an infinity"
        )
    return _unit_length(outputs, first_row) if signature.unit_length else outputs


def require_shape(shape: Sequence[int], signature: Signature, *, rows: int) -> None:
    """Refuse outputs whose shape is not (rows, width)."""
    if len(shape) != 2:
        raise PermanentError(
            "output_shape",
            f"the output has shape {list(shape)}; it must be [rows, {signature.width}]",
        )
    if shape[0] != rows:
        raise PermanentError("output_rows", f"{rows} rows went in and {shape[0]} came out")
    if shape[1] != signature.width:
        raise PermanentError(
            "output_shape",
            f"the output has {shape[1]} columns; the manifest says {signature.width}",
        )


def predicted(
    outputs: NDArray[np.float32], classes: Sequence[str], set_classes: Sequence[str]
) -> NDArray[np.int64]:
    """Return the best class of each row as an index into the classes of the evaluation set.

    Classes are matched by name: column order is the model's own affair. Of equal scores the
    first column wins. ``NO_CLASS`` stands for a class that the set does not know.
    """
    return in_set_classes(outputs.argmax(axis=1), classes, set_classes)


def in_set_classes(
    columns: NDArray[np.int64], classes: Sequence[str], set_classes: Sequence[str]
) -> NDArray[np.int64]:
    """Return indices into ``classes`` as indices into ``set_classes``, matched by name."""
    index = {name: position for position, name in enumerate(set_classes)}
    translation = np.array([index.get(name, NO_CLASS) for name in classes], dtype=np.int64)
    return translation[columns]


def _unit_length(vectors: NDArray[np.float32], first_row: int) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    if not lengths.all():
        row = first_row + int(np.argmin(lengths))
        raise PermanentError(
            "zero_embedding", f"row {row} of the outputs is the zero vector: it has no direction"
        )
    return (vectors / lengths[:, None]).astype(np.float32)
