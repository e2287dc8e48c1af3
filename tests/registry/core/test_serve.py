"""``manage.py serve`` is the whole registry in one command."""

import os
import signal
import socket
import sqlite3
import subprocess
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.processes import http_status, wait_for_http, wait_until

pytestmark = pytest.mark.process


def alive_in(installation) -> list[int]:
    """Return the processes, zombies aside, that run with the installation's data folder."""
    wanted = f"REGISTRY_DATA_DIR={installation.folder}".encode()
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdigit() and wanted in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


def serve(processes, installation, *arguments):
    process = processes.manage(installation, "serve", "--port", str(installation.port), *arguments)
    wait_for_http(f"{installation.url}/health/", process)
    return process


def log(installation, name):
    path = installation.folder / "logs" / f"{name}.log"
    return path.read_text() if path.exists() else ""


def test_one_command_starts_everything_and_a_signal_ends_it(processes, embedded):
    process = serve(processes, embedded)
    assert http_status(f"{embedded.url}/health/") == 200
    wait_until(lambda: "ready." in log(embedded, "worker"), timeout_s=60, what="the worker")
    wait_until(lambda: f"web is ready at {embedded.url}/" in process.output(), what="the address")
    assert process.terminate(timeout_s=60) == 0
    assert alive_in(embedded) == []
    assert http_status(f"{embedded.url}/health/") is None


def test_it_migrates_a_database_that_is_empty(processes, embedded):
    (embedded.folder / "registry.sqlite3").unlink()
    serve(processes, embedded)
    assert "[ ]" not in embedded.manage("showmigrations")


def test_it_restores_a_trigger_that_the_database_lost(processes, embedded):
    with closing(sqlite3.connect(embedded.folder / "registry.sqlite3")) as database:
        database.execute("DROP TRIGGER audit_ledgerentry_no_update")
    with pytest.raises(AssertionError, match="audit_ledgerentry_no_update is missing"):
        embedded.manage("check", "--database", "default")
    serve(processes, embedded)
    embedded.manage("check", "--database", "default")


def test_a_web_server_that_is_killed_comes_back(processes, embedded):
    process = serve(processes, embedded)
    listed = subprocess.run(["pgrep", "-f", f"gunicorn.*:{embedded.port}"], capture_output=True)
    for pid in listed.stdout.split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    wait_until(lambda: "web ended with" in process.output(), what="its end to be noticed")
    wait_for_http(f"{embedded.url}/health/", process)


def test_a_supervisor_that_is_killed_leaves_nothing_running(processes, embedded):
    process = serve(processes, embedded)
    wait_until(lambda: "ready." in log(embedded, "worker"), timeout_s=60, what="the worker")
    process.kill(whole_group=False)
    wait_until(lambda: alive_in(embedded) == [], timeout_s=10, what="the end of its programs")


def test_a_data_folder_is_served_once(processes, embedded):
    serve(processes, embedded)
    second = processes.manage(embedded, "serve", "--port", "0")
    assert second.popen.wait(timeout=60) == 1
    assert "already served" in second.output()


def test_a_port_that_is_taken_is_told_before_anything_starts(processes, embedded):
    with socket.create_server(("127.0.0.1", embedded.port)):
        process = processes.manage(embedded, "serve", "--port", str(embedded.port))
        assert process.popen.wait(timeout=60) == 1
    assert f"cannot listen on 127.0.0.1:{embedded.port}" in process.output()
    assert not (embedded.folder / "logs").exists()


def test_generated_secrets_serve_every_process(processes, embedded):
    assert "SECRET_KEY" not in embedded.environment
    serve(processes, embedded)
    assert {"secret_key", "search_secret"} <= {path.name for path in embedded.folder.iterdir()}
