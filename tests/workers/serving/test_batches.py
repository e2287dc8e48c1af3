"""Samples that wait for one encoder go through it together, and none spoils another."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.processes import wait_until
from workers.errors import PermanentError, TransientError
from workers.serving import batches
from workers.serving.batches import Batches

REFUSED, BROKEN = -1.0, -2.0


class Encoder:
    """Doubles its samples, as soon as it may; notes how many came at once."""

    def __init__(self):
        self.sizes = []
        self.may_go = threading.Event()

    def run(self, samples):
        self.sizes.append(len(samples))
        assert self.may_go.wait(10)
        if (samples == REFUSED).any():
            raise PermanentError("outputs_not_finite", "no")
        if (samples == BROKEN).any():
            raise RuntimeError("a bug")
        return samples.reshape(len(samples), -1) * 2


@pytest.fixture
def encoder():
    return Encoder()


@pytest.fixture
def joined(encoder):
    """Return a function that asks for samples while the encoder works on another one."""

    def ask(samples):
        asked = Batches(encoder.run)
        with ThreadPoolExecutor(len(samples) + 1) as threads:
            first = threads.submit(asked.encode, a_sample(9))
            wait_until(lambda: encoder.sizes == [1], what="the first run")
            later = []
            for number, sample in enumerate(samples, 1):
                later.append(threads.submit(asked.encode, sample))
                wait_until(lambda n=number: len(asked._waiting) == n, what="it to wait")
            encoder.may_go.set()
            assert first.result(10).tolist() == [[18.0]]
            return [one.exception(10) or one.result().tolist() for one in later]

    return ask


def a_sample(value, shape=(1, 1)):
    return np.full(shape, value, dtype=np.float32)


def test_what_waits_goes_in_one_run_and_each_gets_its_own(encoder, joined):
    assert joined([a_sample(n) for n in range(5)]) == [[[2.0 * n]] for n in range(5)]
    assert encoder.sizes == [1, 5]


def test_an_idle_encoder_is_asked_at_once(encoder):
    encoder.may_go.set()
    asked = Batches(encoder.run)

    assert [asked.encode(a_sample(n)).tolist() for n in (1, 2)] == [[[2.0]], [[4.0]]]
    assert encoder.sizes == [1, 1]


def test_a_refused_sample_is_refused_alone(encoder, joined):
    one, refused, other = joined([a_sample(1), a_sample(REFUSED), a_sample(3)])

    assert (one, other) == ([[2.0]], [[6.0]])
    assert refused.code == "outputs_not_finite"
    assert encoder.sizes == [1, 3, 1, 1, 1]


def test_a_bug_breaks_the_run_off_for_all_in_it_and_nobody_waits_for_ever(encoder, joined):
    told = joined([a_sample(1), a_sample(BROKEN), a_sample(3)])

    assert sorted(type(one).__name__ for one in told) == [
        "RuntimeError",
        "TransientError",
        "TransientError",
    ]


def test_samples_of_another_shape_go_in_a_run_of_their_own(encoder, joined):
    told = joined([a_sample(1), a_sample(2, (1, 2)), a_sample(3, (1, 2))])

    assert told == [[[2.0]], [[4.0, 4.0]], [[6.0, 6.0]]]
    assert encoder.sizes == [1, 1, 2]


def test_a_run_of_several_has_an_end(encoder, joined, monkeypatch):
    monkeypatch.setattr(batches, "MOST_BYTES", 2 * a_sample(0).nbytes)

    assert joined([a_sample(n) for n in range(5)]) == [[[2.0 * n]] for n in range(5)]
    assert encoder.sizes == [1, 2, 2, 1]


def test_who_waits_too_long_is_told_and_waits_no_more(encoder):
    asked = Batches(encoder.run, waits_s=0.05)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(asked.encode, a_sample(1))
        wait_until(lambda: encoder.sizes == [1], what="the first run")
        with pytest.raises(TransientError, match="busy"):
            asked.encode(a_sample(2))
        encoder.may_go.set()
        first.result(10)

    assert asked.encode(a_sample(3)).tolist() == [[6.0]]
    assert encoder.sizes == [1, 1]
