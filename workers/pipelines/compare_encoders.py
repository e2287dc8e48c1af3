"""Compare two encoders by exact retrieval in every cell. This module loads torch."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain

import numpy as np

from compat.errors import ShapeError
from compat.measurement import Measurement
from compat.metrics.bootstrap import Contributions
from compat.metrics.cells import Cell, Layout, contributions, summarise_cells
from compat.metrics.null import NullResult, equals_itself, repeats_as_encoder
from compat.metrics.planted_queries import query_ladder
from workers.artifacts.stored import Outputs
from workers.errors import PermanentError
from workers.pipelines.comparison import Comparison, Question, Report
from workers.pipelines.encoder_search import Cells, Search, cell_names, of_flips
from workers.pipelines.slices import Masks, slice_masks

SHUFFLE_SEED = 7

NULL_QUERIES = 256
"""Chosen: the null test compares all stored numbers, and ranks for this many queries."""


def compare_encoders(question: Question, distance: str, device: str, report: Report) -> Comparison:
    """Measure every cell, its paired differences and the retrieval flips, on each slice of queries.

    Raises:
        PermanentError: ``unknown_distance``, ``device_unavailable``, and those of ``slice_masks``.
    """
    judged = question.judged
    rewritten = {cell: outputs.outputs for cell, outputs in question.rewritten.items()}
    search = Search.of(judged, distance, device, rewritten)
    slices = slice_masks(judged, question.asks.get("crossed", ()), judged.is_query)
    vectors = {name: outputs.outputs for name, outputs in question.versions.items()}
    asked = np.flatnonzero(judged.is_query)
    weights = None if question.weights is None else question.weights[asked]
    clusters = None if judged.identities is None else judged.identities[asked]

    steps = len(cell_names(vectors)) + 2
    cells = _cells(search, vectors, lambda done: report(done, steps))
    earlier = [search.own_hits(found.outputs) for found in question.ancestors]
    extra = partial(of_flips, weights, earlier)
    measures = [
        *contributions(cells, len(asked)),
        *search.strict(vectors),
        *search.pairs(vectors, question.asks.get("cut_off")),
        *extra(cells),
    ]
    planted = query_ladder(cells["old_old"], search.wrong_cell(vectors["old"]), clusters, extra)
    report(steps - 1, steps)
    null_test = _null_test(question, search)
    shares = cells["new_new"]["relevant_share"]
    measurements = _on_slices(slices, measures, asked, clusters)
    report(steps, steps)
    return Comparison(
        measurements=measurements,
        null_test=null_test,
        rows=asked,
        **_answers(cells),
        planted=planted,
        samples=_samples(cells),
        chance=float(np.nanmean(shares)) if not np.isnan(shares).all() else None,
        calibration=search.calibration(vectors),
    )


def _cells(
    search: Search, vectors: Mapping[str, np.ndarray], done: Callable[[int], None] | None = None
) -> dict[str, Cell | None]:
    everything = search.with_mixtures(vectors)
    cells: dict[str, Cell | None] = {}
    for name in cell_names(vectors):
        cells[name] = search.cell(everything, name)
        if done is not None:
            done(len(cells))
    return cells


def _on_slices(
    slices: Masks,
    measures: Sequence[Contributions],
    asked: np.ndarray,
    clusters: np.ndarray | None,
) -> list[Measurement]:
    return list(
        chain.from_iterable(
            summarise_cells(measures, rows[asked], clusters, name) for name, rows in slices
        )
    )


def _answers(cells: Cells) -> dict[str, np.ndarray | None]:
    """Return whether each query's first hit was right, and its class, on the old gallery."""
    answers: dict[str, np.ndarray | None] = {}
    for version, name in (("old", "old_old"), ("new", "new_old")):
        cell = cells[name]
        answers[f"{version}_answers"] = None if cell is None else cell["first"]
        answers[f"{version}_right"] = None if cell is None else cell["hit_rate_at_1"] == 1
    return answers


def _samples(cells: Cells) -> dict[str, np.ndarray]:
    return {
        f"{measure}.{name}": values
        for name, cell in cells.items()
        if cell is not None
        for measure, values in cell.items()
    }


def _null_test(question: Question, search: Search) -> NullResult:
    """Return the first failure: a repeated row that moved, or a version unlike itself."""
    layout = search.layout
    some = np.zeros_like(layout.is_query)
    some[np.flatnonzero(layout.is_query)[:NULL_QUERIES]] = True
    few = Search(
        search.ids, Layout(layout.labels, some, layout.is_gallery), search.distance, search.device
    )
    rewritten = {f"{cell} rewriting": found for cell, found in question.rewritten.items()}
    results = chain.from_iterable(
        (_repeats(name, outputs), _equals_itself(question, few, outputs.outputs))
        for name, outputs in {**question.versions, **rewritten}.items()
    )
    return next((r for r in results if not r.passed), NullResult(True))


def _repeats(name: str, found: Outputs) -> NullResult:
    try:
        result = repeats_as_encoder(found.outputs, found.repeat_rows, found.repeat_outputs)
    except ShapeError as exc:
        raise PermanentError("outputs_unreadable", f"{name} version: {exc}") from exc
    return result if result.passed else NullResult(False, f"{name} version: {result.reason}")


def _equals_itself(question: Question, search: Search, outputs: np.ndarray) -> NullResult:
    judged, queries = question.judged, search.queries
    shuffled = np.random.default_rng(SHUFFLE_SEED).permutation(len(judged.ids))
    weights = None if question.weights is None else question.weights[search.layout.is_query]

    def compare(old: np.ndarray, new: np.ndarray) -> list[Measurement]:
        vectors = {"old": old, "new": new}
        cells = _cells(search, vectors)
        measures = [
            *contributions(cells, queries),
            *search.pairs(vectors, question.asks.get("cut_off")),
            *of_flips(weights, [search.own_hits(old)], cells),
        ]
        return summarise_cells(measures, np.ones(queries, dtype=bool))

    copy_ids, copy = judged.ids[shuffled], outputs[shuffled]
    return equals_itself(judged.ids, outputs, copy_ids, copy, compare)
