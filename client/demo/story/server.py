"""Start the registry as a user would, and end it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[3]
READY_S = 120.0


@dataclass(frozen=True)
class Account:
    """What opens the registry: the address, a login for people, a token for programs."""

    url: str
    name: str
    password: str
    token: str


class ServerError(Exception):
    """The registry did not start."""


@contextmanager
def serving(port: int) -> Iterator[Account]:
    """Run ``manage.py serve`` and open an account in it; both end with the block.

    Raises:
        ServerError: it did not answer in time, or ended by itself.
    """
    port = port or _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "manage.py", "serve", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)  # noqa: S603
    try:
        _wait(process, url)
        yield _open_account(url)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: subprocess.Popen, url: str) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerError(f"the server ended with code {process.returncode}")
        try:
            if httpx.get(f"{url}/health/", timeout=2).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise ServerError(f"the server did not answer within {READY_S:.0f} s")


def _open_account(url: str) -> Account:
    command = [sys.executable, "manage.py", "open_account", "demo"]
    command += ["--administrator", "--token-days", "7", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise ServerError(f"no account could be opened: {done.stderr.strip()[-500:]}")
    opened = json.loads(done.stdout)
    return Account(url, opened["name"], opened["password"], opened["token"])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
