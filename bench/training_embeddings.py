"""Cross-version retrieval of every embedding method: ``python -m bench.training_embeddings``.

Pool digits only, five rotations of the split for each training seed; mAP and top-1 flips on the
development images of each rotation, searched among themselves without the query.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from client.demo import data, recipes
from client.demo.data import Images, Parts
from client.demo.figures import retrieve
from compat.training.bct import alignment_loss, bct_loss, influence_loss
from compat.training.fitting import Schedule, fit
from compat.training.heads import CosineHead, fresh_head, frozen_head, synthesised_rows
from compat.training.heterogeneous import Candidate, choose, multiply_adds
from compat.training.networks import mlp

CLASSES = len(recipes.CLASSES)
SCHEDULE = Schedule(epochs=60)
WEIGHTS = {
    "independent": (0.0, 0.0),
    "BCT": (1.0, 0.0),
    "BCT, twice the influence": (2.0, 0.0),
    "alignment alone, weight 2": (0.0, 2.0),
    "BCT with alignment 1": (1.0, 1.0),
    "BCT with alignment 2 (the demo's)": (1.0, 2.0),
    "BCT with alignment 10": (1.0, 10.0),
}
"""Influence and alignment of each method."""

SEEN = 5
"""The old model of the growth experiment knows the classes below this one."""

QUERY_WIDTHS = (2, 4, 8, 16, 32, 64)
QUERY_COST_LIMIT = 2_000
"""Multiplications of one query, a sixth of the gallery network's (chosen)."""


class Trained(NamedTuple):
    """A network with the head it was trained under."""

    network: nn.Sequential
    head: CosineHead


def train(images: Images, widths: tuple[int, ...], classes: int, seed: int, old=None) -> Trained:
    """Train one embedder; ``old`` is (old network, loss of embeddings, labels, head, targets)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = mlp(64, widths, recipes.DIMENSION)
    head = fresh_head(classes, recipes.DIMENSION, seed)
    inputs, labels = recipes.as_input(images), torch.from_numpy(images.labels)
    if old is not None:
        with torch.no_grad():
            targets = old[0](inputs)

    def loss_of(rows: Tensor) -> Tensor:
        embeddings = network(inputs[rows])
        if old is None:
            return F.cross_entropy(head(embeddings), labels[rows])
        return old[1](embeddings, labels[rows], head, targets[rows])

    fit([*network.parameters(), *head.parameters()], len(images), loss_of, SCHEDULE, seed)
    return Trained(network, head)


def compatible(parts: Parts, seed: int) -> Iterator[tuple[str, nn.Module, nn.Module]]:
    """Yield (method, old, new) for the demo's situation: more images, same classes."""
    old = train(parts.train_old, (64, 32), CLASSES, seed)
    frozen = frozen_head(old.head)
    for name, (influence, alignment) in WEIGHTS.items():

        def loss(embeddings, labels, head, targets, influence=influence, alignment=alignment):
            return bct_loss(embeddings, labels, head, frozen, targets, influence, alignment)

        new = train(parts.train_new, (128,), CLASSES, seed + 1, (old.network, loss))
        yield name, old.network, new.network


def grown(parts: Parts, seed: int) -> Iterator[tuple[str, nn.Module, nn.Module]]:
    """Yield (method, old, new) where the old model saw half of the classes."""
    known = parts.train_new.take(np.flatnonzero(parts.train_new.labels < SEEN))
    old = train(known, (64, 32), SEEN, seed)
    with torch.no_grad():
        embeddings = old.network(recipes.as_input(parts.train_new))
    rows = synthesised_rows(
        embeddings, torch.from_numpy(parts.train_new.labels), list(range(SEEN, CLASSES))
    )
    narrow, wide = frozen_head(old.head), frozen_head(old.head, rows)

    def on_old_classes_only(embeddings, labels, head, targets):
        loss = F.cross_entropy(head(embeddings), labels)
        seen = labels < SEEN
        if seen.any():
            loss = loss + influence_loss(embeddings[seen], labels[seen], narrow)
        return loss

    def on_every_class(embeddings, labels, head, targets):
        return bct_loss(embeddings, labels, head, wide, targets)

    def aligned_too(embeddings, labels, head, targets):
        return on_every_class(embeddings, labels, head, targets) + 2 * alignment_loss(
            embeddings, targets
        )

    methods = {
        "growth: influence on old classes only": on_old_classes_only,
        "growth: BCT with synthesised rows": on_every_class,
        "growth: the same with alignment 2": aligned_too,
    }
    for name, loss in methods.items():
        new = train(parts.train_new, (128,), CLASSES, seed + 1, (old.network, loss))
        yield name, old.network, new.network


