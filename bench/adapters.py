"""What adapters repair, and what they do not: ``make bench ARGS=adapters``.

    python -m bench.adapters [--seeds 10] [--resamples 2000]

An old encoder on few images and an independent new one on more. Adapters are fitted on pool images
of which only the two vectors are used, and are judged on images that nothing was trained, fitted or
chosen on, each searched among all the others. The rules are those of the default policy, judged by
``compat.verdict.assess`` itself. One thread; no CUDA.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import stats
from torch import Tensor, nn

from bench.machine import print_table
from client.demo import data, recipes
from client.demo.data import Images
from compat.adapters.choose import METHODS, Side, choose, held_out_rows
from compat.metrics.bootstrap import summarise
from compat.metrics.cells import (
    Layout,
    contributions,
    measure_cells,
)
from compat.metrics.distances import Distance
from compat.policy import Policy, Task
from compat.policy_defaults import DEFAULTS
from compat.policy_documents import parse_policy
from compat.training.fitting import Schedule, fit
from compat.training.heads import fresh_head
from compat.training.networks import build
from compat.verdict import Evidence, Outcome, assess

STAY, UNTOUCHED, REEMBED = "old_old (stay)", "independent, untouched", "full re-embedding"
CHOSEN, GALLERY = "chosen by held-out items", "gallery-side transform, chosen"
MEASURED = ("map", "hit_rate_at_1")
PARTS = ("empirical compatibility criterion", "self-test kept", "retrieval flips")
"""The blocking rules of the default policy at level backward."""


@dataclass(frozen=True)
class Case:
    """What is trained on what, what the adapter is fitted on, and what judges.

    Attributes:
        title: of its table.
        architecture: of both encoders but for the width of what they put out.
        dimensions: of the old and of the new space.
        old, new: the training images of each.
        pairs: images of which both vectors are known.
        judged: the images that judge.
    """

    title: str
    architecture: tuple[str, str]
    dimensions: tuple[int, int]
    old: Images
    new: Images
    pairs: Images
    judged: Images


def cases() -> Iterator[Case]:
    """Yield every case; splits are fixed."""
    digits, judged = data.digits_pool(), data.digits_judged()
    nets = ("digits-mlp-64", "digits-mlp-128")
    pool = joined(digits.train_new, digits.development)
    trained = (digits.train_old, digits.train_new)
    yield Case("digits, 997 pairs", nets, (32, 32), *trained, pool, judged)
    few = digits.development
    yield Case("digits, 200 pairs that neither trained on", nets, (32, 32), *trained, few, judged)
    fewest = few.take(np.arange(0, len(few), 3))
    yield Case("digits, 67 pairs that neither trained on", nets, (32, 32), *trained, fewest, judged)
    yield Case("digits, from 16 to 32 dimensions", nets, (16, 32), *trained, pool, judged)
    yield Case("digits, from 32 to 16 dimensions", nets, (32, 16), *trained, pool, judged)
    mnist, judged = data.mnist_pool(), data.mnist_judged()
    nets = ("mnist-conv-16", "mnist-conv-16")
    pool = joined(mnist.train_new, mnist.development)
    trained = (mnist.train_old, mnist.train_new)
    yield Case("MNIST, 1,500 pairs", nets, (32, 32), *trained, pool, judged)
    seen = tuple(of_classes(images, range(5)) for images in trained)
    unseen = of_classes(judged, range(5, 10))
    for title, digits_of in (("seen", range(5)), ("judged", range(5, 10))):
        yield Case(
            f"MNIST, classes that neither trained on; pairs of the classes {title}",
            nets,
            (32, 32),
            *seen,
            of_classes(pool, digits_of),
            unseen,
        )


def joined(*parts: Images) -> Images:
    """Return images one after the other."""
    columns = zip(*((p.ids, p.pixels, p.labels) for p in parts), strict=True)
    return Images(*(np.concatenate(column) for column in columns))


def of_classes(images: Images, wanted: range) -> Images:
    """Return the images of some classes."""
    return images.take(np.flatnonzero(np.isin(images.labels, list(wanted))))


def encoder(architecture: str, dimension: int, images: Images, seed: int) -> nn.Module:
    """Train an encoder under a cosine head, as the demo trains its own."""
    network, head = build(architecture, dimension, seed), fresh_head(10, dimension, seed)
    inputs, labels = recipes.as_input(images), torch.from_numpy(images.labels)

    def loss_of(rows: Tensor) -> Tensor:
        return F.cross_entropy(head(network(inputs[rows])), labels[rows])

    epochs = 60 if architecture.startswith("digits") else 30
    fit([*network.parameters(), *head.parameters()], len(images), loss_of, Schedule(epochs), seed)
    return network


def unit_vectors(network: nn.Module, images: Images) -> Tensor:
    """Return (n, D) embeddings of length one."""
    return F.normalize(torch.from_numpy(recipes.outputs(network, images)))


def ways(case: Case, seed: int) -> dict[str, tuple[dict[str, np.ndarray], str]]:
    """Return, by way of moving, the two versions' vectors, and what was chosen."""
    old, new = (
        encoder(case.architecture[i], case.dimensions[i], (case.old, case.new)[i], 10 * seed + i)
        for i in (0, 1)
    )
    before, after = (unit_vectors(network, case.judged) for network in (old, new))
    known = unit_vectors(new, case.pairs), unit_vectors(old, case.pairs)
    picked = choose(*known, Distance.COSINE, seed=seed)
    rewritten = choose(*known, Distance.COSINE, side=Side.GALLERY, seed=seed)
    fitting = ~held_out_rows(len(case.pairs), seed=seed)
    found = {UNTOUCHED: (before, after, "")}
    for name, fit_one in METHODS.items():
        found[name] = (before, fit_one(*(side[fitting] for side in known))(after), "")
    found[CHOSEN] = (before, picked.adapter(after), picked.method)
    found[GALLERY] = (rewritten.adapter(before), after, rewritten.method)
    return {
        name: ({"old": a.numpy(), "new": b.numpy(), "stay": before.numpy()}, method)
        for name, (a, b, method) in found.items()
    }


