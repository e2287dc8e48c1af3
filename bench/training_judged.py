"""How often the demo's story comes out, over training seeds: ``python -m bench.training_judged``.

Reads the judged images, so it is run after the recipes are frozen and never to choose anything.
The rules are those of the default policies; bounds of means are normal here, where the registry
resamples.
"""

import argparse
import math
from statistics import NormalDist

import numpy as np

from client.demo import data, power, recipes
from client.demo.figures import count_flips, retrieve
from compat.intervals import clopper_pearson

PASSED, INCONCLUSIVE, FAILED = "passed", "inconclusive", "failed"


def within(count: int, n: int, budget: float) -> str:
    """Judge a share that must stay within a budget."""
    lower, upper = clopper_pearson(count, n, power.CONFIDENCE)
    if upper <= budget:
        return PASSED
    return FAILED if lower > budget else INCONCLUSIVE


def above(differences: np.ndarray, threshold: float) -> str:
    """Judge a mean of paired differences that must exceed a threshold."""
    half = NormalDist().inv_cdf(power.CONFIDENCE) * differences.std(ddof=1)
    half /= math.sqrt(len(differences))
    if differences.mean() - half > threshold:
        return PASSED
    return FAILED if differences.mean() + half < threshold else INCONCLUSIVE


def judge_embedders(seed: int) -> dict[int, str]:
    """Print every rule of versions 2 and 3; return the worst outcome of each."""
    trained = recipes.train_embedders(data.digits_pool(), seed)
    judged = data.digits_judged()
    rows = {n: recipes.outputs(e.network, judged) for n, e in trained.items()}
    old_old = retrieve(rows[1], rows[1], judged.labels)
    verdicts = {}
    for number in (2, 3):
        new_old = retrieve(rows[number], rows[1], judged.labels)
        new_new = retrieve(rows[number], rows[number], judged.labels)
        cross = new_old.average_precision - old_old.average_precision
        own = new_new.average_precision - old_old.average_precision
        flips = int((old_old.first_is_right & ~new_old.first_is_right).sum())
        outcomes = [
            above(cross, 0),
            above(own, -power.MAP_MARGIN),
            within(flips, len(judged), power.RETRIEVAL_NFR_BUDGET),
        ]
        verdicts[number] = worst(outcomes)
        print(
            f"seed {seed} digits-embedder {number}: mAP {old_old.average_precision.mean():.3f} -> "
            f"{new_old.average_precision.mean():.3f} on the old gallery, "
            f"{new_new.average_precision.mean():.3f} on its own; top-1 "
            f"{old_old.first_is_right.mean():.3f} -> {new_old.first_is_right.mean():.3f}, "
            f"{flips} flips; {' '.join(outcomes)}"
        )
    return verdicts


def judge_classifiers(seed: int) -> dict[int, str]:
    """Print both rules of versions 2 and 3; return the worst outcome of each."""
    trained = recipes.train_classifiers(data.mnist_pool(), seed)
    judged = data.mnist_judged()
    predicted = {n: recipes.outputs(c, judged).argmax(axis=1) for n, c in trained.items()}
    verdicts = {}
    for number in (2, 3):
        seen = count_flips(judged.labels, predicted[1], predicted[number])
        gain = (predicted[number] == judged.labels).astype(float) - (predicted[1] == judged.labels)
        outcomes = [
            within(seen.negative, seen.images, power.NFR_BUDGET),
            above(gain, -power.ACCURACY_MARGIN),
        ]
        verdicts[number] = worst(outcomes)
        print(
            f"seed {seed} digits-classifier {number}: {seen} "
            f"({seen.negative} flips); {' '.join(outcomes)}"
        )
    return verdicts


def worst(outcomes: list[str]) -> str:
    """Return the verdict of several blocking rules."""
    return max(outcomes, key=[PASSED, INCONCLUSIVE, FAILED].index)


def main() -> None:
    """Print every judgement and how many seeds gave each verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    seeds = parser.parse_args().seeds
    lines = {"digits-embedder": judge_embedders, "digits-classifier": judge_classifiers}
    with recipes.repeatable():
        for line, judge in lines.items():
            verdicts = [judge(seed) for seed in seeds]
            for number in (2, 3):
                reached = [v[number] for v in verdicts]
                shares = {o: reached.count(o) for o in (PASSED, INCONCLUSIVE, FAILED)}
                print(f"{line} {number}: {shares} of {len(seeds)} seeds")


if __name__ == "__main__":
    main()
