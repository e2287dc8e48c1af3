"""Means of per-sample contributions, with bounds from a paired and clustered bootstrap.

Every measure here that is a mean is first written as contributions: one number a sample (or query),
NaN where the measure does not ask about it. A paired difference is the difference of two such
arrays, so that a sample which is undefined on one side leaves both. Where samples count unequally
the contributions carry weights, and the mean is the weighted one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from compat.errors import ShapeError
from compat.measurement import LEVELS, Direction, Measurement, Tail, proportion, undefined

RESAMPLES = 2000
"""Chosen: the 0.995 bound is then the tenth value from the end."""

SEED = 20110
"""Chosen once: the same outputs give the same bounds."""

BLOCK_BYTES = 64 * 2**20
"""Chosen: memory that the resampled weights may take at a time."""

MEASURES_BYTES = 512 * 2**20
"""Chosen: memory that the sums and counts of measures taken together may take."""

MIN_CLUSTERS = 8
"""Fewer independent contributions get no bounds: 2 ** -8 is the first power of a half below 0.005,
so with fewer even a unanimous sign test could not reach the highest of ``LEVELS``."""


@dataclass(frozen=True)
class Contributions:
    """What each sample adds to one measure, which is the mean over the defined samples.

    Attributes:
        name: the measure.
        values: (n,) float64; NaN where the sample is not asked about.
        direction: which way is better.
        low: least possible contribution.
        high: greatest possible contribution.
        reason: why the measure is undefined when no sample is defined.
        is_share: whether each defined contribution is 0 or 1, so that the mean is a proportion.
        weights: (n,) float64 >= 0, how much each sample counts; None if all count the same. A
            sample of weight 0 is not asked about.
        heaviest: greatest weight that a sample which was not seen may have, where weights are
            given.
    """

    name: str
    values: np.ndarray
    direction: Direction = Direction.HIGHER_IS_BETTER
    low: float = 0.0
    high: float = 1.0
    reason: str = "no sample"
    is_share: bool = False
    weights: np.ndarray | None = None
    heaviest: float = 0.0

    def __post_init__(self) -> None:
        if self.values.ndim != 1 or self.values.dtype != np.float64:
            raise ShapeError(f"{self.name}: contributions are one-dimensional float64")
        if np.isinf(self.values).any():
            raise ShapeError(f"{self.name}: a contribution is infinite")
        if self.is_share and not np.isin(self.values[self._is_defined], (0.0, 1.0)).all():
            raise ShapeError(f"{self.name}: a contribution to a share is neither 0 nor 1")
        if self.weights is not None:
            _require_weights(self.name, self.values, self.weights)

    @property
    def mean(self) -> float | None:
        """The measure, or None where no sample is defined."""
        if not self.support:
            return None
        defined = self._is_defined
        if self.weights is None:
            return float(self.values[defined].mean())
        return float(np.average(self.values[defined], weights=self.weights[defined]))

    @property
    def support(self) -> int:
        """How many samples are defined."""
        return int(self._is_defined.sum())

    @property
    def masses(self) -> np.ndarray:
        """(n,) float64: how much each sample counts; 0 where it is not defined."""
        return self._is_defined * (1.0 if self.weights is None else self.weights)

    @property
    def _is_defined(self) -> np.ndarray:
        defined = ~np.isnan(self.values)
        return defined if self.weights is None else defined & (self.weights > 0)

    def minus(self, other: "Contributions", name: str) -> "Contributions":
        """Return the paired difference; a sample undefined on one side leaves both."""
        if self.weights is not None or other.weights is not None:
            raise ShapeError(f"{name}: a difference of weighted means is not paired by sample")
        return Contributions(
            name,
            self.values - other.values,
            self.direction,
            low=self.low - other.high,
            high=self.high - other.low,
            reason=self.reason if self.mean is None else other.reason,
        )

    def at(self, rows: np.ndarray) -> "Contributions":
        """Return the contributions of some samples, by row number or mask."""
        weights = None if self.weights is None else self.weights[rows]
        return replace(self, values=self.values[rows], weights=weights)


def summarise(
    measures: Sequence[Contributions],
    clusters: np.ndarray | None = None,
    *,
    slice: str = "",
    levels: Sequence[float] = LEVELS,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    block_bytes: int = BLOCK_BYTES,
) -> list[Measurement]:
    """Return one measurement a measure, all from the same resamples.

    A share of independent samples is returned with its count, from which exact bounds follow.
    Everything else gets bounds from ``bounds_of_means``.

    Args:
        measures: contributions over the same n samples.
        clusters: (n,) integers, equal for samples that are not independent; None if all are.
        slice: recorded on each measurement.
        levels: one-sided confidence levels of the bounds.
        resamples: number of bootstrap samples.
        seed: of the random generator.
        block_bytes: memory that the resampled weights may take.

    Returns:
        Measurements in the order of ``measures``; undefined where no sample is defined. Without
        bounds where fewer than ``MIN_CLUSTERS`` independent contributions are defined.

    Raises:
        ShapeError: lengths differ.

    Example:
        >>> flags = Contributions("share", np.array([1.0, 0.0, np.nan]), is_share=True)
        >>> [(m.value, m.support, m.count) for m in summarise([flags])]
        [(0.5, 2, 1)]
    """
    exact = [m.is_share and m.weights is None and clusters is None for m in measures]
    rest = [m for m, is_exact in zip(measures, exact, strict=True) if not is_exact]
    resampled = iter(
        bounds_of_means(
            rest, clusters, levels=levels, resamples=resamples, seed=seed, block_bytes=block_bytes
        )
    )
    return [
        _share(m, slice) if is_exact else _mean(m, next(resampled), slice)
        for m, is_exact in zip(measures, exact, strict=True)
    ]


@dataclass(frozen=True)
class Resampled:
    """What the bootstrap says about one mean.

    Attributes:
        clusters: independent contributions that are defined.
        spread: standard deviation of one of them; None below two.
        bounds: one-sided bounds by tail and level; empty below ``MIN_CLUSTERS``.
    """

    clusters: int
    spread: float | None
    bounds: Mapping[str, Mapping[str, float]]


def bounds_of_means(
    measures: Sequence[Contributions],
    clusters: np.ndarray | None = None,
    *,
    levels: Sequence[float] = LEVELS,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    block_bytes: int = BLOCK_BYTES,
) -> list[Resampled]:
    """Return percentile bounds of each mean, resampling whole clusters with shared weights.

    Drawn from the clusters with replacement: sum over weight times the cluster's sum, divided by
    the sum over weight times its number of defined samples (Efron and Tibshirani, 1993, chapters 8
    and 13). What was never seen in C clusters may still have probability ``1 - (1 - level) ** (1 /
    C)``: each bound is moved at least that far towards the worst possible contribution, so that
    contributions which are all equal do not prove certainty. For a share of 0 or 1 this is the
    exact (Clopper-Pearson) bound.

    Of a weighted mean the two are added up, and what was never seen is as heavy as anything that
    may be seen: what the few heavy samples hide is not in the resamples.

    Args:
        measures: contributions over the same n samples.
        clusters: (n,) integers, equal for samples that are not independent; None if all are.
        levels: one-sided confidence levels of the bounds, each in (0.5, 1).
        resamples: number of bootstrap samples.
        seed: of the random generator.
        block_bytes: memory that the resampled weights may take.

    Returns:
        One ``Resampled`` a measure.

    Raises:
        ShapeError: lengths differ.

    Example:
        >>> same = Contributions("same", np.zeros(299), low=-1.0)
        >>> round(bounds_of_means([same])[0].bounds["lower"]["0.95"], 3)
        -0.01
    """
    if not measures:
        return []
    options = {"levels": levels, "resamples": resamples, "seed": seed, "block_bytes": block_bytes}
    together = max(1, MEASURES_BYTES // (16 * max(1, len(measures[0].values))))
    if len(measures) > together:
        parts = (measures[at : at + together] for at in range(0, len(measures), together))
        return [one for part in parts for one in bounds_of_means(part, clusters, **options)]
    sums, counts = _by_cluster(measures, clusters)
    means = np.empty((resamples, len(measures)))
    start = 0
    for weights in _weights(len(sums), resamples, seed, block_bytes):
        with np.errstate(invalid="ignore", divide="ignore"):
            means[start : start + len(weights)] = (weights @ sums) / (weights @ counts)
        start += len(weights)
    return [
        _resampled(m, sums[:, i], counts[:, i], means[:, i], levels) for i, m in enumerate(measures)
    ]


def _by_cluster(
    measures: Sequence[Contributions], clusters: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Sum M contributions, and what counts of them, in each of C clusters: two (C, M)."""
    masses = np.stack([m.masses for m in measures], axis=1)
    values = np.stack([m.values for m in measures], axis=1)
    np.multiply(values, masses, out=values, where=masses > 0)
    values[masses == 0] = 0.0
    if clusters is None:
        return values, masses
    if clusters.shape != values.shape[:1]:
        raise ShapeError(f"clusters are {clusters.shape}, samples {values.shape[:1]}")
    names, member_of = np.unique(clusters, return_inverse=True)
    sums, counts = (np.zeros((len(names), values.shape[1])) for _ in range(2))
    np.add.at(sums, member_of, values)
    np.add.at(counts, member_of, masses)
    return sums, counts


