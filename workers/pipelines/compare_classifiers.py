"""Compare two classifiers by what they predicted."""

from collections.abc import Mapping
from itertools import chain

import numpy as np

from compat.errors import ShapeError
from compat.measurement import Measurement
from compat.metrics.flips import measure
from compat.metrics.null import NullResult, equals_itself, repeats_as_classifier
from workers.errors import PermanentError
from workers.pipelines.comparison import Comparison, Report
from workers.pipelines.stored import StoredOutputs, StoredSet

SHUFFLE_SEED = 7


def compare_classifiers(
    stored: StoredSet, versions: Mapping[str, StoredOutputs], report: Report
) -> Comparison:
    """Measure the flips from the old to the new version; an unknown class is a wrong answer.

    Raises:
        PermanentError: ``outputs_unreadable`` when a version has no predictions.
    """
    answers = {name: _predicted(name, outputs) for name, outputs in versions.items()}
    right = {name: predicted == stored.labels for name, predicted in answers.items()}
    slices = list(stored.slice_masks())
    measurements: list[Measurement] = []
    for done, (name, rows) in enumerate(slices):
        measurements += _on_slice(stored, right["old"], right["new"], rows, name)
        report(done + 1, len(slices) + 1)
    null_test = _null_test(stored, versions, answers)
    report(len(slices) + 1, len(slices) + 1)
    return Comparison(
        measurements=measurements,
        null_test=null_test,
        rows=np.arange(len(stored.ids)),
        old_right=right["old"],
        new_right=right["new"],
        old_answers=answers["old"],
        new_answers=answers["new"],
    )


def _predicted(name: str, outputs: StoredOutputs) -> np.ndarray:
    if outputs.predicted is None:
        raise PermanentError("outputs_unreadable", f"the {name} version has no predictions")
    return outputs.predicted


def _on_slice(
    stored: StoredSet, old: np.ndarray, new: np.ndarray, rows: np.ndarray, slice: str
) -> list[Measurement]:
    clusters = None if stored.identities is None else stored.identities[rows]
    return measure(old[rows], new[rows], stored.labels[rows], clusters, slice)


def _null_test(
    stored: StoredSet, versions: Mapping[str, StoredOutputs], answers: Mapping[str, np.ndarray]
) -> NullResult:
    """Return the first failure: a repeated row of another class, or flips against itself."""
    results = chain.from_iterable(
        (_repeats(name, outputs), _equals_itself(stored, answers[name]))
        for name, outputs in versions.items()
    )
    return next((r for r in results if not r.passed), NullResult(True))


def _repeats(name: str, stored: StoredOutputs) -> NullResult:
    try:
        found = repeats_as_classifier(stored.outputs, stored.repeat_rows, stored.repeat_outputs)
    except ShapeError as exc:
        raise PermanentError("outputs_unreadable", f"{name} version: {exc}") from exc
    return found if found.passed else NullResult(False, f"{name} version: {found.reason}")


def _equals_itself(stored: StoredSet, predicted: np.ndarray) -> NullResult:
    shuffled = np.random.default_rng(SHUFFLE_SEED).permutation(len(stored.ids))

    def compare(old: np.ndarray, new: np.ndarray) -> list[Measurement]:
        return measure(old == stored.labels, new == stored.labels, stored.labels)

    copy_ids, copy = stored.ids[shuffled], predicted[shuffled]
    return equals_itself(stored.ids, predicted, copy_ids, copy, compare)
