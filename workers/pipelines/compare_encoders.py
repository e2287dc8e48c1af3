"""Compare two encoders by exact retrieval in every cell. This module loads torch."""

from collections.abc import Mapping
from itertools import chain

import numpy as np
import torch

from compat.errors import ShapeError
from compat.measurement import Measurement
from compat.metrics.bootstrap import Contributions
from compat.metrics.cells import (
    CELLS,
    PRODUCER_CELLS,
    Cell,
    Layout,
    contributions,
    measure_cells,
    strict_shares,
    summarise_cells,
)
from compat.metrics.distances import Distance
from compat.metrics.null import NullResult, equals_itself, repeats_as_encoder
from workers.artifacts.stored import CanonicalSet, Outputs
from workers.errors import PermanentError
from workers.pipelines.aligned import slice_masks
from workers.pipelines.comparison import Comparison, Report

SHUFFLE_SEED = 7

NULL_QUERIES = 256
"""Chosen: the null test compares all stored numbers, and ranks for this many queries."""


def compare_encoders(
    judged: CanonicalSet,
    versions: Mapping[str, Outputs],
    distance: str,
    device: str,
    report: Report,
) -> Comparison:
    """Measure every cell, its paired differences and the retrieval flips, on each slice of queries.

    Raises:
        PermanentError: ``unknown_distance``, ``device_unavailable``.
    """
    layout = Layout(judged.labels, judged.is_query, judged.is_gallery)
    metric, place = _distance(distance), _device(device)
    vectors = {name: outputs.outputs for name, outputs in versions.items()}
    cells = _cells(vectors, layout, metric, place, report)
    strict = strict_shares(vectors["old"], vectors["new"], layout, metric, device=place)
    asked = np.flatnonzero(judged.is_query)
    measures = [*contributions(cells, len(asked)), *strict]
    null_test = _null_test(judged, layout, versions, metric, place)
    shares = cells["new_new"]["relevant_share"]
    report(len(cells) + 1, len(cells) + 1)
    return Comparison(
        measurements=_on_slices(judged, measures, asked),
        null_test=null_test,
        rows=asked,
        **_answers(cells),
        samples=_samples(cells),
        chance=float(np.nanmean(shares)) if not np.isnan(shares).all() else None,
    )


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


def _cells(
    vectors: Mapping[str, np.ndarray],
    layout: Layout,
    distance: Distance,
    device: str,
    report: Report,
) -> dict[str, Cell | None]:
    names = CELLS + (PRODUCER_CELLS if "producer" in vectors else ())
    cells: dict[str, Cell | None] = {}
    for done, name in enumerate(names):
        cells |= measure_cells(vectors, layout, distance, device=device, names=(name,))
        report(done + 1, len(names) + 1)
    return cells


def _on_slices(
    judged: CanonicalSet, measures: list[Contributions], asked: np.ndarray
) -> list[Measurement]:
    clusters = None if judged.identities is None else judged.identities[asked]
    return list(
        chain.from_iterable(
            summarise_cells(measures, rows[asked], clusters, name)
            for name, rows in slice_masks(judged)
        )
    )


def _answers(cells: Mapping[str, Cell | None]) -> dict[str, np.ndarray | None]:
    """Return whether each query's first hit was right, and its class, on the old gallery."""
    answers: dict[str, np.ndarray | None] = {}
    for version, name in (("old", "old_old"), ("new", "new_old")):
        cell = cells[name]
        answers[f"{version}_answers"] = None if cell is None else cell["first"]
        answers[f"{version}_right"] = None if cell is None else cell["hit_rate_at_1"] == 1
    return answers


def _samples(cells: Mapping[str, Cell | None]) -> dict[str, np.ndarray]:
    return {
        f"{measure}.{name}": values
        for name, cell in cells.items()
        if cell is not None
        for measure, values in cell.items()
    }


def _null_test(
    judged: CanonicalSet,
    layout: Layout,
    versions: Mapping[str, Outputs],
    distance: Distance,
    device: str,
) -> NullResult:
    """Return the first failure: a repeated row that moved, or a cell that differs from itself."""
    some = np.zeros_like(judged.is_query)
    some[np.flatnonzero(judged.is_query)[:NULL_QUERIES]] = True
    few = Layout(layout.labels, some, layout.is_gallery)
    results = chain.from_iterable(
        (_repeats(name, outputs), _equals_itself(judged, few, outputs.outputs, distance, device))
        for name, outputs in versions.items()
    )
    return next((r for r in results if not r.passed), NullResult(True))


def _repeats(name: str, found: Outputs) -> NullResult:
    try:
        result = repeats_as_encoder(found.outputs, found.repeat_rows, found.repeat_outputs)
    except ShapeError as exc:
        raise PermanentError("outputs_unreadable", f"{name} version: {exc}") from exc
    return result if result.passed else NullResult(False, f"{name} version: {result.reason}")


def _equals_itself(
    judged: CanonicalSet, layout: Layout, outputs: np.ndarray, distance: Distance, device: str
) -> NullResult:
    shuffled = np.random.default_rng(SHUFFLE_SEED).permutation(len(judged.ids))
    queries = int(layout.is_query.sum())

    def compare(old: np.ndarray, new: np.ndarray) -> list[Measurement]:
        cells = measure_cells({"old": old, "new": new}, layout, distance, device=device)
        return summarise_cells(contributions(cells, queries), np.ones(queries, dtype=bool))

    copy_ids, copy = judged.ids[shuffled], outputs[shuffled]
    return equals_itself(judged.ids, outputs, copy_ids, copy, compare)
