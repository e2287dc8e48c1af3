"""Acceptance rates at one threshold, against counting and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from compat.errors import ShapeError, UndefinedMeasureError
from compat.metrics.verification import acceptance_rates, threshold_at_far

pairs = st.lists(st.tuples(st.integers(-3, 3).map(float), st.booleans()), min_size=1, max_size=30)


def columns(found):
    scores, same = zip(*found, strict=True)
    return np.array(scores), np.array(same)


@given(pairs, st.integers(-4, 4))
def test_rates_agree_with_counting(found, threshold):
    tar, far = acceptance_rates(*columns(found), threshold)

    for rate, kind in ((tar, True), (far, False)):
        accepted = [score >= threshold for score, same in found if same is kind]
        assert rate.value == (sum(accepted) / len(accepted) if accepted else None)
        assert rate.support == len(accepted)


def test_rates_lie_on_the_curve_of_scikit_learn():
    rng = np.random.default_rng(0)
    same = rng.random(500) < 0.3
    scores = rng.normal(same.astype(float), 1.0)

    for wanted_far, wanted_tar, threshold in zip(*roc_curve(same, scores), strict=True):
        tar, far = acceptance_rates(scores, same, threshold)
        assert (tar.value, far.value) == pytest.approx((wanted_tar, wanted_far))


@given(pairs, st.floats(0, 1))
def test_the_least_threshold_keeps_the_promised_rate(found, promised):
    scores, same = columns(found)
    if same.all():
        with pytest.raises(UndefinedMeasureError):
            threshold_at_far(scores, same, promised)
        return

    threshold = threshold_at_far(scores, same, promised)

    assert acceptance_rates(scores, same, threshold)[1].value <= promised
    lower = scores[scores < threshold]
    if len(lower):
        assert acceptance_rates(scores, same, lower.max())[1].value > promised


@pytest.mark.parametrize(
    ("scores", "same"),
    [
        (np.zeros(2), np.zeros(3, bool)),
        (np.zeros(2), np.zeros(2)),
        (np.array([np.nan]), np.zeros(1, bool)),
    ],
)
def test_pairs_that_are_not_as_stated_are_refused(scores, same):
    with pytest.raises(ShapeError):
        acceptance_rates(scores, same, 0.5)
