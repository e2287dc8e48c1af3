"""Run one job in a fresh child process and bring back its result or its refusal."""

import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workers.errors import PermanentError, TransientError
from workers.runners import launch
from workers.runners.handover import RESULT_FILE
from workers.runners.limits import Limits

__all__ = ["Limits", "run_child"]

MAX_RESULT_BYTES = 64 * 2**20
MAX_LINE_BYTES = 4096
KEPT_STDERR_BYTES = 64 * 2**10
KEPT_STDERR_LINES = 12
DRAIN_READS = 8
"""Reads after the end of a child; a pipe holds less, so only what it left behind writes more."""

MEMORY_WORDS = ("bad_alloc", "MemoryError", "failed to map segment", "Cannot allocate memory")
"""What stderr says when an allocation failed where no Python exception could be raised."""

LOOK_S = 0.25
"""How often a child that keeps its pipes open is looked at."""

Progress = Callable[[int, int], None]


def run_child(
    module: str,
    job: dict[str, Any],
    *,
    folder: Path,
    limits: Limits,
    on_progress: Progress | None = None,
) -> dict[str, Any]:
    """Run ``module.main(job, folder, report)`` in a child process and return what it returned.

    ``folder`` is private to the job; paths in the job are relative to it or absolute. Whatever
    ends this call, the child and all it started have ended too.

    Raises:
        PermanentError: the job was refused, or the child died: ``child_crashed``,
            ``out_of_memory``, ``time_limit``, ``output_too_large``.
        TransientError: the disk was full.
    """
    child = launch.start(module, job, folder=folder, limits=limits, stderr=subprocess.PIPE)
    reading = _Reading(child, on_progress)
    try:
        in_time = reading.until(time.monotonic() + limits.wall_s)
    finally:
        launch.kill_group(child)
        reading.close()
    if not in_time:
        raise PermanentError("time_limit", f"it ran longer than {limits.wall_s:g} seconds")
    return _outcome(folder, child.returncode, reading.last_words())


class _Reading:
    """What a child prints: lines of progress on stdout, the end of its stderr."""

    def __init__(self, child: subprocess.Popen[bytes], on_progress: Progress | None) -> None:
        self._child = child
        self._on_progress = on_progress
        self._line = b""
        self._stderr = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(child.stdout, selectors.EVENT_READ, self._progress)
        self._selector.register(child.stderr, selectors.EVENT_READ, self._complaint)

    def until(self, deadline: float) -> bool:
        """Read until the child has ended; return whether it did before ``deadline``."""
        while not launch.has_ended(self._child):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if self._selector.get_map():
                self._take(min(left, LOOK_S))
            else:
                time.sleep(min(left, LOOK_S / 10))
        for _ in range(DRAIN_READS):
            if not self._take(0):
                break
        return True

    def last_words(self) -> str:
        """Return the last lines that the child wrote to stderr."""
        lines = self._stderr.decode("utf-8", "replace").strip().splitlines()
        return "\n".join(lines[-KEPT_STDERR_LINES:])

    def close(self) -> None:
        self._selector.close()
        for pipe in (self._child.stdout, self._child.stderr):
            pipe.close()

    def _take(self, wait_s: float) -> bool:
        """Read what is there; return whether there was anything."""
        taken = False
        for key, _ in self._selector.select(wait_s):
            data = os.read(key.fd, 2**16)
            if data:
                key.data(data)
                taken = True
            else:
                self._selector.unregister(key.fileobj)
        return taken

    def _progress(self, data: bytes) -> None:
        *lines, self._line = (self._line + data).split(b"\n")
        self._line = self._line[:MAX_LINE_BYTES]
        counts = [counted for counted in map(_counts, lines) if counted is not None]
        if counts and self._on_progress is not None:
            self._on_progress(*counts[-1])

    def _complaint(self, data: bytes) -> None:
        self._stderr = (self._stderr + data)[-KEPT_STDERR_BYTES:]


def _counts(line: bytes) -> tuple[int, int] | None:
    """Return the counts of a line of progress, or ``None`` for anything else that is printed."""
    try:
        said = json.loads(line[:MAX_LINE_BYTES])
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    done, total = said.get("done"), said.get("total")
    return (done, total) if type(done) is int and type(total) is int else None


def _outcome(folder: Path, status: int, last_words: str) -> dict[str, Any]:
    """Return the result that the child left, or raise what it left or died of."""
    left = _left(folder) if status >= 0 else {}
    if isinstance(left.get("code"), str):
        raise PermanentError(left["code"], str(left.get("detail", "")))
    if "transient" in left:
        raise TransientError(str(left["transient"]))
    if status == 0 and isinstance(left.get("result"), dict):
        return left["result"]
    raise _died(status, last_words)


def _left(folder: Path) -> dict[str, Any]:
    """Return the child's result file as a dictionary, empty if it is not a sane one."""
    try:
        with (folder / RESULT_FILE).open("rb") as file:
            text = file.read(MAX_RESULT_BYTES + 1)
        left = json.loads(text) if len(text) <= MAX_RESULT_BYTES else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return left if isinstance(left, dict) else {}


def _died(status: int, last_words: str) -> PermanentError:
    """Return the error that says what a child without a result died of."""
    if status == -signal.SIGXCPU:
        return PermanentError("time_limit", "it used more processor time than a child may")
    if status == -signal.SIGKILL:
        return PermanentError(
            "out_of_memory", "the system killed it, which it does when memory runs out"
        )
    if any(words in last_words for words in MEMORY_WORDS):
        return PermanentError("out_of_memory", "it needs more memory than a child may use")
    how = signal.Signals(-status).name if status < 0 else f"status {status}"
    return PermanentError("child_crashed", f"the child ended with {how}\n{last_words}".strip())
