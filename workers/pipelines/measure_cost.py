"""Job: run two versions side by side on the same samples, and say what the new one costs."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compat.measurement import Direction, Measurement, undefined
from compat.metrics.cost import latency_ratio, size_ratio
from workers.artifacts.onnx_checks import read_model
from workers.artifacts.stored import CanonicalSet
from workers.errors import PermanentError
from workers.runners.onnx_runner import OnnxRunner
from workers.runners.protocol import Runner

ROUNDS = 15
"""Chosen: enough for order statistics to reach each stored level."""

WARM_UPS = 2
"""Rounds before those that count (chosen): the first run of a session allocates."""

MAX_SAMPLES = 512
ROUND_S = 1.0
"""About what the slower version may take in one round (chosen)."""

PROBED = 8
"""Samples that are run to guess how long a round takes."""

ORDERS = (("old", "new"), ("new", "old"))

Timer = Callable[[], float]


def main(job: Mapping[str, Any], folder: Path, report: Callable[[int, int], None]) -> dict:
    """Return ``latency_ratio`` and ``size_ratio``; a model that cannot be run has no latency."""
    artifacts = {name: folder / job[f"{name}_artifact"] for name in ("old", "new")}
    sizes = (artifacts[name].stat().st_size for name in ("old", "new"))
    try:
        judged = CanonicalSet.read(folder / job["set"])
        runners = {
            name: OnnxRunner(
                read_model(path, job[f"{name}_manifest"])[0],
                job[f"{name}_manifest"],
                device=job["device"],
            )
            for name, path in artifacts.items()
        }
        latency = measure_latency(runners, judged.inputs, report)
    except PermanentError as exc:
        latency = undefined("latency_ratio", Direction.LOWER_IS_BETTER, exc.code)
    return {"measurements": [latency.as_json(), size_ratio(*sizes).as_json()]}


def measure_latency(
    runners: Mapping[str, Runner],
    inputs: NDArray[np.generic] | None,
    report: Callable[[int, int], None],
    clock: Timer = time.perf_counter,
) -> Measurement:
    """Return the median ratio of times over rounds in which each version runs once.

    The order alternates, so that a machine that slows down or warms up favours neither.

    Raises:
        PermanentError: ``set_without_inputs``, and what the runners raise.
    """
    if inputs is None:
        raise PermanentError("set_without_inputs", "the set has nothing that a version could run")
    samples = _chosen(runners, inputs, clock)
    ratios = []
    for done in range(WARM_UPS + ROUNDS):
        took = {name: _time(runners[name], samples, clock) for name in ORDERS[done % 2]}
        if done >= WARM_UPS:
            ratios.append(took["new"] / took["old"])
        report(done + 1, WARM_UPS + ROUNDS)
    return latency_ratio(np.array(ratios))


def _chosen(
    runners: Mapping[str, Runner], inputs: NDArray[np.generic], clock: Timer
) -> NDArray[np.generic]:
    """Return samples, spread evenly, that the slower version runs in about ``ROUND_S``."""
    probe = inputs[:PROBED]
    slower = max(_time(runner, probe, clock) for runner in runners.values()) / len(probe)
    count = int(min(MAX_SAMPLES, len(inputs), max(1, ROUND_S / max(slower, 1e-9))))
    return inputs[np.linspace(0, len(inputs) - 1, count).round().astype(np.int64)]


def _time(runner: Runner, samples: NDArray[np.generic], clock: Timer) -> float:
    started = clock()
    runner.run(samples)
    return clock() - started
