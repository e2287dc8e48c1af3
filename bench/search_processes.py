"""The real processes that the search benchmark asks, and what the system tells of them."""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

READY_WITHIN_S = 300


@dataclass(frozen=True)
class Server:
    """A server that was started, and the port that it listens on."""

    process: subprocess.Popen[bytes]
    port: int

    def cpu_s(self) -> float:
        """Return the processor time that its workers have used."""
        ticks = 0
        for worker in self._workers():
            fields = (worker / "stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self) -> dict[str, int]:
        """Return the private and the mapped bytes of its first worker."""
        status = (self._workers()[0] / "status").read_text()
        return {
            name: 1024 * int(status.split(f"{field}:")[1].split()[0])
            for name, field in (("private", "RssAnon"), ("mapped", "RssFile"))
        }

    def _workers(self) -> list[Path]:
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [Path("/proc") / child for child in children]


@contextmanager
def search_process() -> Iterator[Server]:
    """Start the search process and give it once it is ready."""
    from tests.processes import free_port

    port = free_port()
    with _started(["-m", "workers.serving", "--port", str(port)], port, {}) as server:
        yield server


@contextmanager
def web_process(search_port: int) -> Iterator[Server]:
    """Start the web process as ``docker/compose.yaml`` does and give it once it is ready."""
    from tests.processes import free_port

    port = free_port()
    command = ["-m", "gunicorn", "registry.wsgi", "--worker-class", "gthread", "--workers", "2"]
    command += ["--threads", "8", "--no-control-socket", "--bind", f"127.0.0.1:{port}"]
    command += ["--log-level", "warning"]
    where = {"SEARCH_URL": f"http://127.0.0.1:{search_port}"}
    with _started(command, port, where) as server:
        yield server


@contextmanager
def _started(command: list[str], port: int, variables: dict[str, str]) -> Iterator[Server]:
    with subprocess.Popen(
        [sys.executable, *command], env=os.environ | variables, stdout=subprocess.DEVNULL
    ) as process:
        try:
            _wait_until_ready(port, process)
            yield Server(process, port)
        finally:
            process.terminate()


def _wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            connection.request("GET", "/health/")
            response = connection.getresponse()
            response.read()
            if response.status == 200:
                return
        except (OSError, http.client.HTTPException):
            connection.close()
        time.sleep(0.1)
    raise SystemExit("a server did not become ready")
