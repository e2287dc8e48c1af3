"""Job of a resident child: keep one encoder warm and answer until the pipe is closed."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workers.artifacts.onnx_checks import read_model
from workers.errors import PermanentError
from workers.runners import frames
from workers.runners.onnx_runner import OnnxRunner
from workers.runners.protocol import Runner


def main(job: dict[str, Any], folder: Path, report: Callable[[int, int], None]) -> dict[str, Any]:
    """Load the encoder, say so, and answer requests from stdin on stdout."""
    answers = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever prints must not be an answer
    try:
        model, _ = read_model(folder / job["artifact"], job["manifest"])
        runner = OnnxRunner(model, job["manifest"], device=job["device"])
    except PermanentError as exc:
        _say(answers, frames.packed(_refusal(exc)))
        raise
    _say(answers, frames.packed({"provider": runner.provider, "width": runner.signature.width}))
    return {"answered": answer(runner, sys.stdin.fileno(), answers)}


def answer(runner: Runner, requests: int, answers: int) -> int:
    """Answer requests until there are no more; return how many there were."""
    answered = 0
    while True:
        try:
            header, body = frames.receive(requests, deadline=None)
        except frames.ClosedError:
            return answered
        _say(answers, _answer(runner, header, body))
        answered += 1


def _answer(runner: Runner, header: dict[str, Any], body: bytes) -> bytes:
    try:
        outputs = runner.run(frames.array_of(header, body))
    except PermanentError as exc:
        return frames.packed(_refusal(exc))
    except MemoryError:
        return frames.packed(_refusal(PermanentError("out_of_memory", "the request is too large")))
    return frames.packed(frames.header_of(outputs), outputs.tobytes())


def _refusal(exc: PermanentError) -> dict[str, str]:
    return {"code": exc.code, "detail": exc.detail}


def _say(descriptor: int, message: bytes) -> None:
    left = memoryview(message)
    while left:
        left = left[os.write(descriptor, left) :]
