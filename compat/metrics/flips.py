"""Flips of a classifier: what the new version got wrong that the old one got right, and back.

Per sample the old and the new version are right or wrong. With counts a (both right), b (old right,
new wrong: negative flips), c (old wrong, new right: positive flips), d (both wrong) and
n = a + b + c + d, each measure but one is a mean of 0-or-1 contributions, so its function returns
those (``.mean`` is the value). An undefined measure is None with a reason, never 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np

from compat.errors import ShapeError
from compat.measurement import LEVELS, Direction, Measurement, Tail, undefined
from compat.metrics.bootstrap import Contributions, summarise

HIGHER, LOWER = Direction.HIGHER_IS_BETTER, Direction.LOWER_IS_BETTER

HALVED = {level: 1 - (1 - level) / 2 for level in LEVELS}
"""Levels at which each part of a ratio is bounded, by that of the ratio (Bonferroni)."""


@dataclass(frozen=True)
class FlipCounts:
    """The four counts of a comparison; their sum is the number of samples."""

    both_right: int
    negative: int
    positive: int
    both_wrong: int


def count_flips(old_right: np.ndarray, new_right: np.ndarray) -> FlipCounts:
    """Return the counts a, b, c, d.

    Args:
        old_right: (n,) bool, whether the old version is right.
        new_right: (n,) bool, whether the new version is right, in the same order.

    Returns:
        The counts; all zero when n is 0.

    Raises:
        ShapeError: not two boolean arrays of one length.

    Example:
        >>> count_flips(np.array([True, True, False]), np.array([True, False, False]))
        FlipCounts(both_right=1, negative=1, positive=0, both_wrong=1)
    """
    _require_answers(old_right, new_right)
    return FlipCounts(
        both_right=int((old_right & new_right).sum()),
        negative=int((old_right & ~new_right).sum()),
        positive=int((~old_right & new_right).sum()),
        both_wrong=int((~old_right & ~new_right).sum()),
    )


def nfr(old_right: np.ndarray, new_right: np.ndarray) -> Contributions:
    """Return the negative flip rate b / n: the share of samples that the new version broke.

    Gamed by not changing the model: read it beside both accuracies and the positive flip rate. With
    ``accuracy.new - accuracy.old = pfr - nfr``.

    Args:
        old_right: (n,) bool, whether the old version is right.
        new_right: (n,) bool, whether the new version is right, in the same order.

    Returns:
        (n,) contributions, 1 at a negative flip; mean in [0, 1], None when n is 0.

    Raises:
        ShapeError: not two boolean arrays of one length.

    Example:
        >>> nfr(np.array([True, True, False, True]), np.array([True, False, True, True])).mean
        0.25

    Source: Yan et al., CVPR 2021, arXiv 2011.09161.
    """
    _require_answers(old_right, new_right)
    return _share("nfr", old_right & ~new_right, direction=LOWER)


def pfr(old_right: np.ndarray, new_right: np.ndarray) -> Contributions:
    """Return the positive flip rate c / n: the share of samples that the new version repaired.

    Args:
        old_right: (n,) bool, whether the old version is right.
        new_right: (n,) bool, whether the new version is right, in the same order.

    Returns:
        (n,) contributions, 1 at a positive flip; mean in [0, 1], None when n is 0.

    Raises:
        ShapeError: not two boolean arrays of one length.

    Example:
        >>> pfr(np.array([False, True]), np.array([True, True])).mean
        0.5

    Source: Yan et al., CVPR 2021, arXiv 2011.09161.
    """
    _require_answers(old_right, new_right)
    return _share("pfr", ~old_right & new_right, direction=HIGHER)


def nfi(old_right: np.ndarray, new_right: np.ndarray) -> Contributions:
    """Return the negative flip impact b / (b + d): the share of the new errors that are flips.

    Args:
        old_right: (n,) bool, whether the old version is right.
        new_right: (n,) bool, whether the new version is right, in the same order.

    Returns:
        (n,) contributions, NaN where the new version is right; mean in [0, 1], None when the new
        version is never wrong.

    Raises:
        ShapeError: not two boolean arrays of one length.

    Example:
        >>> nfi(np.array([True, False, True]), np.array([False, False, True])).mean
        0.5

    Source: NFR divided by the new error rate; Yan et al., CVPR 2021, arXiv 2011.09161.
    """
    _require_answers(old_right, new_right)
    return _share("nfi", old_right, ~new_right, LOWER, "the new version makes no error")


def btc(old_right: np.ndarray, new_right: np.ndarray) -> Contributions:
    """Return backward trust compatibility a / (a + b): the share of right answers that stayed.

    ``nfr = accuracy.old * (1 - btc)``.

    Args:
        old_right: (n,) bool, whether the old version is right.
        new_right: (n,) bool, whether the new version is right, in the same order.

    Returns:
        (n,) contributions, NaN where the old version is wrong; mean in [0, 1], None when the old
        version is never right.

    Raises:
        ShapeError: not two boolean arrays of one length.

    Example:
        >>> btc(np.array([True, True, False]), np.array([True, False, True])).mean
        0.5

    Source: Bansal et al., AAAI 2019; Srivastava et al., KDD 2020.
    """
    _require_answers(old_right, new_right)
    return _share("btc", new_right, old_right, HIGHER, "the old version is never right")


def bec(old_right: np.ndarray, new_right: np.ndarray) -> Contributions:
    """Return backward error compatibility d / (b + d): the share of new errors that are not new.

    Equals ``1 - nfi``. Microsoft's library of the same name divides by c + d instead (the old
    version's errors), so its numbers are not comparable with these.

    Args:
        old_right: (n,) bool, whether the old version is right.
        new_right: (n,) bool, whether the new version is right, in the same order.

    Returns:
        (n,) contributions, NaN where the new version is right; mean in [0, 1], None when the new
        version is never wrong.

    Raises:
        ShapeError: not two boolean arrays of one length.

    Example:
        >>> bec(np.array([True, False, False]), np.array([False, False, True])).mean
        0.5

    Source: Srivastava et al., KDD 2020.
    """
    _require_answers(old_right, new_right)
    return _share("bec", ~old_right, ~new_right, HIGHER, "the new version makes no error")


def accuracy(right: np.ndarray, version: str) -> Contributions:
    """Return the share of right answers of one version.

    Args:
        right: (n,) bool, whether the version is right.
        version: ``old`` or ``new``; becomes part of the name.

    Returns:
        (n,) contributions named ``accuracy.<version>``; mean in [0, 1], None when n is 0.

    Raises:
        ShapeError: not a boolean array of one dimension.

    Example:
        >>> accuracy(np.array([True, False]), "new").mean
        0.5
    """
    _require_answers(right, right)
    return _share(f"accuracy.{version}", right, direction=HIGHER)


def accuracy_over_majority(new_right: np.ndarray, labels: np.ndarray) -> Contributions:
    """Return how far the new version is above always naming the most common class of these samples.

    Args:
        new_right: (n,) bool, whether the new version is right.
        labels: (n,) integer class of each sample.

    Returns:
        (n,) contributions in [-1, 1]; None when n is 0.

    Raises:
        ShapeError: the lengths differ or ``new_right`` is not boolean.

    Example:
        >>> accuracy_over_majority(np.array([True, True, False]), np.array([0, 0, 1])).mean
        0.0
    """
    _require_answers(new_right, new_right)
    if labels.shape != new_right.shape:
        raise ShapeError(f"labels are {labels.shape}, answers {new_right.shape}")
    names, counts = np.unique(labels, return_counts=True)
    common = labels == names[counts.argmax()] if len(names) else np.zeros(0, bool)
    majority = _share("majority", common, direction=HIGHER)
    return accuracy(new_right, "new").minus(majority, "accuracy.new_minus_majority")


def relative_nfr(
    old_right: np.ndarray,
    new_right: np.ndarray,
    clusters: np.ndarray | None = None,
    slice: str = "",
) -> Measurement:
    """Return NFR / (accuracy_old * error_new): flips against two independent sets of errors.

    1 means as many flips as if the two versions erred independently. Its bounds divide the bounds
    of ``nfi`` by those of the old accuracy, each at half the error probability (Bonferroni).

    Args:
        old_right: (n,) bool, whether the old version is right.
        new_right: (n,) bool, whether the new version is right, in the same order.
        clusters: (n,) integers, equal for samples that are not independent.
        slice: recorded on the measurement.

    Returns:
        A measurement, value >= 0; undefined when the old version is never right or the new one
        never wrong.

    Raises:
        ShapeError: not two boolean arrays of one length.

    Example:
        >>> old, new = np.array([True, True, False, False]), np.array([True, False, True, False])
        >>> relative_nfr(old, new).value
        1.0

    Source: Yan et al., CVPR 2021, arXiv 2011.09161.
    """
    parts = [nfi(old_right, new_right), accuracy(old_right, "old")]
    return _ratio(*summarise(parts, clusters, slice=slice, levels=tuple(HALVED.values())))


def contributions(
    old_right: np.ndarray, new_right: np.ndarray, labels: np.ndarray
) -> list[Contributions]:
    """Return every flip and accuracy measure that is a mean over samples.

    Args:
        old_right: (n,) bool, whether the old version is right.
        new_right: (n,) bool, whether the new version is right, in the same order.
        labels: (n,) integer class of each sample.

    Returns:
        ``nfr, pfr, nfi, btc, bec, accuracy.old, accuracy.new, accuracy.new_minus_old,
        accuracy.new_minus_majority``, (n,) each.

    Raises:
        ShapeError: lengths or dtypes are not as stated.

    Example:
        >>> right, labels = np.array([True, False]), np.array([0, 1])
        >>> [c.mean for c in contributions(right, right, labels) if c.name == "nfr"]
        [0.0]
    """
    old, new = accuracy(old_right, "old"), accuracy(new_right, "new")
    return [
        *(f(old_right, new_right) for f in (nfr, pfr, nfi, btc, bec)),
        old,
        new,
        new.minus(old, "accuracy.new_minus_old"),
        accuracy_over_majority(new_right, labels),
    ]


def measure(
    old_right: np.ndarray,
    new_right: np.ndarray,
    labels: np.ndarray,
    clusters: np.ndarray | None = None,
    slice: str = "",
    also: Sequence[Contributions] = (),
) -> list[Measurement]:
    """Return every flip and accuracy measure of one comparison on one slice.

    Args:
        old_right: (n,) bool, whether the old version is right.
        new_right: (n,) bool, whether the new version is right, in the same order.
        labels: (n,) integer class of each sample.
        clusters: (n,) integers, equal for samples that are not independent.
        slice: recorded on each measurement.
        also: further (n,) contributions, measured from the same resamples.

    Returns:
        ``nfr, pfr, nfi, btc, bec, accuracy.old, accuracy.new, accuracy.new_minus_old,
        accuracy.new_minus_majority``, those of ``also``, ``relative_nfr``. Shares carry their
        count, unless samples are clustered; differences carry resampled bounds.

    Raises:
        ShapeError: lengths or dtypes are not as stated.

    Example:
        >>> right, labels = np.array([True, False]), np.array([0, 1])
        >>> [m.value for m in measure(right, right, labels) if m.name == "nfr"]
        [0.0]
    """
    return measure_each(old_right, [new_right], labels, clusters, slice, [also])[0]


def measure_each(
    old_right: np.ndarray,
    candidates: Sequence[np.ndarray],
    labels: np.ndarray,
    clusters: np.ndarray | None = None,
    slice: str = "",
    also: Sequence[Sequence[Contributions]] = (),
) -> list[list[Measurement]]:
    """Return what ``measure`` does, for several new versions from the same resamples.

    Args:
        old_right: (n,) bool, whether the old version is right.
        candidates: (n,) bool each, whether that new version is right, in the same order.
        labels: (n,) integer class of each sample.
        clusters: (n,) integers, equal for samples that are not independent.
        slice: recorded on each measurement.
        also: for each new version, further (n,) contributions; none when empty.

    Returns:
        The measurements of each new version.

    Raises:
        ShapeError: lengths or dtypes are not as stated.

    Example:
        >>> old, worse = np.array([True, True]), np.array([True, False])
        >>> [found[0].value for found in measure_each(old, [old, worse], np.array([0, 1]))]
        [0.0, 0.5]
    """
    extra = also or [()] * len(candidates)
    means = [
        [*contributions(old_right, new, labels), *more]
        for new, more in zip(candidates, extra, strict=True)
    ]
    parts = [[nfi(old_right, new), accuracy(old_right, "old")] for new in candidates]
    found = iter(summarise([*chain(*means)], clusters, slice=slice))
    halves = iter(summarise([*chain(*parts)], clusters, slice=slice, levels=tuple(HALVED.values())))
    return [[*islice(found, len(ours)), _ratio(next(halves), next(halves))] for ours in means]


def flipped_rows(old_right: np.ndarray, new_right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the negative flips and those of the positive flips, each ascending.

    Args:
        old_right: (n,) bool, whether the old version is right.
        new_right: (n,) bool, whether the new version is right, in the same order.

    Returns:
        Two int64 arrays of row numbers.

    Raises:
        ShapeError: not two boolean arrays of one length.

    Example:
        >>> flipped_rows(np.array([True, False]), np.array([False, True]))
        (array([0]), array([1]))
    """
    _require_answers(old_right, new_right)
    return np.flatnonzero(old_right & ~new_right), np.flatnonzero(~old_right & new_right)


