"""Retrieval from a gallery of two spaces, by share re-embedded: python -m bench.mixed.

Pool digits only: five rotations of the split for each training seed, trained as the demo
does. One half of a rotation's development images calibrates, the other is searched with itself, the
query left out. Every way ranks the very same gallery; which items are re-embedded is nested.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np

from bench.machine import print_table
from bench.training_embeddings import WEIGHTS, train
from client.demo import data, recipes
from client.demo.data import Parts
from compat.metrics.calibration import calibrate
from compat.metrics.cells import Layout
from compat.metrics.distances import Distance
from compat.training.bct import bct_loss
from compat.training.heads import frozen_head

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
COMPATIBLE = "BCT with alignment 2 (the demo's)"
RANK_CONSTANT = 60
"""Of reciprocal-rank fusion; the usual choice."""
WAYS = (
    "one query of the new version, raw scores",
    "one query of the new version, calibrated",
    "dual query, raw scores",
    "dual query, reciprocal ranks",
    "dual query, calibrated",
)

Scores = Mapping[str, np.ndarray]
"""(Q, N) by pair: the version that asks, the version that made the gallery."""


def pairs_of_versions(parts: Parts, seed: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield (kind, old, new) unit embeddings of the development images."""
    old = train(parts.train_old, (64, 32), len(recipes.CLASSES), seed)
    frozen = frozen_head(old.head)
    for kind, name in (("independent", "independent"), ("compatible", COMPATIBLE)):
        influence, alignment = WEIGHTS[name]

        def loss(embeddings, labels, head, targets, influence=influence, alignment=alignment):
            return bct_loss(embeddings, labels, head, frozen, targets, influence, alignment)

        new = train(parts.train_new, (128,), len(recipes.CLASSES), seed + 1, (old.network, loss))
        yield kind, *(_unit(recipes.outputs(v.network, parts.development)) for v in (old, new))


def average_precisions(
    old: np.ndarray, new: np.ndarray, labels: np.ndarray, seed: int
) -> dict[tuple[str, float], np.ndarray]:
    """Return per-query average precision of every way at every share."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    held, asked = order[: len(order) // 2], order[len(order) // 2 :]
    versions = {"old": old, "new": new}
    raw = {
        f"{q}_{g}": versions[q][asked] @ versions[g][asked].T
        for q, g in (("old", "old"), ("new", "old"), ("new", "new"))
    }
    calibrated = {}
    for pair, scores in raw.items():
        q, g = (versions[name][held] for name in pair.split("_"))
        both = np.ones(len(held), dtype=bool)
        of_pair = calibrate(q, g, Layout(labels[held], both, both), Distance.COSINE)
        calibrated[pair] = (scores - of_pair.mean) / of_pair.spread
    turn = rng.permutation(len(asked))
    found = {}
    for share in SHARES:
        moved = np.isin(np.arange(len(asked)), turn[: round(share * len(asked))])
        for way, scores in _ways(raw, calibrated, moved).items():
            found[way, share] = _average_precision(scores, labels[asked])
    return found


def _ways(raw: Scores, calibrated: Scores, moved: np.ndarray) -> dict[str, np.ndarray]:
    def merged(scores: Scores, on_old: str) -> np.ndarray:
        return np.where(moved, scores["new_new"], scores[on_old])

    ranks = {"new_new": _reciprocal(raw["new_new"], moved)}
    ranks["old_old"] = _reciprocal(raw["old_old"], ~moved)
    columns = (
        merged(raw, "new_old"),
        merged(calibrated, "new_old"),
        merged(raw, "old_old"),
        merged(ranks, "old_old"),
        merged(calibrated, "old_old"),
    )
    return dict(zip(WAYS, columns, strict=True))


def _reciprocal(scores: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Return 1 / (constant + rank) of each column among some of them, the query itself left out."""
    scores = np.where(among, scores, -np.inf)
    np.fill_diagonal(scores, -np.inf)
    ranks = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1) + 1
    return 1.0 / (RANK_CONSTANT + ranks)


def _average_precision(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    scores = scores.astype(np.float64)
    np.fill_diagonal(scores, -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :-1]
    relevant = labels[order] == labels[:, None]
    precision = relevant.cumsum(axis=1) / np.arange(1, order.shape[1] + 1)
    return (precision * relevant).sum(axis=1) / np.maximum(relevant.sum(axis=1), 1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _cell(runs: list[np.ndarray]) -> str:
    """Return the mean over runs, and twice its standard error over them."""
    means = np.array([run.mean() for run in runs])
    return f"{means.mean():.3f} ± {2 * means.std(ddof=1) / len(means) ** 0.5:.3f}"


def main() -> None:
    """Print one table a kind of pair."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    started = time.monotonic()
    found: dict[str, list[dict[tuple[str, float], np.ndarray]]] = {}
    with recipes.repeatable():
        for seed, rotation in product(arguments.seeds, range(data.ROTATIONS)):
            parts, number = data.digits_pool(rotation), 100_000 * seed + 10_000 * rotation
            for kind, old, new in pairs_of_versions(parts, number):
                runs = found.setdefault(kind, [])
                runs.append(average_precisions(old, new, parts.development.labels, number))
    for kind, runs in found.items():
        print_table(
            f"mAP, {kind} pair, {len(runs)} runs, by share re-embedded",
            ["way", *(f"{share:.0%}" for share in SHARES)],
            [[way, *(_cell([run[way, s] for run in runs]) for s in SHARES)] for way in WAYS],
        )
        curve = [np.mean([run[WAYS[-1], s].mean() for run in runs]) for s in SHARES]
        print(f"calibrated dual query never falls: {bool((np.diff(curve) >= 0).all())}")
    print(f"{time.monotonic() - started:.0f} s, seeds {arguments.seeds}")


if __name__ == "__main__":
    main()
