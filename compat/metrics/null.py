"""The null test: a version against itself must show nothing, or the measuring itself is broken."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from compat.errors import ShapeError
from compat.measurement import Measurement
from compat.metrics.alignment import order_by_id

TOLERANCE = 1e-4
"""Chosen: float32 kernels of another batch size differ by about 1e-6 of a row's norm; a model that
reads the rest of its batch, or the order of rows, differs by far more."""

SHOWS_NOTHING = {
    "nfr": 0,
    "pfr": 0,
    "retrieval_nfr": 0,
    "retrieval_pfr": 0,
    "severity_nfr": 0,
    "severity_retrieval_nfr": 0,
    "cumulative_nfr": 0,
    "cumulative_retrieval_nfr": 0,
    "top_score_shift": 0,
    "classes_lost": 0,
    "neighbour_overlap_at_10": 1,
}
"""What these measures are of a version against itself."""


@dataclass(frozen=True)
class NullResult:
    """Whether a version equals itself; ``reason`` says where it does not."""

    passed: bool
    reason: str = ""

    def __post_init__(self) -> None:
        if self.passed == bool(self.reason):
            raise ShapeError("a null test fails with a reason and passes without one")


def repeats_as_classifier(
    outputs: np.ndarray, repeat_rows: np.ndarray, repeat_outputs: np.ndarray
) -> NullResult:
    """Return whether rows that were run twice got the same class both times.

    Args:
        outputs: (n, C) scores.
        repeat_rows: (m,) integer rows that were run again; m may be 0.
        repeat_outputs: (m, C) their scores in another order and batch size.

    Returns:
        Passed when every arg max is the same.

    Raises:
        ShapeError: shapes do not fit, or a row is out of range.

    Example:
        >>> scores = np.array([[0.1, 0.9], [0.8, 0.2]])
        >>> repeats_as_classifier(scores, np.array([1]), np.array([[0.3, 0.7]])).reason
        'row 1 got another class when it was run again (1 of 1 rows)'
    """
    _require_repeats(outputs, repeat_rows, repeat_outputs)
    if not len(repeat_rows):
        return NullResult(True)
    changed = outputs[repeat_rows].argmax(axis=1) != repeat_outputs.argmax(axis=1)
    return _unless(changed, repeat_rows, "got another class when it was run again")


def repeats_as_encoder(
    outputs: np.ndarray,
    repeat_rows: np.ndarray,
    repeat_outputs: np.ndarray,
    tolerance: float = TOLERANCE,
) -> NullResult:
    """Return whether rows that were run twice got the same embedding both times.

    Args:
        outputs: (n, D) embeddings.
        repeat_rows: (m,) integer rows that were run again; m may be 0.
        repeat_outputs: (m, D) their embeddings in another order and batch size.
        tolerance: greatest allowed difference in one dimension, as a share of the row's norm.

    Returns:
        Passed when no row differs by more.

    Raises:
        ShapeError: shapes do not fit, or a row is out of range.

    Example:
        >>> vectors = np.array([[3.0, 4.0]])
        >>> repeats_as_encoder(vectors, np.array([0]), vectors + 1e-5).passed
        True
    """
    _require_repeats(outputs, repeat_rows, repeat_outputs)
    if not len(repeat_rows):
        return NullResult(True)
    once = outputs[repeat_rows].astype(np.float64)
    difference = np.abs(once - repeat_outputs).max(axis=1, initial=0.0)
    changed = ~(difference <= tolerance * np.linalg.norm(once, axis=1))
    return _unless(changed, repeat_rows, "got another embedding when it was run again")


def equals_itself(
    ids: np.ndarray,
    outputs: np.ndarray,
    copy_ids: np.ndarray,
    copy_outputs: np.ndarray,
    compare: Callable[[np.ndarray, np.ndarray], Sequence[Measurement]],
) -> NullResult:
    """Return whether two copies of one version's outputs are the same to the measuring code.

    The copy is brought into the order of ``ids`` first; then the stored numbers must be equal, the
    measures of ``SHOWS_NOTHING`` what is said there, and each paired difference exactly zero.

    Args:
        ids: (n,) ids of the samples.
        outputs: (n, ...) outputs in that order.
        copy_ids: (n,) the same ids in any order.
        copy_outputs: (n, ...) outputs in the order of ``copy_ids``.
        compare: measures old outputs against new ones, both in the order of ``ids``.

    Returns:
        Passed when nothing differs.

    Raises:
        ShapeError: ids are repeated or differ.

    Example:
        >>> ids, x = np.array(["a", "b"]), np.array([0, 1])
        >>> equals_itself(ids, x, ids[::-1], x[::-1], lambda old, new: []).passed
        True
        >>> equals_itself(ids, x, ids, np.array([0, 2]), lambda old, new: []).reason
        "the outputs of sample 'b' differ from themselves (1 of 2 samples)"
    """
    aligned = copy_outputs[order_by_id(ids, copy_ids)]
    if outputs.shape != aligned.shape:
        return NullResult(False, f"outputs are {outputs.shape} and {aligned.shape}")
    differs = (outputs != aligned).reshape(len(ids), -1).any(axis=1)
    if differs.any():
        sample = str(ids[differs.argmax()])
        share = f"({int(differs.sum())} of {len(ids)} samples)"
        return NullResult(False, f"the outputs of sample {sample!r} differ from themselves {share}")
    return _shows_nothing(compare(outputs, aligned))


def _shows_nothing(measurements: Sequence[Measurement]) -> NullResult:
    for found in measurements:
        is_paired = "_minus_" in found.name and not found.name.endswith(("_chance", "_majority"))
        nothing = 0 if is_paired else SHOWS_NOTHING.get(found.name)
        if nothing is not None and found.value not in (nothing, None):
            where = f" on {found.slice}" if found.slice else ""
            return NullResult(
                False, f"{found.name} of a version with itself is {found.value}{where}"
            )
    return NullResult(True)


def _unless(changed: np.ndarray, rows: np.ndarray, what: str) -> NullResult:
    if not changed.any():
        return NullResult(True)
    row, share = int(rows[changed.argmax()]), f"({int(changed.sum())} of {len(rows)} rows)"
    return NullResult(False, f"row {row} {what} {share}")


def _require_repeats(outputs: np.ndarray, rows: np.ndarray, repeat: np.ndarray) -> None:
    if outputs.ndim != 2 or rows.ndim != 1 or repeat.shape != (len(rows), outputs.shape[1]):
        raise ShapeError(f"repeats are {repeat.shape} for {rows.shape} rows of {outputs.shape}")
    if len(rows) and not 0 <= rows.min() <= rows.max() < len(outputs):
        raise ShapeError("a repeated row is out of range")
