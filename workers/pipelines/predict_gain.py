"""Job: learn, on a sample, which stored vectors the new encoder would move farthest.

What is predicted is the alignment error of an item: how far its stored vector lies from the one
that the new encoder makes of it, which is what a query of that encoder suffers until the item is
moved (the idea of FastFill, ICLR 2023). The learned order is used only where it captures more of
that error than chance does on items that it was not fitted on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.indexing.chunks import read_chunk
from workers.indexing.conditions import comparable
from workers.indexing.protocol import Distance
from workers.pipelines.embed_batch import VECTORS_FILE
from workers.pipelines.embed_rows import main as embed_rows

PLACES_FILE = "places.npy"
SCORES_FILE = "scores.f32"

RIDGES = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Penalties that are tried (chosen), for features of unit variance."""

RESAMPLES = 1000
TAIL = 0.025
SEED = 11
LEAST_SAMPLE = 40
"""Half of it is held out; with fewer, no order can be told from chance."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Predictor:
    """A ridge regression on a vector and its squares."""

    centre: Floats
    scale: Floats
    weights: Floats
    offset: float

    def __call__(self, vectors: NDArray[np.generic]) -> Floats:
        """Return (n,) predicted errors of (n, D) stored vectors."""
        return ((_features(vectors) - self.centre) / self.scale) @ self.weights + self.offset


def main(job: dict[str, Any], folder: Path, report: Callable[[int, int], None]) -> dict[str, Any]:
    """Write ``scores.f32``, one a place, and return how the order fared on held-out items.

    ``places.npy`` is (n, 2): chunk number and row of each item; ``sample`` are the places whose
    inputs ``sources`` name, in that order.
    """
    distance = Distance(job["distance"])
    places = np.load(folder / PLACES_FILE, allow_pickle=False)
    if len({job["dimension"], *job["dimensions"]}) != 1:
        return {"note": "the vectors have different lengths", "is_learned": False}
    if len(job["sample"]) < LEAST_SAMPLE:
        return {"note": f"fewer than {LEAST_SAMPLE} items to learn from", "is_learned": False}
    embed_rows(job, folder, report)
    made = np.fromfile(folder / VECTORS_FILE, dtype="<f4").reshape(-1, job["dimension"])
    mixed = np.random.default_rng(SEED).permutation(len(made))  # uploads are fitted and held out
    stored = _read(folder, job, places[job["sample"]], distance)[mixed]
    errors = alignment_errors(stored, comparable(made, distance)[mixed])
    half = len(errors) // 2
    predict = fit(stored[:half], errors[:half])
    area, low, high = captured_area(predict(stored[half:]), errors[half:])
    chance = chance_area(len(errors) - half)
    is_learned = low > chance
    if is_learned:
        _score_all(folder, job, places, distance, predict)
    verb = "captures" if is_learned else "captures no more than chance:"
    return {
        "is_learned": is_learned,
        "note": f"on {len(errors) - half} held-out items it {verb} {area:.3f} of the alignment "
        f"error (95 % interval {low:.3f} to {high:.3f}, random {chance:.3f})",
    }


def alignment_errors(stored: NDArray[np.generic], made: NDArray[np.generic]) -> Floats:
    """Return (n,) squared distances between the vectors of the two versions, row by row."""
    return np.square(stored.astype(np.float64) - made.astype(np.float64)).sum(axis=1)


def fit(vectors: NDArray[np.generic], errors: Floats) -> Predictor:
    """Return the ridge regression whose leave-one-out error is least."""
    raw = _features(vectors)
    centre, scale = raw.mean(axis=0), raw.std(axis=0)
    scale[scale == 0] = 1.0
    offset = float(errors.mean())
    left, singular, right = np.linalg.svd((raw - centre) / scale, full_matrices=False)
    target = errors - offset
    projected = left.T @ target

    def leave_one_out(ridge: float) -> float:
        shrunk = singular**2 / (singular**2 + ridge)
        leverage = (left**2 * shrunk).sum(axis=1) + 1 / len(target)
        residual = target - left @ (shrunk * projected)
        return float(np.square(residual / np.maximum(1 - leverage, 1e-9)).mean())

    ridge = min(RIDGES, key=leave_one_out)
    weights = right.T @ (singular / (singular**2 + ridge) * projected)
    return Predictor(centre, scale, weights, offset)


def captured_area(predicted: Floats, errors: Floats) -> tuple[float, float, float]:
    """Return the area under the share of error that is gone by share moved, and its 95 % interval.

    The bounds come from resampled items. It is 0.5 for a random order, but for half an item.
    """
    rng = np.random.default_rng(len(errors))
    picks = rng.integers(len(errors), size=(RESAMPLES, len(errors)))
    areas = [_area(predicted[pick], errors[pick]) for pick in picks]
    low, high = np.quantile(areas, [TAIL, 1 - TAIL])
    return _area(predicted, errors), float(low), float(high)


def chance_area(items: int) -> float:
    """Return the area that a random order is expected to capture."""
    return (items + 1) / (2 * items)


def _area(predicted: Floats, errors: Floats) -> float:
    total = errors.sum()
    if total == 0:
        return chance_area(len(errors))
    gone = np.cumsum(errors[np.argsort(-predicted, kind="stable")]) / total
    return float(gone.mean())


def _features(vectors: NDArray[np.generic]) -> Floats:
    wide = vectors.astype(np.float64)
    return np.hstack([wide, wide**2])


def _read(
    folder: Path, job: Mapping[str, Any], places: NDArray[np.int64], distance: Distance
) -> NDArray[np.float32]:
    """Return the stored vectors at (n, 2) places."""
    vectors = np.empty((len(places), job["dimension"]), dtype=np.float32)
    for number in np.unique(places[:, 0]):
        mine = places[:, 0] == number
        chunk = read_chunk(folder / job["chunks"][number], job["dimension"])
        vectors[mine] = comparable(chunk[places[mine, 1]], distance)
    return vectors


def _score_all(
    folder: Path,
    job: Mapping[str, Any],
    places: NDArray[np.int64],
    distance: Distance,
    predict: Predictor,
) -> None:
    scores = np.empty(len(places), dtype="<f4")
    for number in np.unique(places[:, 0]):
        mine = np.flatnonzero(places[:, 0] == number)
        scores[mine] = predict(_read(folder, job, places[mine], distance))
    scores.tofile(folder / SCORES_FILE)
