"""Keeps the programs of an installation on one machine running, and ends them together."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from registry.core import lifeline

POLL_S = 0.2
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
STABLE_AFTER_S = 60.0
"""A program that ran this long starts again at the first delay."""
LARGEST_LOG_BYTES = 20_000_000
LINES_SHOWN = 5


@dataclass(frozen=True)
class Program:
    """One program to keep running; ``address`` is where it will listen, if it does."""

    name: str
    command: tuple[str, ...]
    address: tuple[str, int] | None = None
    grace_s: float = 20.0


@dataclass
class _Running:
    program: Program
    log: Path
    process: subprocess.Popen[bytes] | None = None
    log_offset: int = 0
    started: float = 0.0
    failures: int = 0
    start_again_at: float = 0.0
    announced: bool = False

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def last_lines(self) -> list[str]:
        with self.log.open(errors="replace") as log:
            log.seek(self.log_offset)
            return log.read().splitlines()[-LINES_SHOWN:]


@dataclass
class Supervisor:
    """Runs programs in the order given, each with its log file, until it is asked to stop."""

    programs: Iterable[Program]
    log_folder: Path
    environment: Mapping[str, str]
    say: Callable[[str], None] = print
    _asked_to_stop: int = 0
    _wake: Event = field(default_factory=Event)

    def run(self) -> None:
        """Start everything, restart what ends, return once SIGTERM or SIGINT ended it all."""
        self.log_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._stop)
        running = [
            _Running(program, self.log_folder / f"{program.name}.log") for program in self.programs
        ]
        try:
            while not self._asked_to_stop:
                for one in running:
                    self._tend(one)
                self._wake.wait(POLL_S)
        finally:
            for one in reversed(running):
                self._end(one)
        self.say("stopped")

    def _stop(self, *_: object) -> None:
        self._asked_to_stop += 1
        self._wake.set()

    def _tend(self, one: _Running) -> None:
        if one.is_alive():
            self._announce(one)
        elif one.process is not None:
            self._lament(one, one.process)
        elif time.monotonic() >= one.start_again_at:
            self._start(one)

    def _start(self, one: _Running) -> None:
        if one.log.exists() and one.log.stat().st_size > LARGEST_LOG_BYTES:
            one.log.replace(one.log.with_suffix(".log.1"))
        parent = str(os.getpid())
        with one.log.open("ab") as log:
            one.log_offset = log.tell()
            one.process = subprocess.Popen(
                [sys.executable, "-I", "-S", lifeline.__file__, parent, *one.program.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self.environment),
                start_new_session=True,
            )
        one.started = time.monotonic()
        one.announced = False

    def _announce(self, one: _Running) -> None:
        if one.announced or one.program.address is None:
            return
        with suppress(OSError):
            socket.create_connection(one.program.address, timeout=1).close()
            one.announced = True
            host, port = one.program.address
            self.say(f"{one.program.name} is ready at http://{host}:{port}/")

    def _lament(self, one: _Running, process: subprocess.Popen[bytes]) -> None:
        """Clear away what the program left, and set the time of its next start."""
        _kill_group(process)
        if time.monotonic() - one.started > STABLE_AFTER_S:
            one.failures = 0
        delay = min(FIRST_DELAY_S * 2**one.failures, LONGEST_DELAY_S)
        one.failures += 1
        one.process = None
        one.start_again_at = time.monotonic() + delay
        self.say(f"{one.program.name} ended with {process.returncode}; again in {delay:g} s")
        for line in one.last_lines():
            self.say(f"{one.program.name} | {line}")

    def _end(self, one: _Running) -> None:
        """Ask the program to stop; kill it when its grace, or a second signal, is over."""
        if one.process is None:
            return
        with suppress(ProcessLookupError):
            one.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + one.program.grace_s
        while one.is_alive() and time.monotonic() < deadline and self._asked_to_stop < 2:
            time.sleep(0.05)
        _kill_group(one.process)
        one.process.wait()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