def query_networks(parts: Parts, seed: int) -> tuple[Candidate, list[Candidate]]:
    """Return the gallery network measured on itself, and query networks of growing width."""
    gallery = train(parts.train_new, (128,), CLASSES, seed)
    frozen = frozen_head(gallery.head)

    def loss(embeddings, labels, head, targets):
        return influence_loss(embeddings, labels, frozen)

    rows = recipes.outputs(gallery.network, parts.development)
    labels = parts.development.labels
    sample = torch.zeros(1, 1, 8, 8)
    swept = []
    for width in QUERY_WIDTHS:
        query = train(parts.train_new, (width,), CLASSES, seed + width, (gallery.network, loss))
        own = recipes.outputs(query.network, parts.development)
        swept.append(
            Candidate(
                width,
                multiply_adds(query.network, sample),
                retrieve(own, rows, labels).average_precision.mean(),
                retrieve(own, own, labels).average_precision.mean(),
            )
        )
    itself = retrieve(rows, rows, labels).average_precision.mean()
    return Candidate(128, multiply_adds(gallery.network, sample), itself, itself), swept


def report(pairs: dict[str, list[tuple[np.ndarray, ...]]]) -> None:
    """Print mAP of the three cells, and flips, pooled over splits."""
    for name, splits in pairs.items():
        old, cross, own, flips = (np.concatenate(column) for column in zip(*splits, strict=True))
        better = sum(c.mean() > o.mean() for o, c, _, _ in splits)
        print(
            f"{name:40s} mAP old_old {old.mean():.3f}  new_old {cross.mean():.3f}  "
            f"new_new {own.mean():.3f}  top-1 NFR {flips.mean():6.2%}  "
            f"new_old > old_old in {better} of {len(splits)}"
        )


def main() -> None:
    """Print one line a method and the sweep of query networks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rotations", type=int, default=data.ROTATIONS)
    arguments = parser.parse_args()
    pairs = defaultdict(list)
    sweeps, galleries = defaultdict(list), []
    started = time.monotonic()
    with recipes.repeatable():
        for seed, rotation in product(arguments.seeds, range(arguments.rotations)):
            parts, number = data.digits_pool(rotation), 100_000 * seed + 10_000 * rotation
            labels = parts.development.labels
            for name, old, new in [*compatible(parts, number), *grown(parts, number)]:
                rows, new_rows = (recipes.outputs(m, parts.development) for m in (old, new))
                before, cross = retrieve(rows, rows, labels), retrieve(new_rows, rows, labels)
                own = retrieve(new_rows, new_rows, labels)
                pairs[name].append(
                    (
                        before.average_precision,
                        cross.average_precision,
                        own.average_precision,
                        before.first_is_right & ~cross.first_is_right,
                    )
                )
            gallery, swept = query_networks(parts, number)
            galleries.append(gallery)
            for candidate in swept:
                sweeps[candidate.width].append(candidate)
    report(pairs)
    itself = np.mean([g.own for g in galleries])
    print(f"gallery network, {galleries[0].cost} multiplications: mAP on itself {itself:.3f}")
    means = []
    for width, seen in sweeps.items():
        mean = Candidate(
            width,
            seen[0].cost,
            float(np.mean([c.cross for c in seen])),
            float(np.mean([c.own for c in seen])),
        )
        means.append(mean)
        print(
            f"query network {width:3d} wide, {mean.cost:5d} multiplications: cross "
            f"{mean.cross:.3f}, own {mean.own:.3f}, valid {mean.is_valid}"
        )
    best = choose(means, QUERY_COST_LIMIT)
    print(f"chosen under {QUERY_COST_LIMIT} multiplications: {best.width} wide")
    print(f"{time.monotonic() - started:.0f} s, seeds {arguments.seeds}")


if __name__ == "__main__":
    main()
