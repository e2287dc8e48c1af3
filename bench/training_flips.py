"""Error and negative flips of every classification method: ``python -m bench.training_flips``.

Pool images only (see client/demo/data.py): five rotations of the split for each training seed, so
every pool image is a held-out image once a seed. Judged images are never read.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from client.demo import data, recipes
from client.demo.data import Images, Parts
from client.demo.figures import FlipCounts, count_flips
from compat.training.augmentation import jitter
from compat.training.distillation import Distance, distillation_loss
from compat.training.elodi import elodi_loss, ensemble_logits
from compat.training.fitting import Schedule, fit
from compat.training.interpolation import (
    Point,
    average,
    fisher_diagonal,
    fisher_interpolate,
    interpolate,
    pick,
)
from compat.training.networks import build

SCHEDULE = Schedule(epochs=20)
Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""(network, inputs of a batch, labels) -> scalar."""

DISTILLED = {
    "distillation": {"alpha": 1.0, "beta": 0.0},
    "focal KL": {"alpha": 1.0, "beta": 5.0},
    "focal KL, old right only": {"alpha": 0.0, "beta": 1.0},
    "focal logits": {"alpha": 1.0, "beta": 5.0, "distance": Distance.LOGITS},
}
MIXES = {
    "distillation": (0.1, 0.3),
    "focal KL": (0.02, 0.05, 0.1, 0.2),
    "focal KL, old right only": (0.2,),
    "focal logits": (0.05,),
}
ENSEMBLE = 3


def train(
    images: Images, seed: int, loss_of: Loss, start: nn.Module | None = None, moving: bool = False
) -> nn.Sequential:
    """Train the demo's network; ``moving`` jitters every batch."""
    network = build("mnist-conv-16", len(recipes.CLASSES), seed)
    if start is not None:
        network.load_state_dict(start.state_dict())
    inputs, labels = recipes.as_input(images), torch.from_numpy(images.labels)
    generator = torch.Generator().manual_seed(seed)

    def batch_loss(rows: Tensor) -> Tensor:
        batch = jitter(inputs[rows], generator) if moving else inputs[rows]
        return loss_of(network, batch, labels[rows])

    fit(network.parameters(), len(images), batch_loss, SCHEDULE, seed)
    return network


def plainly(network: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy alone."""
    return F.cross_entropy(network(inputs), labels)


def distilled(old: nn.Module, **how: object) -> Loss:
    """Distillation from ``old``."""

    def loss(network: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
        with torch.no_grad():
            old_logits = old(inputs)
        return distillation_loss(network(inputs), old_logits, labels, **how)

    return loss


def student(images: Images, seed: int) -> nn.Sequential:
    """Distil an ensemble, trained on the same images, into one network (ELODI)."""
    members = [train(images, seed + 1000 * (i + 1), plainly) for i in range(ENSEMBLE)]

    def loss(network: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
        return elodi_loss(network(inputs), ensemble_logits(members, inputs), labels, mix=0.5)

    return train(images, seed, loss)


def interpolated(parts: Parts, old: nn.Module, seed: int) -> Iterator[tuple[str, nn.Module]]:
    """Yield interpolations with a fine-tuned new model; the share is picked on train_new's tail.

    The tail is one in eight training images, kept out of this fine-tuning.
    """
    order = np.random.default_rng(seed).permutation(len(parts.train_new))
    tail, rest = (parts.train_new.take(r) for r in np.split(order, [len(order) // 8]))
    tuned = [train(rest, seed + 7 * i, plainly, start=old) for i in range(ENSEMBLE)]
    a, b = old.state_dict(), tuned[0].state_dict()
    fishers = [
        fisher_diagonal(m, recipes.as_input(rest), torch.from_numpy(rest.labels))
        for m in (old, tuned[0])
    ]
    yield "fine-tuned", tuned[0]
    yield "interpolated, half old", loaded(interpolate(a, b, 0.5))
    yield "interpolated, Fisher, half old", loaded(fisher_interpolate(a, b, 0.5, *fishers))
    yield "soup of 3 fine-tuned", loaded(average([m.state_dict() for m in tuned]))
    was = predicted(old, tail)
    points = []
    for share in np.linspace(0, 1, 11):
        now = predicted(loaded(interpolate(a, b, float(share))), tail)
        seen = count_flips(tail.labels, was, now)
        points.append(Point(float(share), seen.new_errors, seen.negative))
    limit = points[0].errors
    yield "interpolated, picked", loaded(interpolate(a, b, pick(points, limit).old_share))


def loaded(weights: dict[str, Tensor]) -> nn.Sequential:
    """Return the demo's network with these weights."""
    network = build("mnist-conv-16", len(recipes.CLASSES), seed=0)
    network.load_state_dict(weights)
    return network


def predicted(network: nn.Module, images: Images) -> np.ndarray:
    """Return (n,) predicted classes."""
    return recipes.outputs(network, images).argmax(axis=1)


def versions(parts: Parts, seed: int) -> Iterator[tuple[str, nn.Module, nn.Module]]:
    """Yield (name, old, new) for every method, trained on ``parts``."""
    old = train(parts.train_old, seed, plainly)
    new = parts.train_new
    yield "plain", old, train(new, seed + 1, plainly)
    yield "plain, started from old", old, train(new, seed + 2, plainly, start=old)
    yield "plain, jitter", old, train(new, seed + 3, plainly, moving=True)
    yield (
        "plain, jitter, started from old",
        old,
        train(new, seed + 4, plainly, start=old, moving=True),
    )
    for moving, (name, how) in product((False, True), DISTILLED.items()):
        for mix in MIXES[name]:
            loss = distilled(old, mix=mix, **how)
            yield (
                f"{name}, mix {mix}{', jitter' if moving else ''}",
                old,
                train(new, seed + 5, loss, start=old, moving=moving),
            )
    for name, network in interpolated(parts, old, seed + 6):
        yield name, old, network
    old_student = student(parts.train_old, seed)
    yield "ELODI students, old and new", old_student, student(new, seed + 7)


def main() -> None:
    """Print one line a method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rotations", type=int, default=data.ROTATIONS)
    arguments = parser.parse_args()
    pooled: dict[str, FlipCounts] = {}
    started = time.monotonic()
    with recipes.repeatable():
        for seed, rotation in product(arguments.seeds, range(arguments.rotations)):
            parts = data.mnist_pool(rotation)
            held_out = parts.development
            for name, old, new in versions(parts, 100_000 * seed + 10_000 * rotation):
                seen = count_flips(
                    held_out.labels, predicted(old, held_out), predicted(new, held_out)
                )
                pooled[name] = pooled[name] + seen if name in pooled else seen
    for name, seen in pooled.items():
        print(f"{name:44s} {seen}  ({seen.negative} of {seen.images})")
    print(f"{time.monotonic() - started:.0f} s, seeds {arguments.seeds}")


if __name__ == "__main__":
    main()
