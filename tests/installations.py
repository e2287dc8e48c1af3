"""A running installation as a program sees it: processes, an account, the API."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from client.demo.story.api import Api
from tests.processes import Installation, Process, Processes, wait_for_http


@contextmanager
def web(processes: Processes, installation: Installation) -> Iterator[Api]:
    """Start the web server, open an account, and give the way in."""
    command = [sys.executable, "-m", "gunicorn", "registry.wsgi", "--no-control-socket"]
    command += ["--bind", f"127.0.0.1:{installation.port}", "--threads", "4"]
    wait_for_http(f"{installation.url}/health/", processes.start("web", command, installation))
    opened = installation.manage("open_account", "ann", "--token-days", "1", "--json")
    with Api(installation.url, json.loads(opened)["token"]) as api:
        yield api


def start_worker(processes: Processes, installation: Installation) -> Process:
    """Start a Celery worker of both queues, with its beat."""
    command = [sys.executable, "-m", "celery", "-A", "registry.celery", "worker", "--beat"]
    command += ["--scheduler", "celery.beat.Scheduler", "--queues", "control,compute"]
    command += ["--concurrency", "2", "--without-gossip", "--without-mingle"]
    return processes.start("worker", command, installation)


def start_search(processes: Processes, installation: Installation) -> Process:
    """Start the search process and wait until it answers."""
    port = installation.search_port
    command = [sys.executable, "-m", "workers.serving", "--port", str(port)]
    process = processes.start("search", command, installation)
    wait_for_http(f"http://127.0.0.1:{port}/health/", process)
    return process


def upload(api: Api, folder: Path, path: str, data: bytes, **fields: Any) -> dict[str, Any]:
    """Upload bytes through the API."""
    file = folder / "upload"
    file.write_bytes(data)
    return api.upload(path, file, **fields)


def open_line(api: Api, folder: Path, evaluation_set: bytes, task: str = "embedding") -> None:
    """Make the model ``line`` with a pinned evaluation set, once a worker has looked into it."""
    api.post("models", name="line", task=task)
    upload(api, folder, "evaluation-sets", evaluation_set, name="judged", task=task)
    revision = api.wait("evaluation-sets/judged/revisions/1", lambda r: r["state"] != "inspecting")
    assert revision["state"] == "ready", revision
    api.post("models/line/aliases", name="production")
    api.post("models/line/aliases/production/pins", evaluation_set="judged:1")
