"""The server of the ``milvus`` wheel over a folder, where nobody else can reach it."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 20
"""After which it is killed: asked to end, 2.3.5 has been seen to go on for minutes."""

QUICKER = {
    "proxy.timeTickInterval": 20,
    "queryCoord.checkInterval": 100,
    "queryCoord.distPullInterval": 50,
}
"""Milliseconds. A read waits for the next tick, by default 200; nothing else changes."""


class MilvusServer:
    """One server: stopped, killed and started again on the same data and at the same address."""

    def __init__(self, folder: Path) -> None:
        import milvus  # the wheel, which unpacks the program and writes its configuration

        self._folder = folder
        self._config = milvus.MilvusServerConfig(data_dir=str(folder))
        for name, value in QUICKER.items():
            self._config.set(name, value)
        self._config.resolve()
        milvus._initialize_data_files(str(folder))
        self.url = f"http://127.0.0.1:{self._config.get('proxy_port')}"
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        require_loopback_only()
        programs = self._folder / "bin"
        settings = {
            "DEPLOY_MODE": "STANDALONE",
            "LD_LIBRARY_PATH": str(programs),
            "METRICS_PORT": "9091",
            "MILVUS_RUN_DIR": str(self._folder / "run"),
        }
        with (self._folder / "logs" / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [programs / "milvus", "run", "standalone"],
                cwd=self._folder,
                env=os.environ | settings,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait_until_healthy()

    def stop(self) -> None:
        """Ask it to end, and see that it did; nobody may be writing."""
        assert self._process is not None
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_TIMEOUT_S)
        self.kill()

    def kill(self) -> None:
        """End it without asking."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """Keep it from doing anything, without its end."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _wait_until_healthy(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            assert self._process.poll() is None, f"Milvus ended: see {self._folder / 'logs'}"
            try:
                with urlopen("http://127.0.0.1:9091/healthz", timeout=5) as answer:
                    if b"OK" in answer.read():
                        return
            except (URLError, ConnectionError):
                pass
            time.sleep(0.1)
        raise TimeoutError(f"Milvus is not healthy after {START_TIMEOUT_S} s")


def require_loopback_only() -> None:
    """Refuse to start where there is another network: Milvus listens on every interface."""
    others = {name for _, name in socket.if_nameindex()} - {"lo"}
    if others:
        raise RuntimeError(
            f"Milvus would be reachable by {', '.join(sorted(others))}; run it by make test-milvus"
        )