def _weights(clusters: int, resamples: int, seed: int, block_bytes: int) -> Iterator[np.ndarray]:
    """Yield (rows, C) float64: how often each cluster was drawn in each resample."""
    rng = np.random.default_rng(seed)
    per_block = max(
        1, block_bytes // (24 * max(clusters, 1))
    )  # drawn, counted, converted: 24 bytes
    for start in range(0, resamples, per_block):
        rows = min(per_block, resamples - start)
        drawn = rng.integers(clusters, size=(rows, clusters)) if clusters else np.zeros((rows, 0))
        drawn = drawn + np.arange(rows)[:, None] * clusters
        counted = np.bincount(drawn.ravel().astype(np.int64), minlength=rows * clusters)
        yield counted.reshape(rows, clusters).astype(np.float64)


def _resampled(
    measure: Contributions,
    sums: np.ndarray,
    counts: np.ndarray,
    means: np.ndarray,
    levels: Sequence[float],
) -> Resampled:
    live = counts > 0
    clusters = int(live.sum())
    if clusters < 2:
        return Resampled(clusters, None, {})
    mean = sums.sum() / counts.sum()
    linear = (sums[live] - mean * counts[live]) / counts[live].mean()
    spread = float(linear.std(ddof=1))
    if clusters < MIN_CLUSTERS:
        return Resampled(clusters, spread, {})
    known = means[~np.isnan(means)]  # a resample may draw undefined clusters only
    lows, highs = np.quantile(known, [[1 - level for level in levels], list(levels)])
    lower, upper = {}, {}
    for level, low, high in zip(levels, lows, highs, strict=True):
        unseen = 1 - (1 - level) ** (1 / clusters)
        below, above = (unseen * (end - mean) for end in (measure.low, measure.high))
        if measure.weights is None:
            low, high = min(low, mean + below), max(high, mean + above)
        else:
            weight = max(measure.heaviest, counts.max()) / counts[live].mean()
            low = max(measure.low, low + weight * below)
            high = min(measure.high, high + weight * above)
        lower[repr(level)], upper[repr(level)] = float(low), float(high)
    return Resampled(clusters, spread, {Tail.LOWER.value: lower, Tail.UPPER.value: upper})


def _require_weights(name: str, values: np.ndarray, weights: np.ndarray) -> None:
    if weights.shape != values.shape or weights.dtype != np.float64:
        raise ShapeError(f"{name}: weights are {weights.shape} {weights.dtype}")
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ShapeError(f"{name}: a weight is negative or not finite")


def _share(measure: Contributions, slice: str) -> Measurement:
    if not measure.support:
        return undefined(measure.name, measure.direction, measure.reason, slice=slice)
    count = int(np.nansum(measure.values))
    return proportion(measure.name, count, measure.support, measure.direction, slice=slice)


def _mean(measure: Contributions, found: Resampled, slice: str) -> Measurement:
    if measure.mean is None:
        return undefined(measure.name, measure.direction, measure.reason, slice=slice)
    return Measurement(
        measure.name,
        measure.mean,
        measure.support,
        measure.direction,
        slice=slice,
        bounds=found.bounds,
        clusters=found.clusters,
        spread=found.spread,
    )
