"""Fix the demo's budgets before anything is judged: ``python -m client.demo.power``.

Everything here is computed on the pool (training and development images). Each pool image is a
development image in one of five rotations of the split, so the figures rest on every pool image,
seen once for each training seed. The judged images are never read; only their number is used.
"""

import argparse
import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from client.demo import data, recipes
from client.demo.figures import FlipCounts, count_flips, retrieve
from compat.intervals import clopper_pearson

NFR_BUDGET = 0.01
"""One-sided 95 % Clopper-Pearson upper bound: the product's default, found to be reachable."""

ACCURACY_MARGIN = 0.005
MAP_MARGIN = 0.01
RETRIEVAL_NFR_BUDGET = 0.05
CONFIDENCE = 0.95
JUDGED_MNIST = 10 * data.MNIST_JUDGED_PER_CLASS
JUDGED_DIGITS = 10 * data.DIGITS_JUDGED_PER_CLASS
PLAN_SEEDS = (101, 102, 103)
"""Training seeds of the calculation; the demo itself uses others."""


@dataclass(frozen=True)
class Odds:
    """Chances of the three verdicts on a proportion that must stay within a budget."""

    passed: float
    inconclusive: float
    failed: float

    def __str__(self) -> str:
        return (
            f"pass {self.passed:6.1%}  inconclusive {self.inconclusive:6.1%}  "
            f"fail {self.failed:6.1%}"
        )


def verdict_counts(n: int, budget: float, confidence: float = CONFIDENCE) -> tuple[int, int]:
    """Return the largest count of ``n`` that passes and the smallest that fails.

    A count passes when its upper bound is within the budget and fails when its lower bound is
    above it; -1 when even none would not pass.
    """
    passes = -1
    while clopper_pearson(passes + 1, n, confidence)[1] <= budget:
        passes += 1
    fails = passes + 1
    while clopper_pearson(fails, n, confidence)[0] <= budget:
        fails += 1
    return passes, fails


def odds(count: float, images: float, n: int, budget: float) -> Odds:
    """Predict the verdict on ``n`` new images from ``count`` flips among ``images``.

    The unknown rate has its Jeffreys posterior Beta(count + 1/2, images - count + 1/2), so the
    count to come is beta-binomial: a plan from few images is told to be unsure.

    Args:
        count: flips seen; a fraction when averaged over seeds.
        images: distinct images they were seen on. Seeds do not add to it: they share images.
        n: images that will judge.
        budget: largest rate allowed.
    """
    a, b = count + 0.5, images - count + 0.5
    passes, fails = verdict_counts(n, budget)
    passed = sum(_beta_binomial(k, n, a, b) for k in range(passes + 1))
    not_failed = sum(_beta_binomial(k, n, a, b) for k in range(fails))
    return Odds(passed, not_failed - passed, 1 - not_failed)


def chance_of_lower_bound_above(values: np.ndarray, threshold: float, n: int) -> float:
    """Predict whether the mean of ``n`` paired differences will be shown to exceed a threshold.

    Normal theory: the mean and spread of ``values`` are taken as the true ones.
    """
    normal = NormalDist()
    error = values.std(ddof=1) / math.sqrt(n)
    return normal.cdf((values.mean() - threshold) / error - normal.inv_cdf(CONFIDENCE))


def plan_classifiers(seeds: tuple[int, ...], rotations: int = data.ROTATIONS) -> list[str]:
    """Return the printed plan for the classifiers."""
    pooled: dict[int, FlipCounts] = {}
    for seed in seeds:
        for rotation in range(rotations):
            parts = data.mnist_pool(rotation)
            trained = recipes.train_classifiers(parts, _planned(seed, rotation))
            held_out = parts.development
            predicted = {
                number: recipes.outputs(network, held_out).argmax(axis=1)
                for number, network in trained.items()
            }
            for number in (2, 3):
                seen = count_flips(held_out.labels, predicted[1], predicted[number])
                pooled[number] = pooled[number] + seen if number in pooled else seen
    passes, fails = verdict_counts(JUDGED_MNIST, NFR_BUDGET)
    lines = [
        f"digits-classifier: {JUDGED_MNIST} judged images, NFR budget {NFR_BUDGET:.1%}",
        f"  at most {passes} flips pass, {fails} or more fail, between is inconclusive",
    ]
    for number, name in ((2, "plain"), (3, "focal")):
        seen = pooled[number]
        images = seen.images / len(seeds)
        share = 1 / len(seeds)
        lines += [
            f"  version {number} ({name}): {seen}  "
            f"({seen.negative} flips, {seen.images} predictions, {images:.0f} images)",
            f"    NFR: {odds(seen.negative * share, images, JUDGED_MNIST, NFR_BUDGET)}",
            f"    accuracy not worse by {ACCURACY_MARGIN:.1%}: pass {_accuracy_chance(seen):6.1%}",
        ]
    return lines


