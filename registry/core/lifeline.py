"""Runs one program and kills it, with its whole group, when the parent of this process dies.

Usage: python -I -S lifeline.py PARENT_PID COMMAND...

It must be started as the head of a process group of its own. It imports nothing of ours, so that it
starts in milliseconds. Only Linux tells a process that its parent was killed; elsewhere a program
outlives a supervisor that dies by ``kill -9``.
"""

import ctypes
import os
import signal
import subprocess
import sys
from types import FrameType

PR_SET_PDEATHSIG = 1  # linux/prctl.h
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)


def kill_group(*_: object) -> None:
    """Kill every process of this group, this one among them."""
    os.killpg(os.getpgrp(), signal.SIGKILL)


def watch(parent: int) -> None:
    """Have the group killed when the process ``parent`` dies, also if it died already."""
    if sys.platform == "linux":
        signal.signal(signal.SIGUSR1, kill_group)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGUSR1, 0, 0, 0)
    if os.getppid() != parent:
        kill_group()


def main(parent: int, command: list[str]) -> int:
    """Run the command, pass signals on to it, and return its exit code as a shell would."""
    watch(parent)
    program = subprocess.Popen(command)

    def forward(signum: int, _: FrameType | None) -> None:
        program.send_signal(signum)

    for signum in FORWARDED:
        signal.signal(signum, forward)
    code = program.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
