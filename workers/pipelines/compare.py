"""Compare two versions from their stored outputs: measurements, null test, flips. No model runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from compat.metrics.flips import flip_matrix, flipped_rows
from workers.errors import PermanentError
from workers.pipelines.compare_classifiers import compare_classifiers
from workers.pipelines.comparison import Comparison, Report
from workers.pipelines.stored import StoredOutputs, StoredSet, read_outputs, read_set
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
            ``outputs_not_finite``.
    """
    stored = read_set(Path(job["set"]))
    versions = {
        name: read_outputs(Path(job[name]), stored.ids, name)
        for name in ("old", "new", "producer")
        if job.get(name)
    }
    found = _compare(job, stored, versions, report)
    _write_samples(stored, found, folder)
    flips = _list_flips(stored, found)
    pictured = _write_pictures(stored, flips, folder)
    return {
        "measurements": [m.as_json() for m in found.measurements],
        "null_test": {"passed": found.null_test.passed, "reason": found.null_test.reason},
        "flips": [flip | {"thumbnail": flip["row"] in pictured} for flip in flips],
        "flip_matrix": _named_matrix(stored, found),
        "chance": found.chance,
    }


def _compare(
    job: Mapping[str, Any],
    stored: StoredSet,
    versions: Mapping[str, StoredOutputs],
    report: Report,
) -> Comparison:
    if job["task"] == "classification":
        return compare_classifiers(stored, versions, report)
    if job["task"] == "embedding":
        from workers.pipelines.compare_encoders import compare_encoders  # loads torch

        return compare_encoders(
            stored, versions, job["distance"], job.get("device") or "auto", report
        )
    raise PermanentError("unknown_task", f"there is no task {job['task']!r}")


def _write_samples(stored: StoredSet, found: Comparison, folder: Path) -> None:
    np.savez(
        folder / "samples.npz",
        allow_pickle=False,
        rows=found.rows,
        ids=stored.ids[found.rows],
        labels=stored.labels[found.rows],
        old_right=found.old_right,
        new_right=found.new_right,
        old_answers=found.old_answers,
        new_answers=found.new_answers,
        **found.samples,
    )


def _list_flips(stored: StoredSet, found: Comparison) -> list[dict[str, Any]]:
    """Return the flips, negative ones first, at most ``LISTED_FLIPS`` of each kind."""
    negative, positive = flipped_rows(found.old_right, found.new_right)
    return [
        {
            "row": int(found.rows[at]),
            "id": str(stored.ids[found.rows[at]]),
            "kind": kind,
            "label": _class_name(stored, stored.labels[found.rows[at]]),
            "old": _class_name(stored, found.old_answers[at]),
            "new": _class_name(stored, found.new_answers[at]),
        }
        for kind, flipped in (("negative", negative), ("positive", positive))
        for at in flipped[:LISTED_FLIPS]
    ]


def _write_pictures(stored: StoredSet, flips: Sequence[Mapping], folder: Path) -> set[int]:
    if not flips:
        return set()
    inputs = stored.inputs()
    if inputs is None:
        return set()
    return write_thumbnails(inputs, [flip["row"] for flip in flips[:THUMBNAILS]], folder)


def _named_matrix(stored: StoredSet, found: Comparison) -> dict[str, dict[str, int]]:
    """Return how often the new version answers what, by true class, over all negative flips."""
    negative, _ = flipped_rows(found.old_right, found.new_right)
    matrix = flip_matrix(stored.labels[found.rows[negative]], found.new_answers[negative])
    return {
        _class_name(stored, label): {_class_name(stored, a): n for a, n in answers.items()}
        for label, answers in matrix.items()
    }


def _class_name(stored: StoredSet, index: int) -> str:
    return str(stored.classes[index]) if index >= 0 else NO_CLASS
