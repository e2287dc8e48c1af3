"""Real processes of an installation: started, waited for, killed, and their output kept."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


PORTS = range(20_000, 32_000)
"""Below what Linux gives to outgoing connections: nothing takes one between its choice and use."""


def free_port() -> int:
    """Return a loopback port that nothing listens on now, by chance: other sessions choose too."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass
class Installation:
    """The folder and the environment of one installation under test."""

    folder: Path
    environment: dict[str, str]
    port: int = field(default_factory=free_port)
    search_port: int = field(default_factory=free_port)

    @classmethod
    def embedded(cls, folder: Path) -> "Installation":
        """On SQLite and the broker in a folder, as a first user has it."""
        return cls._make(
            folder,
            DATABASE_URL=f"sqlite:///{folder}/registry.sqlite3",
            CELERY_BROKER_URL=f"registry-files://{folder}/broker",
        )

    @classmethod
    def full(cls, folder: Path, database_url: str, broker_url: str) -> "Installation":
        """On PostgreSQL and Redis, as docker/compose.yaml has it."""
        return cls._make(folder, DATABASE_URL=database_url, CELERY_BROKER_URL=broker_url)

    @classmethod
    def _make(cls, folder: Path, **variables: str) -> "Installation":
        folder.mkdir(parents=True, exist_ok=True)
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        installation = cls(folder, {**kept, **variables})
        installation.environment.update(
            PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
            REGISTRY_DATA_DIR=str(folder),
            SEARCH_URL=f"http://127.0.0.1:{installation.search_port}",
            ORT_DISABLE_TELEMETRY="1",
            PYTHONUNBUFFERED="1",
        )
        return installation

    @property
    def url(self) -> str:
        """Where its web server listens once started on ``port``."""
        return f"http://127.0.0.1:{self.port}"

    def manage(self, *arguments: str) -> str:
        """Run a management command to its end and return what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"manage.py {arguments}:\n{done.stdout}{done.stderr}"
        return done.stdout


@dataclass
class Process:
    """One running program, the head of its own process group."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    def output(self) -> str:
        """Return everything it printed so far."""
        return self.log.read_text(errors="replace")

    def is_running(self) -> bool:
        """Tell whether the program itself still runs."""
        return self.popen.poll() is None

    def terminate(self, timeout_s: float = 30) -> int:
        """Ask it to stop, wait, and return its exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(timeout=timeout_s)

    def kill(self, *, whole_group: bool = True) -> None:
        """Kill it without warning (``kill -9``), with or without what it started."""
        if whole_group:
            with suppress(ProcessLookupError):
                os.killpg(self.popen.pid, signal.SIGKILL)
        else:
            self.popen.kill()
        self.popen.wait(timeout=30)


class Processes:
    """The processes of one test."""

    def __init__(self, log_folder: Path) -> None:
        self.log_folder = log_folder
        self.started: list[Process] = []

    def start(self, name: str, command: list[str], installation: Installation) -> Process:
        """Start a program with the environment of ``installation``, in a session of its own."""
        self.log_folder.mkdir(parents=True, exist_ok=True)
        log = self.log_folder / f"{name}-{len(self.started)}.log"
        with log.open("wb") as output:
            popen = subprocess.Popen(
                command,
                cwd=ROOT,
                env=installation.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = Process(name, popen, log)
        self.started.append(process)
        return process

    def manage(self, installation: Installation, *arguments: str) -> Process:
        """Start a management command."""
        command = [sys.executable, "manage.py", *arguments]
        return self.start(arguments[0], command, installation)

    def kill_all(self) -> None:
        """Kill every process group that this object started."""
        for process in self.started:
            process.kill()


def http_status(url: str) -> int | None:
    """Return the status that ``url`` answers with, or None where nothing answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code
    except OSError:
        return None


def wait_for_http(url: str, process: Process, *, timeout_s: float = 60) -> int:
    """Wait until ``url`` answers at all; fail early, with its output, when the process ends."""
    deadline = time.monotonic() + timeout_s
    while (status := http_status(url)) is None:
        assert process.is_running(), f"{process.name} ended:\n{process.output()}"
        assert time.monotonic() < deadline, f"{process.name} is silent:\n{process.output()}"
        time.sleep(0.05)
    return status


def wait_until(condition, *, timeout_s: float = 30, what: str = "the condition") -> None:
    """Wait until ``condition()`` is true, or fail with what was waited for."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        time.sleep(0.05)
