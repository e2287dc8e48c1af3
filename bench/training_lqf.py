"""Linear quadratic fine-tuning against its neighbours: ``python -m bench.training_lqf``.

Pool digits only. A network pre-trained on the classes 0-4 is adapted to all ten with few images:
by its last layer alone, by LQF, and by ordinary fine-tuning. Then the two things that linearity
gives: leave-one-out errors without a refit, and flips tuned along one number without training.
"""

import argparse
import time
from collections import defaultdict
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from client.demo import data, recipes
from client.demo.data import Images, Parts
from client.demo.figures import FlipCounts, count_flips
from compat.training.fitting import Schedule, fit
from compat.training.lqf import LinearFit, fit_linear, linear_outputs
from compat.training.networks import mlp

CLASSES = len(recipes.CLASSES)
SLOPE = 0.1
SHOTS, OLD_SHOTS = 15, 5
"""Images a class that adapt the new and the old model."""

PENALTIES = (0.1, 1.0, 10.0)
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def pretrain(parts: Parts, seed: int) -> nn.Sequential:
    """Train on the classes 0-4; the outputs of the others stay untrained."""
    known = parts.train_new.take(np.flatnonzero(parts.train_new.labels < 5))
    return tune(fresh(seed), known, Schedule(epochs=30), seed)


def fresh(seed: int) -> nn.Sequential:
    """Return an untrained network with leaky activations, in float64."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return mlp(64, (64,), CLASSES, slope=SLOPE).double()


def tune(network: nn.Sequential, images: Images, schedule: Schedule, seed: int) -> nn.Sequential:
    """Train every weight by cross-entropy."""
    inputs, labels = arrays(images)

    def loss_of(rows: Tensor) -> Tensor:
        return F.cross_entropy(network(inputs[rows]), labels[rows])

    fit(network.parameters(), len(images), loss_of, schedule, seed)
    return network


def arrays(images: Images) -> tuple[Tensor, Tensor]:
    """Return float64 inputs and labels."""
    return recipes.as_input(images).double(), torch.from_numpy(images.labels)


def few(images: Images, shots: int) -> Images:
    """Return the first ``shots`` images of each class."""
    rows = [np.flatnonzero(images.labels == c)[:shots] for c in range(CLASSES)]
    return images.take(np.concatenate(rows))


def fit_few(network: nn.Module, images: Images, penalty: float) -> LinearFit:
    """Fit the linearised network to one-hot targets."""
    inputs, labels = arrays(images)
    return fit_linear(network, inputs, F.one_hot(labels, CLASSES).double(), penalty)


def wrong(outputs: Tensor, labels: np.ndarray) -> int:
    """Count wrong answers."""
    return int((outputs.argmax(dim=1).numpy() != labels).sum())


def main() -> None:
    """Print errors, leave-one-out errors, and flips along the line between two fits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rotations", type=int, default=data.ROTATIONS)
    arguments = parser.parse_args()
    errors: dict[str, list[tuple[int, int]]] = defaultdict(list)
    flips: dict[float, FlipCounts] = {}
    started = time.monotonic()
    with recipes.repeatable():
        for seed, rotation in product(arguments.seeds, range(arguments.rotations)):
            parts = data.digits_pool(rotation)
            measure(parts, 100_000 * seed + 10_000 * rotation, errors, flips)
    for name, counted in errors.items():
        made, among = (sum(column) for column in zip(*counted, strict=True))
        print(f"{name:44s} error {made / among:6.2%}  ({made} of {among})")
    for share, seen in flips.items():
        print(f"new share {share:4.2f} of the line between two fits: {seen}")
    print(f"{time.monotonic() - started:.0f} s, seeds {arguments.seeds}")


def measure(parts: Parts, seed: int, errors: dict, flips: dict[float, FlipCounts]) -> None:
    """Add one split's counts."""
    network = pretrain(parts, seed)
    target, before = few(parts.train_new, SHOTS), few(parts.train_new, OLD_SHOTS)
    inputs, _ = arrays(parts.development)
    labels = parts.development.labels
    body, head = network[:-1], nn.Sequential(network[-1])
    with torch.no_grad():
        features, held_out = body(arrays(target)[0]), body(inputs)
    one_hot = F.one_hot(arrays(target)[1], CLASSES).double()
    for penalty in PENALTIES:
        last = fit_linear(head, features, one_hot, penalty)
        outputs = linear_outputs(head, last.change, held_out)
        errors[f"last layer, penalty {penalty}"].append((wrong(outputs, labels), len(labels)))
    for penalty in PENALTIES:
        new = fit_few(network, target, penalty)
        outputs = linear_outputs(network, new.change, inputs)
        left_out = one_hot - new.left_out_residuals
        errors[f"LQF, penalty {penalty}"].append((wrong(outputs, labels), len(labels)))
        errors[f"LQF, penalty {penalty}, left out in training"].append(
            (wrong(left_out, target.labels), len(target))
        )
    tuned = fresh(seed)
    tuned.load_state_dict(network.state_dict())
    tune(tuned, target, Schedule(epochs=100), seed)
    with torch.no_grad():
        errors["fine-tuning of every weight"].append((wrong(tuned(inputs), labels), len(labels)))
    old = fit_few(network, before, PENALTIES[1]).change
    new = fit_few(network, target, PENALTIES[1]).change
    was = linear_outputs(network, old, inputs).argmax(dim=1).numpy()
    for share in SHARES:
        mixed = {k: (1 - share) * old[k] + share * new[k] for k in old}
        now = linear_outputs(network, mixed, inputs).argmax(dim=1).numpy()
        seen = count_flips(labels, was, now)
        flips[share] = flips[share] + seen if share in flips else seen


if __name__ == "__main__":
    main()
