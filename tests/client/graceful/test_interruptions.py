"""A push whose client, and then whose server, is killed in the middle goes on where it stopped."""

import json
import re
import subprocess
import sys

import pytest

from tests.builders import registry as make
from tests.installations import web
from tests.processes import ROOT, wait_for_http

pytestmark = pytest.mark.process

SIZE = 96 << 20


@pytest.fixture
def push(embedded, tmp_path):
    """Start a push of one large file as a process of its own; its stderr is a pipe."""
    account = json.loads(embedded.manage("open_account", "bob", "--token-days", "1", "--json"))
    with (tmp_path / "net.onnx").open("wb") as file:
        file.write(make.model_bytes())
        file.truncate(SIZE)
    (tmp_path / "manifest.json").write_text(json.dumps(make.a_manifest()))
    environment = embedded.environment | {
        "GRACEFUL_URL": embedded.url,
        "GRACEFUL_TOKEN": account["token"],
        "PYTHONPATH": str(ROOT / "client"),
    }
    command = [sys.executable, "-m", "graceful", "push", "digits", "net.onnx"]
    command += ["--manifest", "manifest.json", "--print-number"]
    started = []

    def start():
        started.append(
            subprocess.Popen(
                command,
                cwd=tmp_path,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def sent_mib(process, at_least):
    """Return the first progress of at least so many MiB, as soon as it is reported."""
    for line in process.stderr:
        found = re.match(r"sending ([\d.]+) MiB", line)
        if found and float(found[1]) >= at_least:
            return float(found[1])
    raise AssertionError("the push ended without that progress")


def test_a_killed_client_and_a_killed_server_cost_a_piece_each(processes, embedded, push):
    with web(processes, embedded) as api:
        api.post("models", name="digits", task="classification")

        first = push()
        sent_mib(first, 16)
        first.kill()
        second = push()
        begun = sent_mib(second, 0)
        server = processes.started[-1]
        server.kill()
        again = processes.start("web", server.popen.args, embedded)
        wait_for_http(f"{embedded.url}/health/", again)
        number, said = second.communicate(timeout=120)

        assert begun >= 16
        assert (second.returncode, number) == (0, "1\n"), said
        version = api.get("models/digits/versions/1")
        assert version["size_bytes"] == SIZE
