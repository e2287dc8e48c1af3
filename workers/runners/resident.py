"""A child that keeps an encoder warm for the search process."""

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.errors import PermanentError, TransientError
from workers.runners import frames, launch
from workers.runners.folders import HeldFolder
from workers.runners.limits import GIB, Limits
from workers.runners.protocol import Report, no_report

MODULE = "workers.pipelines.encode_requests"

RESIDENT_LIMITS = Limits(memory_bytes=4 * GIB, cpu_s=None, file_bytes=2**20)
"""A resident child has no end to its processor time; each request has a deadline instead."""


class ResidentChild:
    """The ``Runner`` that the search process uses: a warm encoder in a child of its own.

    It may be called from several threads; requests run one after the other. A child that died is
    started again by the next request; one that does not answer in time is killed.
    """

    def __init__(
        self,
        artifact: Path,
        manifest: Mapping[str, Any],
        *,
        device: str = "auto",
        limits: Limits = RESIDENT_LIMITS,
        start_timeout_s: float = 60.0,
        timeout_s: float = 10.0,
    ) -> None:
        """Start nothing yet: ``warm`` does, or the first request."""
        self._job = {"artifact": str(artifact), "manifest": dict(manifest), "device": device}
        self._limits = limits
        self._start_timeout_s, self._timeout_s = start_timeout_s, timeout_s
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._held: HeldFolder | None = None
        self._provider = ""
        self._starts = 0

    @property
    def provider(self) -> str:
        """What computes; empty until the child has started."""
        return self._provider

    @property
    def restarts(self) -> int:
        """How often it was started, or that was tried, after the first time."""
        return max(0, self._starts - 1)

    def warm(self) -> None:
        """Start the child if it does not run.

        Raises:
            PermanentError: the encoder cannot be loaded, ``child_crashed``, ``time_limit``.
        """
        with self._lock:
            self._require_running()

    def encode(self, inputs: bytes | Sequence[Any], shape: Sequence[int] | None = None) -> bytes:
        """Return the vectors of ``inputs`` as float32 bytes, row by row.

        Args:
            inputs: nested lists of numbers, one sample each; or float32 bytes with their
                ``shape``, (n, ...).

        Raises:
            PermanentError: ``input_shape`` for what is no array of numbers, ``not_finite``, and
                what ``run`` raises.
        """
        return self.run(_as_samples(inputs, shape)).tobytes()

    def run(
        self, inputs: NDArray[np.generic], *, rows: int | None = None, report: Report = no_report
    ) -> NDArray[np.float32]:
        """As ``Runner``; the child chooses its batches itself.

        Raises:
            PermanentError: also ``request_too_large``, ``child_crashed``, ``time_limit``.
            TransientError: other requests kept the encoder busy for too long.
        """
        if inputs.nbytes > frames.MAX_BYTES:
            raise PermanentError(
                "request_too_large", f"one request carries at most {frames.MAX_BYTES} bytes"
            )
        samples = np.ascontiguousarray(inputs)
        message = frames.packed(frames.header_of(samples), samples.tobytes())
        if not self._lock.acquire(timeout=self._timeout_s):
            raise TransientError("the encoder is busy with other requests")
        try:
            header, body = self._ask(message)
        finally:
            self._lock.release()
        vectors = _vectors(header, body, len(inputs))
        if len(inputs):
            report(len(inputs), len(inputs))
        return vectors

    def close(self) -> None:
        """End the child."""
        with self._lock:
            self._stop()

    def _ask(self, message: bytes) -> tuple[dict[str, Any], bytes]:
        """Send a request; a child found dead is replaced once."""
        for attempt in (1, 2):
            child = self._require_running()
            try:
                deadline = time.monotonic() + self._timeout_s
                frames.send(child.stdin.fileno(), message, deadline=deadline)
                return frames.receive(child.stdout.fileno(), deadline=deadline)
            except frames.DeadlineError:
                self._stop()
                raise PermanentError(
                    "time_limit", f"the encoder did not answer in {self._timeout_s:g} seconds"
                ) from None
            except frames.ClosedError as exc:
                words = self._stop()
                if attempt == 2:
                    raise PermanentError("child_crashed", f"{exc}\n{words}".strip()) from None
        raise AssertionError("unreachable")

    def _require_running(self) -> subprocess.Popen[bytes]:
        if self._child is not None and not launch.has_ended(self._child):
            return self._child
        self._stop()
        return self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self._starts += 1
        self._held = HeldFolder("encoder")
        folder = self._held.path
        with (folder / "stderr").open("wb") as stderr:
            child = launch.start(
                MODULE,
                self._job,
                folder=folder,
                limits=self._limits,
                stderr=stderr,
                resident=True,
            )
        self._child = child
        os.set_blocking(child.stdin.fileno(), False)
        os.set_blocking(child.stdout.fileno(), False)
        try:
            deadline = time.monotonic() + self._start_timeout_s
            header, _ = frames.receive(child.stdout.fileno(), deadline=deadline)
        except frames.DeadlineError:
            self._stop()
            raise PermanentError("time_limit", "the encoder did not start in time") from None
        except frames.ClosedError as exc:
            raise PermanentError("child_crashed", f"{exc}\n{self._stop()}".strip()) from None
        if "code" in header:
            self._stop()
            raise PermanentError(str(header["code"]), str(header.get("detail", "")))
        self._provider = str(header.get("provider", ""))
        return child

    def _stop(self) -> str:
        """End the child, remove its folder, return its last words."""
        if self._child is not None:
            launch.kill_group(self._child)
            self._child.stdin.close()
            self._child.stdout.close()
            self._child = None
        if self._held is None:
            return ""
        stderr = self._held.path / "stderr"
        words = stderr.read_text(encoding="utf-8", errors="replace") if stderr.exists() else ""
        self._held.remove()
        self._held = None
        return words[-2000:].strip()


def _as_samples(inputs: bytes | Sequence[Any], shape: Sequence[int] | None) -> NDArray[np.float32]:
    """Return what a client sent as float32 samples."""
    try:
        if isinstance(inputs, bytes):
            samples = np.frombuffer(inputs, dtype=np.float32).reshape(tuple(shape or ()))
        else:
            samples = np.asarray(inputs)
    except (ValueError, TypeError):
        samples = np.empty(0, dtype=object)
    if samples.ndim == 0 or samples.dtype.kind not in "iuf":
        raise PermanentError(
            "input_shape",
            "give a list of samples: numbers in nested lists of one shape, or float32 bytes "
            "with their shape",
        )
    with np.errstate(over="ignore"):  # what is too large becomes infinite and is refused as such
        samples = samples.astype(np.float32)
    if not np.isfinite(samples).all():
        raise PermanentError("not_finite", "a sample holds NaN or an infinity")
    return samples


def _vectors(header: dict[str, Any], body: bytes, rows: int) -> NDArray[np.float32]:
    """Return the vectors of an answer, or raise the refusal that it carries."""
    if "code" in header:
        raise PermanentError(str(header["code"]), str(header.get("detail", "")))
    try:
        vectors = frames.array_of(header, body)
    except frames.ClosedError as exc:
        raise PermanentError("child_crashed", str(exc)) from None
    if vectors.ndim != 2 or len(vectors) != rows or vectors.dtype != np.float32:
        raise PermanentError("child_crashed", "the child's answer is not what it announced")
    return vectors
