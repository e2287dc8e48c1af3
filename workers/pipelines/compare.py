"""Compare two versions from their stored outputs: measurements, null test, flips. No model runs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from compat.metrics.flips import flip_matrix, flipped_rows
from workers.artifacts.stored import CanonicalSet
from workers.errors import PermanentError
from workers.pipelines.aligned import read_outputs, read_set
from workers.pipelines.compare_classifiers import compare_classifiers
from workers.pipelines.comparison import Comparison, Question, Report
from workers.pipelines.thumbnails import write_thumbnails

LISTED_FLIPS = 1000
"""Chosen: of each kind; ``samples.npz`` names every sample."""

THUMBNAILS = 200

NO_CLASS = "(no class of this set)"
"""What is shown for an answer that the evaluation set does not know, or a search without a hit."""


def main(job: Mapping[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Measure one pair of versions on one evaluation set.

    Raises:
        PermanentError: ``unknown_task``, ``unknown_distance``, ``device_unavailable``,
            ``set_unreadable``, ``outputs_unreadable``, ``outputs_misaligned``,
            ``outputs_not_finite``, ``too_many_slices``, ``ambiguous_slices``.
    """
    set_path = folder / job["set"]
    judged = read_set(set_path)
    question = _question(job, judged, folder)
    found = _compare(job, question, report)
    _write_samples(judged, found, folder)
    flips = _list_flips(judged, found)
    pictured = _write_pictures(set_path, flips, folder)
    return {
        "measurements": [m.as_json() for m in found.measurements],
        "null_test": {"passed": found.null_test.passed, "reason": found.null_test.reason},
        "flips": [flip | {"thumbnail": flip["row"] in pictured} for flip in flips],
        "flip_matrix": _named_matrix(judged, found),
        "chance": found.chance,
        "calibration": {cell: asdict(one) for cell, one in found.calibration.items()},
        "planted": [
            {"share": rung.share, "measurements": [m.as_json() for m in rung.measurements]}
            for rung in found.planted
        ],
    }


def _question(job: Mapping[str, Any], judged: CanonicalSet, folder: Path) -> Question:
    return Question(
        judged=judged,
        versions={
            name: read_outputs(folder / job[name], judged.ids, name)
            for name in ("old", "new", "producer")
            if job.get(name)
        },
        ancestors=[
            read_outputs(folder / path, judged.ids, f"ancestor {number}")
            for number, path in enumerate(job.get("ancestors", ()), start=1)
        ],
        said={name: job[f"{name}_manifest"]["output"] for name in ("old", "new")},
        asks=job["asks"],
        rewritten={
            cell: read_outputs(folder / path, judged.ids, f"{cell} rewriting")
            for cell, path in job.get("rewritten", {}).items()
        },
    )


def _compare(job: Mapping[str, Any], question: Question, report: Report) -> Comparison:
    if job["task"] == "classification":
        return compare_classifiers(question, report)
    if job["task"] == "embedding":
        from workers.pipelines.compare_encoders import compare_encoders  # loads torch

        return compare_encoders(question, job["distance"], job.get("device") or "auto", report)
    raise PermanentError("unknown_task", f"there is no task {job['task']!r}")


def _write_samples(judged: CanonicalSet, found: Comparison, folder: Path) -> None:
    arrays = {
        "rows": found.rows,
        "ids": judged.ids[found.rows],
        "labels": judged.labels[found.rows],
        "old_right": found.old_right,
        "new_right": found.new_right,
        "old_answers": found.old_answers,
        "new_answers": found.new_answers,
        **found.samples,
    }
    kept = {name: values for name, values in arrays.items() if values is not None}
    np.savez(folder / "samples.npz", allow_pickle=False, **kept)


def _list_flips(judged: CanonicalSet, found: Comparison) -> list[dict[str, Any]]:
    """Return the flips, negative ones first, at most ``LISTED_FLIPS`` of each kind."""
    if found.new_right is None:
        return []
    negative, positive = flipped_rows(found.old_right, found.new_right)
    return [
        {
            "row": int(found.rows[at]),
            "id": str(judged.ids[found.rows[at]]),
            "kind": kind,
            "label": _class_name(judged, judged.labels[found.rows[at]]),
            "old": _class_name(judged, found.old_answers[at]),
            "new": _class_name(judged, found.new_answers[at]),
        }
        for kind, flipped in (("negative", negative), ("positive", positive))
        for at in flipped[:LISTED_FLIPS]
    ]


def _write_pictures(set_path: Path, flips: Sequence[Mapping], folder: Path) -> set[int]:
    if not flips:
        return set()
    inputs = read_set(set_path, inputs=True).inputs
    if inputs is None:
        return set()
    return write_thumbnails(inputs, [flip["row"] for flip in flips[:THUMBNAILS]], folder)


def _named_matrix(judged: CanonicalSet, found: Comparison) -> dict[str, dict[str, int]]:
    """Return how often the new version answers what, by true class, over all negative flips."""
    if found.new_right is None:
        return {}
    negative, _ = flipped_rows(found.old_right, found.new_right)
    matrix = flip_matrix(judged.labels[found.rows[negative]], found.new_answers[negative])
    return {
        _class_name(judged, label): {_class_name(judged, a): n for a, n in answers.items()}
        for label, answers in matrix.items()
    }


def _class_name(judged: CanonicalSet, index: int) -> str:
    return str(judged.classes[index]) if index >= 0 else NO_CLASS
