"""Measurements as values: what is defined, which interval, and the way through JSON."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.errors import ShapeError
from compat.intervals import clopper_pearson
from compat.measurement import LEVELS, Direction, Measurement, Tail, proportion, undefined

numbers = st.floats(allow_nan=True, allow_infinity=True)


def a_mean(value=0.25, lower=0.2, upper=0.3):
    bounds = {Tail.LOWER.value: {"0.95": lower}, Tail.UPPER.value: {"0.95": upper}}
    return Measurement(
        "map.new_old",
        value,
        40,
        Direction.HIGHER_IS_BETTER,
        slice="split=a",
        bounds=bounds,
        clusters=12,
        spread=0.125,
    )


def strict_json(measurement):
    return json.loads(json.dumps(measurement.as_json(), allow_nan=False))


@given(numbers, numbers, numbers)
def test_a_measurement_survives_strict_json_with_any_number(value, lower, upper):
    before = a_mean(value, lower, upper)

    after = Measurement.from_json(strict_json(before))

    assert repr(after) == repr(before)  # NaN equals NaN in print only


def test_a_share_and_an_undefined_measure_survive_strict_json():
    for before in (
        proportion("nfr", 3, 100, Direction.LOWER_IS_BETTER, slice="split=a"),
        undefined("nfi", Direction.LOWER_IS_BETTER, "no error", support=7),
    ):
        assert Measurement.from_json(strict_json(before)) == before


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["value", "lower", "upper"])
def test_one_number_that_is_not_finite_makes_the_measurement_not_finite(where, broken):
    assert a_mean().is_finite
    assert not a_mean(**{where: broken}).is_finite


def test_a_share_of_nothing_is_undefined_and_never_zero():
    found = proportion("nfr", 0, 0, Direction.LOWER_IS_BETTER)

    assert found.value is None
    assert found.undefined
    assert found.interval(0.95) is None


def test_an_undefined_value_without_a_reason_is_refused():
    with pytest.raises(ShapeError, match="states its reason"):
        Measurement("nfr", None, 0, Direction.LOWER_IS_BETTER)


@pytest.mark.parametrize("level", [*LEVELS, 0.93])
def test_the_interval_of_a_share_is_exact_at_any_level(level):
    found = proportion("nfr", 3, 100, Direction.LOWER_IS_BETTER)

    assert found.interval(level) == clopper_pearson(3, 100, level)


def test_the_interval_of_a_mean_exists_at_stored_levels_only():
    assert a_mean().interval(0.95) == (0.2, 0.3)
    assert a_mean().interval(0.99) is None
