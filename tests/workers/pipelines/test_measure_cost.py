"""Two versions timed side by side: what the ratio is, and what it is not moved by."""

import numpy as np
import pytest

from compat.measurement import LEVELS, Measurement
from tests.builders.comparisons import a_set
from tests.builders.onnx_models import a_linear_model, an_encoder_manifest
from tests.builders.samples import WEIGHTS, some_samples
from workers.errors import PermanentError
from workers.pipelines.measure_cost import MAX_SAMPLES, PROBED, ROUNDS, main, measure_latency


class Clocked:
    """A runner whose runs take what they are told, on a clock of its own making."""

    provider = "none"

    def __init__(self, clock, per_sample):
        self.clock, self.per_sample, self.runs = clock, per_sample, []

    def run(self, inputs, *, rows=None, report=None):
        self.runs.append(inputs)
        self.clock.now += self.per_sample * len(inputs) * self.clock.speed()
        return np.zeros((len(inputs), 1), np.float32)


class Clock:
    def __init__(self, speed=lambda: 1.0):
        self.now, self.speed = 0.0, speed

    def __call__(self):
        return self.now


def silent(done, total):
    pass


def timed(old, new, n=1000, speed=lambda: 1.0):
    clock = Clock(speed)
    runners = {"old": Clocked(clock, old), "new": Clocked(clock, new)}
    inputs = np.arange(n)
    return measure_latency(runners, inputs, silent, clock), runners


def test_the_ratio_is_of_the_times_of_one_round():
    found, _ = timed(0.001, 0.0015)

    assert found.value == pytest.approx(1.5)
    assert found.support == ROUNDS
    assert found.interval(0.95) == pytest.approx((1.5, 1.5))


def test_both_versions_run_the_same_samples_and_the_order_alternates():
    _, runners = timed(0.001, 0.001)

    for old, new in zip(runners["old"].runs, runners["new"].runs, strict=True):
        assert old.tolist() == new.tolist()
    assert len(runners["old"].runs) == 1 + 2 + ROUNDS


def test_a_machine_that_slows_down_favours_neither():
    ticks = iter(np.linspace(1, 4, 1000))

    found, _ = timed(0.001, 0.001, speed=lambda: next(ticks))

    low, high = found.interval(0.95)
    assert low < 1 < high


@pytest.mark.parametrize(
    ("slower", "n", "samples"),
    [(1e-6, 10_000, MAX_SAMPLES), (0.01, 10_000, 100), (5.0, 10_000, 1), (1e-6, 3, 3)],
)
def test_as_many_samples_are_run_as_a_round_may_take(slower, n, samples):
    _, runners = timed(slower / 2, slower, n=n)

    sizes = {len(run) for run in runners["old"].runs[1:]}
    assert sizes == {samples}
    assert len(runners["old"].runs[0]) == min(PROBED, n)
    assert runners["old"].runs[1][0] == 0


def test_a_set_without_inputs_cannot_be_timed():
    with pytest.raises(PermanentError) as refused:
        measure_latency({}, None, silent)

    assert refused.value.code == "set_without_inputs"


def a_job(folder, old=None, new=None, **changes):
    samples = some_samples(30)
    a_set(folder, "embedding", rows=30, **{"inputs": samples, "slices": {}} | changes)
    manifest = an_encoder_manifest(WEIGHTS.shape[1], shape=samples.shape[1:])
    for name, weights in (("old", old), ("new", new)):
        model = a_linear_model(WEIGHTS if weights is None else weights)
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
    return {
        "old_artifact": "old.onnx",
        "new_artifact": "new.onnx",
        "old_manifest": manifest,
        "new_manifest": manifest,
        "set": "set.npz",
        "device": "cpu",
    }


def named(result):
    return {m.name: m for m in map(Measurement.from_json, result["measurements"])}


def test_real_models_are_timed_and_weighed(tmp_path):
    seen = []

    found = named(main(a_job(tmp_path), tmp_path, lambda *step: seen.append(step)))

    assert 0.1 < found["latency_ratio"].value < 10
    assert all(found["latency_ratio"].interval(level) for level in LEVELS)
    assert found["size_ratio"].value == 1
    assert seen[-1] == (17, 17)


def test_a_larger_artifact_is_larger_by_its_bytes(tmp_path):
    job = a_job(tmp_path)
    old, new = ((tmp_path / f"{name}.onnx").stat().st_size for name in ("old", "new"))
    with (tmp_path / "new.onnx").open("ab") as file:
        file.write(b"\x3a\x00" * 500)

    found = named(main(job, tmp_path, silent))

    assert old == new
    assert found["size_ratio"].value == pytest.approx((new + 1000) / old)


def test_a_version_that_cannot_be_run_has_a_size_and_no_latency(tmp_path):
    job = a_job(tmp_path)
    (tmp_path / "new.onnx").write_bytes(b"not a model" * 10)

    found = named(main(job, tmp_path, silent))

    assert found["latency_ratio"].value is None
    assert found["latency_ratio"].undefined in {"not_a_model", "format_not_supported"}
    assert found["size_ratio"].value is not None


def test_a_set_of_recordings_alone_gives_a_size_and_no_latency(tmp_path):
    found = named(main(a_job(tmp_path, inputs=None), tmp_path, silent))

    assert found["latency_ratio"].undefined == "set_without_inputs"
    assert found["size_ratio"].value == 1