def flip_matrix(labels: np.ndarray, answers: np.ndarray) -> dict[int, dict[int, int]]:
    """Count what the new version answers instead, by true class.

    Args:
        labels: (b,) integer true class of each negative flip.
        answers: (b,) integer answer of the new version there.

    Returns:
        ``{class: {answer: count}}``, with no zero entry, in ascending order.

    Raises:
        ShapeError: lengths differ.

    Example:
        >>> flip_matrix(np.array([7, 7, 7]), np.array([1, 1, 2]))
        {7: {1: 2, 2: 1}}
    """
    if labels.ndim != 1 or labels.shape != answers.shape:
        raise ShapeError(f"labels are {labels.shape}, answers {answers.shape}")
    if not len(labels):
        return {}
    pairs, counts = np.unique(np.stack([labels, answers], axis=1), axis=0, return_counts=True)
    matrix: dict[int, dict[int, int]] = {}
    for (label, answer), count in zip(pairs.tolist(), counts.tolist(), strict=True):
        matrix.setdefault(label, {})[answer] = count
    return matrix


def _ratio(impact: Measurement, right: Measurement) -> Measurement:
    """Return ``relative_nfr`` from its two parts, which are bounded at the levels of ``HALVED``."""
    if impact.value is None or not right.value:
        reason = impact.undefined or right.undefined or "the old version is never right"
        return undefined("relative_nfr", LOWER, reason, slice=impact.slice)
    lower, upper = {}, {}
    for level, half in HALVED.items():
        above, below = impact.interval(half), right.interval(half)
        if above and below and below[0] > 0:
            lower[repr(level)], upper[repr(level)] = above[0] / below[1], above[1] / below[0]
    return Measurement(
        "relative_nfr",
        impact.value / right.value,
        right.support,
        LOWER,
        slice=impact.slice,
        bounds={Tail.LOWER.value: lower, Tail.UPPER.value: upper} if lower else {},
        clusters=impact.clusters,
    )


def _share(
    name: str,
    flags: np.ndarray,
    among: np.ndarray | None = None,
    direction: Direction = HIGHER,
    reason: str = "no sample",
) -> Contributions:
    values = flags.astype(np.float64)
    if among is not None:
        values[~among] = np.nan
    why = reason if len(flags) else "no sample"
    return Contributions(name, values, direction, reason=why, is_share=True)


def _require_answers(old_right: np.ndarray, new_right: np.ndarray) -> None:
    if old_right.dtype != bool or new_right.dtype != bool:
        raise ShapeError(f"answers are boolean, not {old_right.dtype} and {new_right.dtype}")
    if old_right.ndim != 1 or old_right.shape != new_right.shape:
        raise ShapeError(f"answers are {old_right.shape} and {new_right.shape}")
