"""Drift of stored vectors, against an oracle in plain Python and where it is undefined."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from compat.drift import TOLERANCE, DriftOutcome
from compat.errors import ShapeError
from compat.metrics.drift import assess_drift, drifts, explained

ROWS = arrays(
    np.float32, (4, 3), elements=st.floats(-100, 100, width=32).filter(lambda x: abs(x) > 1e-3)
)
NAN = math.nan


def oracle(one, other, by_direction):
    dot = math.fsum(float(a) * float(b) for a, b in zip(one, other, strict=True))
    squares = [math.fsum(float(x) ** 2 for x in vector) for vector in (one, other)]
    if by_direction:
        return 1 - dot / math.sqrt(squares[0] * squares[1])
    return (squares[0] + squares[1] - 2 * dot) / (2 * max(squares))


@given(ROWS, ROWS, st.booleans())
def test_drift_is_one_minus_the_cosine_or_the_relative_distance(stored, made, by_direction):
    wanted = [oracle(a, b, by_direction) for a, b in zip(stored, made, strict=True)]

    assert drifts(stored, made, by_direction=by_direction) == pytest.approx(wanted, abs=1e-12)


@given(ROWS, st.floats(0.01, 100))
def test_a_length_matters_only_where_it_is_said_to(stored, factor):
    longer = stored.astype(np.float64) * factor

    assert drifts(stored, longer, by_direction=True) == pytest.approx(0, abs=1e-12)
    share = min(factor, 1 / factor)
    assert drifts(stored, longer, by_direction=False) == pytest.approx((1 - share) ** 2 / 2)


def test_float32_does_not_hide_what_lies_far_below_its_precision():
    stored = np.array([[1.0, 0.0]], np.float32)
    made = np.array([[1.0, 1e-6]], np.float32)

    assert drifts(stored, made, by_direction=True) == pytest.approx(5e-13, rel=1e-3)


def test_a_missing_direction_is_undefined_and_a_missing_length_only_if_both_are():
    zero, one = np.zeros((1, 2)), np.ones((1, 2))

    assert np.isnan(drifts(zero, one, by_direction=True)).all()
    assert drifts(zero, one, by_direction=False).tolist() == [pytest.approx(0.5)]
    assert np.isnan(drifts(zero, zero, by_direction=False)).all()


def test_one_canary_above_the_tolerance_is_enough_to_differ():
    found = np.array([0.0, TOLERANCE, TOLERANCE * 1.01, NAN])

    drift = assess_drift(found, TOLERANCE)

    assert drift.outcome is DriftOutcome.DIFFERS
    assert (drift.items, drift.undefined, drift.over, drift.worst_row) == (4, 1, 1, 2)
    assert assess_drift(found[:2], TOLERANCE).outcome is DriftOutcome.MATCHES


def test_where_nothing_is_defined_nothing_matches():
    drift = assess_drift(np.array([NAN, NAN]), TOLERANCE)

    assert drift.outcome is DriftOutcome.ERRORED
    assert (drift.worst, drift.worst_row, drift.undefined) == (None, None, 2)


def test_only_canaries_that_differ_are_explained_by_another_version():
    found = np.array([0.5, 0.5, 0.0, NAN])
    first = np.array([0.0, 0.5, 0.0, 0.0])
    second = np.array([0.0, 0.0, 0.9, NAN])

    assert explained(found, [first, second, None], TOLERANCE) == [1, 2, None]


@pytest.mark.parametrize(
    ("stored", "made"),
    [
        (np.ones((2, 3)), np.ones((2, 4))),
        (np.ones((2, 3)), np.ones((3, 3))),
        (np.ones(3), np.ones(3)),
        (np.empty((0, 3)), np.empty((0, 3))),
        (np.full((1, 2), NAN), np.ones((1, 2))),
    ],
)
def test_what_is_no_pair_of_finite_tables_is_refused(stored, made):
    with pytest.raises(ShapeError):
        drifts(stored, made, by_direction=True)


def test_no_canary_is_no_evidence():
    with pytest.raises(ShapeError):
        assess_drift(np.empty(0), TOLERANCE)
    with pytest.raises(ShapeError):
        explained(np.zeros(2), [np.zeros(3)], TOLERANCE)
