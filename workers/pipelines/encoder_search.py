"""Every search that comparing two encoders takes. This module loads torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from compat.calibration import Calibration
from compat.metrics.bootstrap import Contributions
from compat.metrics.calibration import calibrate
from compat.metrics.cells import (
    CELLS,
    DIMENSIONS_DIFFER,
    MIXED_CELLS,
    NO_RELEVANT_ROW,
    PRODUCER_CELLS,
    Cell,
    Layout,
    measure_cells,
    retrieval_flips,
    strict_shares,
)
from compat.metrics.distances import Distance
from compat.metrics.history import cumulative_flips
from compat.metrics.mixtures import mixtures
from compat.metrics.pairs import accepted_shares, neighbour_overlap
from compat.metrics.planted_queries import with_wrong_queries
from compat.metrics.severity import severity_nfr
from workers.artifacts.stored import CanonicalSet
from workers.errors import PermanentError

Vectors = Mapping[str, np.ndarray]
Cells = Mapping[str, Cell | None]


@dataclass(frozen=True)
class Search:
    """Who asks whom, how far apart things are, and where that is computed.

    Attributes:
        ids: (n,) ids of the samples.
        layout: labels and roles of the samples.
        distance: how embeddings are compared.
        device: where the arithmetic happens.
        rewritten: by cell, the (n, E) embeddings that its queries meet in place of the gallery
            version's own, as a search would.
    """

    ids: np.ndarray
    layout: Layout
    distance: Distance
    device: str
    rewritten: Vectors = field(default_factory=dict)

    @classmethod
    def of(cls, judged: CanonicalSet, distance: str, device: str, rewritten: Vectors) -> "Search":
        """Return the search of a set.

        Raises:
            PermanentError: ``unknown_distance``, ``device_unavailable``.
        """
        layout = Layout(judged.labels, judged.is_query, judged.is_gallery)
        return cls(judged.ids, layout, _distance(distance), _device(device), rewritten)

    @property
    def queries(self) -> int:
        """How many rows ask."""
        return int(self.layout.is_query.sum())

    def with_mixtures(self, vectors: Vectors) -> dict[str, np.ndarray]:
        """Return the embeddings of each version, and those of the galleries in between."""
        old = self.rewritten.get("new_old", vectors["old"])
        between = mixtures(old, vectors["new"], self.ids, self.layout.is_gallery)
        return {**vectors, **between}

    def cell(self, vectors: Vectors, name: str) -> Cell | None:
        """Return the per-query measures of one cell; None where the dimensions differ."""
        if name in self.rewritten:
            asking = name.split("_")[0]
            vectors = {asking: vectors[asking], "rewritten": self.rewritten[name]}
            name = f"{asking}_rewritten"
        return measure_cells(
            vectors, self.layout, self.distance, device=self.device, names=(name,)
        )[name]

    def own_hits(self, embeddings: np.ndarray) -> np.ndarray:
        """Return (Q,) whether the first hit is right on the gallery of the same version."""
        return self.cell({"old": embeddings}, "old_old")["hit_rate_at_1"]

    def wrong_cell(self, embeddings: np.ndarray) -> Cell:
        """Return the cell of the worst planted version: every query asks for the opposite."""
        wrong = with_wrong_queries(embeddings, self.layout, self.distance)
        return self.cell({"old": embeddings, "wrong": wrong}, "wrong_old")

    def pairs(self, vectors: Vectors, cut_off: float | None) -> list[Contributions]:
        """Return what depends on single gallery rows: neighbours, and acceptance if asked."""
        old, new = vectors["old"], vectors["new"]
        how = {"device": self.device, "rewritten": self.rewritten.get("new_old")}
        found = [neighbour_overlap(old, new, self.ids, self.layout, self.distance, **how)]
        if cut_off is not None:
            found += accepted_shares(vectors, self.layout, self.distance, cut_off, **how)
        return found

    def calibration(self, vectors: Vectors) -> dict[str, Calibration]:
        """Return, by cell, how items of different classes score, where that can be said."""
        found = {}
        for name in CELLS:
            query, gallery = (vectors[version] for version in name.split("_"))
            gallery = self.rewritten.get(name, gallery)
            of_cell = calibrate(query, gallery, self.layout, self.distance, device=self.device)
            if of_cell is not None:
                found[name] = of_cell
        return found

    def strict(self, vectors: Vectors) -> list[Contributions]:
        """Return how far the strict criterion of compatibility holds."""
        return strict_shares(
            vectors["old"],
            vectors["new"],
            self.layout,
            self.distance,
            rewritten=self.rewritten.get("new_old"),
            device=self.device,
        )


def cell_names(vectors: Vectors) -> tuple[str, ...]:
    """Return the cells of these versions."""
    return CELLS + MIXED_CELLS + (PRODUCER_CELLS if "producer" in vectors else ())


def of_flips(
    weights: np.ndarray | None, earlier: Sequence[np.ndarray], cells: Cells
) -> list[Contributions]:
    """Return the measures of retrieval flips that need more than the two versions.

    Args:
        weights: (Q,) how much a flip of each query weighs; None where nobody says.
        earlier: (Q,) first hits of each version that was promoted before, on its own gallery.
        cells: of the two versions.
    """
    before, after = cells["old_old"]["hit_rate_at_1"], cells["new_old"]
    found = []
    if weights is not None:
        flips, _ = retrieval_flips(cells, len(before))
        found.append(severity_nfr(flips, weights, "severity_retrieval_nfr"))
    if earlier:
        hits = np.full(len(before), np.nan) if after is None else after["hit_rate_at_1"]
        reason = DIMENSIONS_DIFFER if after is None else NO_RELEVANT_ROW
        found.append(cumulative_flips([before, *earlier], hits, "cumulative_retrieval_nfr", reason))
    return found


def _distance(name: str) -> Distance:
    try:
        return Distance(name)
    except ValueError as exc:
        raise PermanentError("unknown_distance", f"there is no distance {name!r}") from exc


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise PermanentError("device_unavailable", "no CUDA device was found")
    return name
