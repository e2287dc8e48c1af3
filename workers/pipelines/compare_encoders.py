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
from compat.metrics.null import NullResult, equals_itself, repeats_as_encoder
from compat.metrics.retrieval import MISSING, Distance
from workers.errors import PermanentError
from workers.pipelines.comparison import Comparison, Report
from workers.pipelines.stored import StoredOutputs, StoredSet

SHUFFLE_SEED = 7

NULL_QUERIES = 256
"""Chosen: the null test compares all stored numbers, and ranks for this many queries."""


def compare_encoders(
    stored: StoredSet,
    versions: Mapping[str, StoredOutputs],
    distance: str,
    device: str,
    report: Report,
) -> Comparison:
    """Measure every cell, its paired differences and the retrieval flips, on each slice of queries.

    Raises:
        PermanentError: ``unknown_distance``, ``device_unavailable``.
    """
    layout = Layout(stored.labels, stored.is_query, stored.is_gallery)
    metric, place = _distance(distance), _device(device)
    vectors = {name: outputs.outputs for name, outputs in versions.items()}
    cells = _cells(vectors, layout, metric, place, report)
    strict = strict_shares(vectors["old"], vectors["new"], layout, metric, device=place)
    asked = np.flatnonzero(stored.is_query)
    measures = [*contributions(cells, len(asked)), *strict]
    null_test = _null_test(stored, layout, versions, metric, place)
    shares = cells["new_new"]["relevant_share"]
    return Comparison(
        measurements=_on_slices(stored, measures, asked),
        null_test=null_test,
        rows=asked,
        **_answers(cells, len(asked)),
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
    stored: StoredSet, measures: list[Contributions], asked: np.ndarray
) -> list[Measurement]:
    clusters = None if stored.identities is None else stored.identities[asked]
    return list(
        chain.from_iterable(
            summarise_cells(measures, rows[asked], clusters, name)
            for name, rows in stored.slice_masks()
        )
    )


def _answers(cells: Mapping[str, Cell | None], queries: int) -> dict[str, np.ndarray]:
    """Return whether each query's first hit was right, and its class, on the old gallery."""
    answers = {}
    for version, name in (("old", "old_old"), ("new", "new_old")):
        cell = cells[name]
        if cell is None:
            answers[f"{version}_answers"] = np.full(queries, MISSING)
            answers[f"{version}_right"] = np.zeros(queries, dtype=bool)
        else:
            answers[f"{version}_answers"] = cell["first"]
            answers[f"{version}_right"] = cell["hit_rate_at_1"] == 1
    if cells["new_old"] is None:  # nothing flips where nothing can be compared
        answers["new_right"] = answers["old_right"]
    return answers


def _samples(cells: Mapping[str, Cell | None]) -> dict[str, np.ndarray]:
    return {
        f"{measure}.{name}": values
        for name, cell in cells.items()
        if cell is not None
        for measure, values in cell.items()
    }


def _null_test(
    stored: StoredSet,
    layout: Layout,
    versions: Mapping[str, StoredOutputs],
    distance: Distance,
    device: str,
) -> NullResult:
    """Return the first failure: a repeated row that moved, or a cell that differs from itself."""
    some = np.zeros_like(stored.is_query)
    some[np.flatnonzero(stored.is_query)[:NULL_QUERIES]] = True
    few = Layout(layout.labels, some, layout.is_gallery)
    results = chain.from_iterable(
        (_repeats(name, outputs), _equals_itself(stored, few, outputs.outputs, distance, device))
        for name, outputs in versions.items()
    )
    return next((r for r in results if not r.passed), NullResult(True))


def _repeats(name: str, stored: StoredOutputs) -> NullResult:
    try:
        found = repeats_as_encoder(stored.outputs, stored.repeat_rows, stored.repeat_outputs)
    except ShapeError as exc:
        raise PermanentError("outputs_unreadable", f"{name} version: {exc}") from exc
    return found if found.passed else NullResult(False, f"{name} version: {found.reason}")


def _equals_itself(
    stored: StoredSet, layout: Layout, outputs: np.ndarray, distance: Distance, device: str
) -> NullResult:
    shuffled = np.random.default_rng(SHUFFLE_SEED).permutation(len(stored.ids))
    queries = int(layout.is_query.sum())

    def compare(old: np.ndarray, new: np.ndarray) -> list[Measurement]:
        cells = measure_cells({"old": old, "new": new}, layout, distance, device=device)
        return summarise_cells(contributions(cells, queries), np.ones(queries, dtype=bool))

    copy_ids, copy = stored.ids[shuffled], outputs[shuffled]
    return equals_itself(stored.ids, outputs, copy_ids, copy, compare)
