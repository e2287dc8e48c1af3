"""What the order of a backfill is worth: python -m bench.backfill_order [--seeds 5].

Digits, an old encoder and one trained to be compatible with it (the demo's own). The queries are of
the new encoder and the gallery is moved item by item; the figure is the area under mAP by share
moved, from none to all. The learned order is the one of ``workers.pipelines.predict_gain``: fitted
on half of the items and tested on the other half. The oracle knows the alignment errors.
"""

import argparse

import numpy as np

from bench.machine import print_table
from client.demo import data, recipes
from workers.pipelines.predict_gain import alignment_errors, captured_area, chance_area, fit

SHARES = np.linspace(0, 1, 11)
RANDOM_ORDERS = 10


def mean_average_precision(queries: np.ndarray, gallery: np.ndarray, labels: np.ndarray) -> float:
    """Return the mAP of every row as a query, itself left out."""
    scores = queries @ gallery.T
    np.fill_diagonal(scores, -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :-1]
    relevant = labels[order] == labels[:, None]
    found = np.cumsum(relevant, axis=1) / np.arange(1, order.shape[1] + 1)
    return float(((found * relevant).sum(axis=1) / relevant.sum(axis=1)).mean())


def area(old: np.ndarray, new: np.ndarray, labels: np.ndarray, order: np.ndarray) -> float:
    """Return the mean mAP over the shares moved in that order."""
    values = []
    for share in SHARES:
        gallery = old.copy()
        moved = order[: round(share * len(order))]
        gallery[moved] = new[moved]
        values.append(mean_average_precision(new, gallery, labels))
    return float(np.trapezoid(values, SHARES))


def one_seed(seed: int) -> list[str]:
    """Train both encoders and return one row of the table."""
    judged = data.digits_judged()
    with recipes.repeatable():
        made = recipes.train_embedders(data.digits_pool(), seed)
    old, new = (_unit(recipes.outputs(made[number].network, judged)) for number in (1, 3))
    errors = alignment_errors(old, new)
    mixed = np.random.default_rng(seed).permutation(len(old))
    fitted, held = np.array_split(mixed, 2)
    predict = fit(old[fitted], errors[fitted])
    captured, low, high = captured_area(predict(old[held]), errors[held])
    by_chance = [np.random.default_rng(n).permutation(len(old)) for n in range(RANDOM_ORDERS)]
    randoms = [area(old, new, judged.labels, order) for order in by_chance]
    areas = [area(old, new, judged.labels, np.argsort(-gain)) for gain in (predict(old), errors)]
    return [
        str(seed),
        f"{captured:.3f} ({low:.3f} to {high:.3f})",
        "yes" if low > chance_area(len(held)) else "no",
        f"{np.mean(randoms):.4f} ± {np.std(randoms):.4f}",
        *(f"{value:.4f}" for value in areas),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = parser.parse_args().seeds
    header = ["seed", "error captured, held out", "used", "random", "learned", "oracle"]
    rows = [one_seed(seed) for seed in range(seeds)]
    print_table("Area under mAP by share moved, digits, 800 items", header, rows)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
