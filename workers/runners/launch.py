"""Start a child process in its own session, with an empty environment and nothing inherited.

This is the one place that decides how isolated a child is. Whatever contains it further wraps
what ``command`` and ``environment`` return.
"""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

from workers.runners.handover import JOB_FILE, PARENT_VARIABLE, RESULT_FILE
from workers.runners.limits import Limits

PROJECT = Path(__file__).resolve().parents[2]

PASSED_ON = ("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH")
"""Variables of the parent that a child gets: where the devices and their libraries are."""

NVIDIA_CONTROL = Path("/dev/nvidiactl")


def start(
    module: str,
    job: dict[str, object],
    *,
    folder: Path,
    limits: Limits,
    stderr: int | IO[bytes],
    resident: bool = False,
) -> subprocess.Popen[bytes]:
    """Write the job into ``folder`` and start ``module`` on it.

    Its stdout is a pipe; its stdin is one only if it is ``resident``.
    """
    if may_use_cuda(job):
        limits = replace(limits, memory_bytes=None)
    limits.write(folder)
    (folder / JOB_FILE).write_text(json.dumps(job, allow_nan=False), encoding="utf-8")
    (folder / RESULT_FILE).unlink(missing_ok=True)
    return subprocess.Popen(
        command(module, folder, resident=resident),
        stdin=subprocess.PIPE if resident else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        cwd=folder,
        env=environment(folder),
        close_fds=True,
        start_new_session=True,
        bufsize=0,
    )


def command(module: str, folder: Path, *, resident: bool) -> list[str]:
    """Return the command line of a child."""
    asked = [sys.executable, "-m", "workers.runners.child", module, str(folder)]
    return [*asked, "--resident"] if resident else asked


def environment(folder: Path) -> dict[str, str]:
    """Return the whole environment of a child: no secret of the parent is in it."""
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return passed_on | {
        "PYTHONPATH": str(PROJECT),
        "PYTHONSAFEPATH": "1",  # the folder holds uploads: never import from it
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "ORT_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "TMPDIR": str(folder),
        PARENT_VARIABLE: str(os.getpid()),
    }


def may_use_cuda(job: dict[str, object]) -> bool:
    """Return whether the job asks for a CUDA device, or takes one where there is one."""
    device = job.get("device")
    return device == "cuda" or (device == "auto" and NVIDIA_CONTROL.exists())


def has_ended(child: subprocess.Popen[bytes]) -> bool:
    """Return whether the child has ended, without reaping it: its id stays its own."""
    if child.returncode is not None:
        return True
    seen = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return seen is not None


def kill_group(child: subprocess.Popen[bytes]) -> None:
    """Kill the child and everything it started, and reap it."""
    if child.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
