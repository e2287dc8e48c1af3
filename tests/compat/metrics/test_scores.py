"""Top scores against scipy, and what a consumer's cut-off makes of them."""

import numpy as np
import pytest
from scipy.special import softmax

from compat.errors import ShapeError
from compat.measurement import Direction
from compat.metrics.bootstrap import summarise
from compat.metrics.scores import (
    NO_PROBABILITIES,
    NO_SCORES,
    TopScores,
    acceptance,
    top_score_shift,
    top_scores,
)


def some_logits(seed=0, n=50, classes=4, scale=3.0):
    return (scale * np.random.default_rng(seed).normal(size=(n, classes))).astype(np.float32)


def measured(contributions):
    return {m.name: m for m in summarise(contributions)}


def test_top_scores_agree_with_scipy():
    logits = some_logits()
    probabilities = softmax(logits.astype(float), axis=1)

    assert top_scores(logits, "logits").values == pytest.approx(probabilities.max(axis=1))
    assert top_scores(probabilities, "probabilities").values == pytest.approx(
        probabilities.max(axis=1)
    )


def test_great_logits_do_not_overflow():
    assert top_scores(np.array([[1e30, -1e30]], np.float32), "logits").values.tolist() == [1.0]


def test_the_shift_is_the_mean_absolute_difference_of_top_scores():
    old, new = (top_scores(some_logits(seed), "logits") for seed in (1, 2))

    found = summarise([top_score_shift(old, new)])[0]

    wanted = [abs(a - b) for a, b in zip(old.values, new.values, strict=True)]
    assert found.value == pytest.approx(sum(wanted) / len(wanted))
    assert found.direction is Direction.LOWER_IS_BETTER
    assert found.value == summarise([top_score_shift(new, old)])[0].value


def test_scores_that_rise_and_fall_do_not_cancel():
    shift = top_score_shift(TopScores(np.array([0.5, 0.9])), TopScores(np.array([0.9, 0.5])))

    assert shift.mean == pytest.approx(0.4)


def test_a_version_against_itself_does_not_shift():
    top = top_scores(some_logits(), "logits")

    assert top_score_shift(top, top).mean == 0.0


def test_other_scales_of_the_same_answers_shift():
    old, new = (top_scores(some_logits(scale=s), "logits") for s in (3.0, 1.0))

    assert top_score_shift(old, new).mean > 0.1


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    ("outputs", "kind", "reason"),
    [
        (np.zeros((50, 0), np.float32), "logits", NO_SCORES),
        (some_logits(), "probabilities", NO_PROBABILITIES),
    ],
)
def test_a_version_without_scores_leaves_it_undefined_with_the_reason(outputs, kind, reason, which):
    pair = [top_scores(some_logits(), "logits")] * 2
    pair[which] = top_scores(outputs, kind)

    found = measured([top_score_shift(*pair), *acceptance(*pair, 0.5)])

    version = ("old", "new")[which]
    for name in ("top_score_shift", f"acceptance.{version}", "acceptance.new_minus_old"):
        assert (found[name].value, found[name].undefined) == (None, reason)
    assert found[f"acceptance.{('new', 'old')[which]}"].value is not None


def test_acceptance_is_counted_at_the_cut_off_and_paired():
    old = TopScores(np.array([0.5, 0.62, 0.7, 0.9]))
    new = TopScores(np.array([0.62, 0.61, 0.7, 0.9]))

    found = measured(acceptance(old, new, 0.62))

    assert (found["acceptance.old"].count, found["acceptance.new"].count) == (3, 3)
    assert found["acceptance.new_minus_old"].value == 0.0
    assert found["acceptance.new_minus_old"].support == 4
    assert {m.direction for m in found.values()} == {Direction.NEITHER}


def test_probabilities_may_be_rounded():
    nearly = np.array([[1.000001, -0.000001]], np.float32)

    assert top_scores(nearly, "probabilities").values[0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("outputs", "kind"), [(np.zeros(3), "logits"), (np.zeros((3, 2)), "embedding")]
)
def test_outputs_that_are_no_scores_are_refused(outputs, kind):
    with pytest.raises(ShapeError):
        top_scores(outputs, kind)


def test_scores_of_other_samples_are_refused():
    with pytest.raises(ShapeError):
        top_score_shift(TopScores(np.zeros(2)), TopScores(np.zeros(3)))