def plan_embedders(seeds: tuple[int, ...], rotations: int = data.ROTATIONS) -> list[str]:
    """Return the printed plan for the embedders."""
    lines = [
        f"digits-embedder: {JUDGED_DIGITS} judged images, "
        f"retrieval NFR budget {RETRIEVAL_NFR_BUDGET:.0%}"
    ]
    differences: dict[int, list[np.ndarray]] = {2: [], 3: []}
    own: dict[int, list[np.ndarray]] = {2: [], 3: []}
    flipped: dict[int, list[np.ndarray]] = {2: [], 3: []}
    for seed in seeds:
        for rotation in range(rotations):
            held_out = data.digits_pool(rotation).development
            trained = recipes.train_embedders(data.digits_pool(rotation), _planned(seed, rotation))
            rows = {n: recipes.outputs(e.network, held_out) for n, e in trained.items()}
            old_old = retrieve(rows[1], rows[1], held_out.labels)
            for number in (2, 3):
                new_old = retrieve(rows[number], rows[1], held_out.labels)
                new_new = retrieve(rows[number], rows[number], held_out.labels)
                before = old_old.average_precision
                differences[number].append(new_old.average_precision - before)
                own[number].append(new_new.average_precision - before)
                flipped[number].append(old_old.first_is_right & ~new_old.first_is_right)
    for number, name in ((2, "independent"), (3, "compatible")):
        cross, self_test = np.concatenate(differences[number]), np.concatenate(own[number])
        flips = np.concatenate(flipped[number])
        images = len(flips) / len(seeds)
        chances = odds(flips.sum() / len(seeds), images, JUDGED_DIGITS, RETRIEVAL_NFR_BUDGET)
        above = chance_of_lower_bound_above(cross, 0, JUDGED_DIGITS)
        self_above = chance_of_lower_bound_above(self_test, -MAP_MARGIN, JUDGED_DIGITS)
        lines += [
            f"  version {number} ({name}):",
            f"    map.new_old_minus_old_old {cross.mean():+.4f}: pass {above:6.1%}",
            f"    map.new_new_minus_old_old {self_test.mean():+.4f}: pass {self_above:6.1%}",
            f"    retrieval NFR {flips.mean():.2%}: {chances}",
        ]
    return lines


def main() -> None:
    """Print both plans."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(PLAN_SEEDS))
    seeds = tuple(parser.parse_args().seeds)
    with recipes.repeatable():
        print(f"training seeds {seeds}, {data.ROTATIONS} rotations of the pool each")
        print("\n".join([*plan_embedders(seeds), *plan_classifiers(seeds)]))


def _planned(seed: int, rotation: int) -> int:
    return seed * data.ROTATIONS + rotation


def _accuracy_chance(seen: FlipCounts) -> float:
    """The difference per image is +1 for a positive flip, -1 for a negative one, else 0."""
    values = np.zeros(seen.images)
    values[: seen.positive] = 1
    values[seen.positive : seen.positive + seen.negative] = -1
    return chance_of_lower_bound_above(values, -ACCURACY_MARGIN, JUDGED_MNIST)


def _beta_binomial(k: int, n: int, a: float, b: float) -> float:
    """Return P(K = k) of a beta-binomial variable."""
    return math.exp(
        _log_beta(k + a, n - k + b)
        - _log_beta(a, b)
        + math.lgamma(n + 1)
        - math.lgamma(k + 1)
        - math.lgamma(n - k + 1)
    )


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


if __name__ == "__main__":
    main()
