"""Compare two classifiers by what they predicted."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain

import numpy as np

from compat.errors import ShapeError
from compat.measurement import Measurement
from compat.metrics.bootstrap import Contributions, summarise
from compat.metrics.classes import classes_lost
from compat.metrics.flips import measure, nfr
from compat.metrics.history import cumulative_flips
from compat.metrics.null import NullResult, equals_itself, repeats_as_classifier
from compat.metrics.planted import flip_ladder
from compat.metrics.scores import acceptance, top_score_shift, top_scores
from compat.metrics.severity import severity_nfr
from workers.artifacts.stored import CanonicalSet, Outputs
from workers.errors import PermanentError
from workers.pipelines.comparison import Comparison, Question, Report
from workers.pipelines.slices import slice_masks

SHUFFLE_SEED = 7


def compare_classifiers(question: Question, report: Report) -> Comparison:
    """Measure the flips from the old to the new version; an unknown class is a wrong answer.

    Raises:
        PermanentError: ``outputs_unreadable`` when a version has no predictions.
    """
    judged = question.judged
    answers = {name: _predicted(name, found) for name, found in question.versions.items()}
    right = {name: predicted == judged.labels for name, predicted in answers.items()}
    earlier = [_predicted("ancestor", found) == judged.labels for found in question.ancestors]
    extra = partial(_of_flips, right["old"], question.weights, earlier)
    also = [*extra(right["new"]), *_of_scores(question)]
    slices = slice_masks(judged, question.asks.get("crossed", ()))
    measurements: list[Measurement] = []
    for done, (name, rows) in enumerate(slices):
        measurements += _on_slice(judged, right["old"], right["new"], also, rows, name)
        report(done + 1, len(slices) + 2)
    classes = (question.said[name].get("classes", ()) for name in ("old", "new"))
    planted = flip_ladder(right["old"], judged.labels, judged.identities, extra)
    report(len(slices) + 1, len(slices) + 2)
    null_test = _null_test(question, answers)
    report(len(slices) + 2, len(slices) + 2)
    return Comparison(
        measurements=[*measurements, classes_lost(*classes)],
        null_test=null_test,
        rows=np.arange(len(judged.ids)),
        old_right=right["old"],
        new_right=right["new"],
        old_answers=answers["old"],
        new_answers=answers["new"],
        planted=planted,
    )


def _predicted(name: str, outputs: Outputs) -> np.ndarray:
    if outputs.predicted is None:
        raise PermanentError("outputs_unreadable", f"the {name} version has no predictions")
    return outputs.predicted


def _of_flips(
    old: np.ndarray, weights: np.ndarray | None, earlier: Sequence[np.ndarray], new: np.ndarray
) -> list[Contributions]:
    """Return the measures of flips that need more than the two versions."""
    found = []
    if weights is not None:
        found.append(severity_nfr(nfr(old, new), weights, "severity_nfr"))
    if earlier:
        found.append(cumulative_flips([old, *earlier], new, "cumulative_nfr"))
    return found


def _of_scores(question: Question) -> list[Contributions]:
    old, new = (
        top_scores(question.versions[name].outputs, question.said[name]["kind"])
        for name in ("old", "new")
    )
    cut_off = question.asks.get("cut_off")
    accepted = [] if cut_off is None else acceptance(old, new, cut_off)
    return [top_score_shift(old, new), *accepted]


def _on_slice(
    judged: CanonicalSet,
    old: np.ndarray,
    new: np.ndarray,
    also: Sequence[Contributions],
    rows: np.ndarray,
    slice: str,
) -> list[Measurement]:
    clusters = None if judged.identities is None else judged.identities[rows]
    extra = [one.at(rows) for one in also]
    return measure(old[rows], new[rows], judged.labels[rows], clusters, slice, extra)


def _null_test(question: Question, answers: Mapping[str, np.ndarray]) -> NullResult:
    """Return the first failure: a repeated row of another class, or a version unlike itself."""
    kinds = {name: said["kind"] for name, said in question.said.items()}
    results = chain.from_iterable(
        (
            _repeats(name, outputs),
            _answers_equal(question, answers[name]),
            _scores_equal(question.judged, outputs, kinds.get(name, "logits")),
        )
        for name, outputs in question.versions.items()
    )
    return next((r for r in results if not r.passed), NullResult(True))


def _repeats(name: str, found: Outputs) -> NullResult:
    try:
        result = repeats_as_classifier(found.outputs, found.repeat_rows, found.repeat_outputs)
    except ShapeError as exc:
        raise PermanentError("outputs_unreadable", f"{name} version: {exc}") from exc
    return result if result.passed else NullResult(False, f"{name} version: {result.reason}")


def _answers_equal(question: Question, predicted: np.ndarray) -> NullResult:
    judged = question.judged
    shuffled = np.random.default_rng(SHUFFLE_SEED).permutation(len(judged.ids))

    def compare(old: np.ndarray, new: np.ndarray) -> list[Measurement]:
        before, after = old == judged.labels, new == judged.labels
        extra = _of_flips(before, question.weights, [before], after)
        return measure(before, after, judged.labels, also=extra)

    copy_ids, copy = judged.ids[shuffled], predicted[shuffled]
    return equals_itself(judged.ids, predicted, copy_ids, copy, compare)


def _scores_equal(judged: CanonicalSet, found: Outputs, kind: str) -> NullResult:
    shuffled = np.random.default_rng(SHUFFLE_SEED).permutation(len(judged.ids))

    def compare(old: np.ndarray, new: np.ndarray) -> list[Measurement]:
        return summarise([top_score_shift(top_scores(old, kind), top_scores(new, kind))])

    copy_ids, copy = judged.ids[shuffled], found.outputs[shuffled]
    return equals_itself(judged.ids, found.outputs, copy_ids, copy, compare)
