"""The learned order of a backfill, and the test that it has to pass."""

import numpy as np
import pytest

from workers.pipelines.predict_gain import (
    alignment_errors,
    captured_area,
    chance_area,
    fit,
)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_an_error_that_the_stored_vector_tells_is_learned_and_beats_chance():
    rng = np.random.default_rng(0)
    stored = unit(rng.normal(size=(1000, 8)))
    errors = 1 + stored[:, 0] + 2 * stored[:, 1] ** 2 + rng.normal(scale=0.1, size=1000)

    predict = fit(stored[:500], errors[:500])
    area, low, _ = captured_area(predict(stored[500:]), errors[500:])

    assert low > chance_area(500)
    best, _, _ = captured_area(errors[500:], errors[500:])
    assert area == pytest.approx(best, abs=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_an_error_that_nothing_tells_does_not_pass(seed):
    rng = np.random.default_rng(seed)
    stored = unit(rng.normal(size=(1000, 8)))
    errors = rng.exponential(size=1000)

    predict = fit(stored[:500], errors[:500])
    _, low, high = captured_area(predict(stored[500:]), errors[500:])

    assert low <= chance_area(500) <= high + 0.01


def test_the_area_is_that_of_the_definition():
    errors = np.array([3.0, 1.0, 0.0])

    assert captured_area(np.array([2.0, 1.0, 0.0]), errors)[0] == pytest.approx(
        (3 / 4 + 4 / 4 + 4 / 4) / 3
    )
    assert captured_area(np.array([0.0, 1.0, 2.0]), errors)[0] == pytest.approx(
        (0 + 1 / 4 + 4 / 4) / 3
    )


def test_nothing_to_gain_is_chance():
    area, low, high = captured_area(np.arange(10.0), np.zeros(10))

    assert area == low == high == chance_area(10)


def test_the_alignment_error_is_the_squared_distance():
    stored, made = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]], dtype=np.float32)

    assert alignment_errors(stored, made).tolist() == [2.0]
