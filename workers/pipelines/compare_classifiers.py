"""Compare two classifiers by what they predicted."""

from collections.abc import Mapping
from itertools import chain

import numpy as np

from compat.errors import ShapeError
from compat.measurement import Measurement
from compat.metrics.flips import measure
from compat.metrics.null import NullResult, equals_itself, repeats_as_classifier
from workers.artifacts.stored import CanonicalSet, Outputs
from workers.errors import PermanentError
from workers.pipelines.aligned import slice_masks
from workers.pipelines.comparison import Comparison, Report

SHUFFLE_SEED = 7


def compare_classifiers(
    judged: CanonicalSet, versions: Mapping[str, Outputs], report: Report
) -> Comparison:
    """Measure the flips from the old to the new version; an unknown class is a wrong answer.

    Raises:
        PermanentError: ``outputs_unreadable`` when a version has no predictions.
    """
    answers = {name: _predicted(name, outputs) for name, outputs in versions.items()}
    right = {name: predicted == judged.labels for name, predicted in answers.items()}
    slices = list(slice_masks(judged))
    measurements: list[Measurement] = []
    for done, (name, rows) in enumerate(slices):
        measurements += _on_slice(judged, right["old"], right["new"], rows, name)
        report(done + 1, len(slices) + 1)
    null_test = _null_test(judged, versions, answers)
    report(len(slices) + 1, len(slices) + 1)
    return Comparison(
        measurements=measurements,
        null_test=null_test,
        rows=np.arange(len(judged.ids)),
        old_right=right["old"],
        new_right=right["new"],
        old_answers=answers["old"],
        new_answers=answers["new"],
    )


def _predicted(name: str, outputs: Outputs) -> np.ndarray:
    if outputs.predicted is None:
        raise PermanentError("outputs_unreadable", f"the {name} version has no predictions")
    return outputs.predicted


def _on_slice(
    judged: CanonicalSet, old: np.ndarray, new: np.ndarray, rows: np.ndarray, slice: str
) -> list[Measurement]:
    clusters = None if judged.identities is None else judged.identities[rows]
    return measure(old[rows], new[rows], judged.labels[rows], clusters, slice)


def _null_test(
    judged: CanonicalSet, versions: Mapping[str, Outputs], answers: Mapping[str, np.ndarray]
) -> NullResult:
    """Return the first failure: a repeated row of another class, or flips against itself."""
    results = chain.from_iterable(
        (_repeats(name, outputs), _equals_itself(judged, answers[name]))
        for name, outputs in versions.items()
    )
    return next((r for r in results if not r.passed), NullResult(True))


def _repeats(name: str, found: Outputs) -> NullResult:
    try:
        result = repeats_as_classifier(found.outputs, found.repeat_rows, found.repeat_outputs)
    except ShapeError as exc:
        raise PermanentError("outputs_unreadable", f"{name} version: {exc}") from exc
    return result if result.passed else NullResult(False, f"{name} version: {result.reason}")


def _equals_itself(judged: CanonicalSet, predicted: np.ndarray) -> NullResult:
    shuffled = np.random.default_rng(SHUFFLE_SEED).permutation(len(judged.ids))

    def compare(old: np.ndarray, new: np.ndarray) -> list[Measurement]:
        return measure(old == judged.labels, new == judged.labels, judged.labels)

    copy_ids, copy = judged.ids[shuffled], predicted[shuffled]
    return equals_itself(judged.ids, predicted, copy_ids, copy, compare)
