"""The few figures a recipe prints while it is tuned; the registry measures its own."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FlipCounts:
    """Errors and flips of a new classifier against an old one, as counts of ``images``."""

    images: int
    old_errors: int
    new_errors: int
    negative: int
    positive: int

    def __add__(self, other: "FlipCounts") -> "FlipCounts":
        return FlipCounts(*(a + b for a, b in zip(self.counts, other.counts, strict=True)))

    @property
    def counts(self) -> tuple[int, int, int, int, int]:
        """Every count, in the order of the fields."""
        return self.images, self.old_errors, self.new_errors, self.negative, self.positive

    @property
    def nfr(self) -> float:
        """Share of images that turned from right to wrong."""
        return self.negative / self.images

    def __str__(self) -> str:
        old, new, nfr, pfr = (100 * c / self.images for c in self.counts[1:])
        return f"error {old:5.2f} -> {new:5.2f} %  NFR {nfr:4.2f} %  PFR {pfr:4.2f} %"


def count_flips(labels: np.ndarray, old: np.ndarray, new: np.ndarray) -> FlipCounts:
    """Return the counts for (n,) classes and (n,) predictions of the old and the new model."""
    was, now = old == labels, new == labels
    return FlipCounts(len(labels), *(int(x.sum()) for x in (~was, ~now, was & ~now, ~was & now)))


@dataclass(frozen=True)
class Retrieval:
    """Per query: average precision, and whether the first hit is of the query's class."""

    average_precision: np.ndarray
    first_is_right: np.ndarray


def retrieve(queries: np.ndarray, gallery: np.ndarray, labels: np.ndarray) -> Retrieval:
    """Search each query in a gallery of the same images by cosine, leaving the query out.

    Args:
        queries: (n, D) embeddings of one version.
        gallery: (n, D) embeddings of the same images by another or the same version.
        labels: (n,) classes; every class has at least two images.
    """
    scores = _unit(queries) @ _unit(gallery).T
    np.fill_diagonal(scores, -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :-1]
    hits = labels[order] == labels[:, None]
    precision = hits.cumsum(axis=1) / np.arange(1, hits.shape[1] + 1)
    return Retrieval((precision * hits).sum(axis=1) / hits.sum(axis=1), hits[:, 0])


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