@dataclass(frozen=True)
class Judged:
    """Per query, one way of moving: the measures, and how the gate's rules came out.

    Attributes:
        values: (Q,) by measure, of the new query on what the gallery then holds.
        stay: (Q,) by measure, of the old query on the old gallery.
        own: (Q,) by measure, of a full re-embedding with this version.
        rules: the outcome of each blocking rule.
        method: what was chosen, where something was.
    """

    values: Mapping[str, np.ndarray]
    stay: Mapping[str, np.ndarray]
    own: Mapping[str, np.ndarray]
    rules: Mapping[str, Outcome]
    method: str


def judge(versions: Mapping[str, np.ndarray], labels: np.ndarray, method: str) -> Judged:
    """Measure one way as the registry does; ``stay`` is the gallery that users have today."""
    both = np.ones(len(labels), dtype=bool)
    layout = Layout(labels, both, both)
    names = ("stay_stay", "new_old", "new_new", "old_new")
    found = dict(measure_cells(versions, layout, Distance.COSINE, names=names))
    found["old_old"] = found.pop("stay_stay")
    measured = summarise(contributions(found, len(labels)))
    verdict = assess(_default(), [Evidence("judged", measured, "")], first_version=False)
    rules = {one.rule: one.outcome for one in verdict.results if one.rule in PARTS}
    missing = {m: np.full(len(labels), np.nan) for m in MEASURED}
    return Judged(found["new_old"] or missing, found["old_old"], found["new_new"], rules, method)


def _default() -> Policy:
    return parse_policy(DEFAULTS[Task.EMBEDDING])


def report(case: Case, seen: Mapping[str, list[Judged]], resamples: int) -> None:
    """Print the table of one case."""
    first = seen[UNTOUCHED]
    rows = [_row(STAY, [j.stay for j in first], first, resamples, gate="")]
    for name, judged in seen.items():
        passed = sum(all(o is Outcome.PASSED for o in j.rules.values()) for j in judged)
        failed = sum(Outcome.FAILED in j.rules.values() for j in judged)
        gate = f"{passed} / {len(judged) - passed - failed} / {failed}"
        rows.append(_row(name, [j.values for j in judged], judged, resamples, gate))
    rows.append(_row(REEMBED, [j.own for j in first], first, resamples, gate=""))
    header = ["way", "mAP", "minus old_old", "hit@1", "minus old_old", "gate p / i / f", "chosen"]
    print_table(f"{case.title}; {len(case.judged):,} judged queries", header, rows)


def _row(
    name: str,
    values: list[Mapping[str, np.ndarray]],
    judged: list[Judged],
    resamples: int,
    gate: str,
) -> list[str]:
    cells = [name]
    for measure in MEASURED:
        mine = np.stack([v[measure] for v in values])
        gains = mine - np.stack([j.stay[measure] for j in judged])
        cells += [over_seeds(mine.mean(axis=1)), "" if name == STAY else paired(gains, resamples)]
    methods = [j.method for j in judged] if name in (CHOSEN, GALLERY) else []
    counts = {m: methods.count(m) for m in METHODS if m in methods}
    return [*cells, gate, ", ".join(f"{m} {n}" for m, n in counts.items())]


def over_seeds(means: np.ndarray) -> str:
    """Return the mean over seeds with its 95 % interval (Student)."""
    if np.isnan(means).any():
        return "undefined"
    half = stats.t.ppf(0.975, len(means) - 1) * means.std(ddof=1) / len(means) ** 0.5
    return f"{means.mean():.3f} ± {half:.3f}"


def paired(gains: np.ndarray, resamples: int) -> str:
    """Return the mean of paired gains with its 95 % interval.

    Queries and seeds are both resampled, independently of each other: the images are the same under
    every seed, so neither may be taken for more evidence than it is.
    """
    if np.isnan(gains).any():
        return "undefined"
    rng = np.random.default_rng(20_260)
    seeds, queries = gains.shape
    means = np.empty(resamples)
    for i in range(resamples):
        drawn = gains[rng.integers(seeds, size=seeds)].mean(axis=0)
        means[i] = drawn[rng.integers(queries, size=queries)].mean()
    low, high = np.quantile(means, (0.025, 0.975))
    return f"{gains.mean():+.3f} [{low:+.3f}, {high:+.3f}]"


def main() -> None:
    """Print one table a case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--resamples", type=int, default=2_000)
    arguments = parser.parse_args()
    started = time.monotonic()
    with recipes.repeatable():
        for case in cases():
            seen: dict[str, list[Judged]] = defaultdict(list)
            for seed in range(1, arguments.seeds + 1):
                for name, (versions, method) in ways(case, seed).items():
                    seen[name].append(judge(versions, case.judged.labels, method))
            report(case, seen, arguments.resamples)
    print(f"\n{arguments.seeds} seeds, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
