"""The real search process: started, asked over HTTP, killed, started again."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from registry.galleries.notices import CHANNEL
from tests.processes import ROOT, Installation, Process, Processes, wait_until

pytestmark = pytest.mark.process

MAKE_GALLERY = """
import numpy as np
from tests.builders.galleries import *
alias = an_alias()
old, new = (an_encoder(alias, np.eye(4, 3) * scale) for scale in (1, 2))
gallery = a_gallery(old, {"east": [1, 0, 0], "north": [0, 1, 0]})
print(gallery.name, old, new, new.pk, old.pk)
"""

CUT_OVER = """
import sys
from registry.catalog.models import ModelVersion
from registry.galleries.models import Gallery
from tests.builders.galleries import *
new, old = (ModelVersion.objects.get(pk=pk) for pk in sys.argv[2:4])
move(Gallery.objects.get(name=sys.argv[1]), new, covers=[old])
"""


def in_installation(installation: Installation, script: str, *arguments: str) -> list[str]:
    """Run a script as part of the installation; return the words that it prints."""
    code = f"import django; django.setup()\n{script}"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env=installation.environment | {"DJANGO_SETTINGS_MODULE": "registry.settings"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


class Served:
    """The search process of an installation."""

    def __init__(self, processes: Processes, installation: Installation) -> None:
        self.installation = installation
        command = [sys.executable, "-m", "workers.serving", "--port"]
        command += [str(installation.search_port)]
        self.process: Process = processes.start("search", command, installation)
        wait_until(self.is_ready, timeout_s=90, what=f"readiness:\n{self.process.output()}")

    def is_ready(self) -> bool:
        assert self.process.is_running(), self.process.output()
        try:
            return self.get("/health/")["ready"]
        except OSError:
            return False

    def get(self, path: str) -> dict:
        return self._answer(urllib.request.Request(self._url(path)))

    def ask(self, gallery: str, **query) -> dict:
        secret = (self.installation.folder / "search_secret").read_text()
        request = urllib.request.Request(
            self._url(f"/galleries/{gallery}/search"),
            json.dumps(query).encode(),
            {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"},
        )
        return self._answer(request)

    def status(self, gallery: str, **query) -> tuple[int, str]:
        """Return the status of an answer, and the code of a refusal."""
        try:
            self.ask(gallery, **query)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)["code"]
        return 200, ""

    def metric(self, sample: str) -> float | None:
        """Return one value of those that Prometheus is told."""
        with urllib.request.urlopen(self._url("/metrics"), timeout=30) as response:
            lines = response.read().decode().splitlines()
        found = [line.removeprefix(f"{sample} ") for line in lines if line.startswith(f"{sample} ")]
        return float(found[0]) if found else None

    def family(self) -> list[int]:
        """Return the ids of the process and of all that it started, and what they started."""
        parents = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(stat.parent.name)] = int(fields[1])
        found = [self.process.popen.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.installation.search_port}{path}"

    def _answer(self, request: urllib.request.Request) -> dict:
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)


def found(answer: dict) -> list[tuple]:
    return [(hit["id"], hit["score"]) for hit in answer["hits"]]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_it_serves_through_a_cutover_a_kill_and_a_restart(processes, embedded):
    gallery, old, new, new_pk, old_pk = in_installation(embedded, MAKE_GALLERY)
    served = Served(processes, embedded)

    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(served._url(f"/galleries/{gallery}/search"), b"{}", timeout=30)
    answer = served.ask(gallery, input=[0.0, 3.0, 0.0, 0.0])
    assert (answer["epoch"], answer["encoder"]) == (1, old)
    assert found(answer) == [("north", 3), ("east", 0)]

    master, worker, encoder = served.family()
    assert "faiss" in Path(f"/proc/{worker}/maps").read_text()
    for library in ("faiss", "numpy", "onnxruntime"):
        assert library not in Path(f"/proc/{master}/maps").read_text(), "loaded before the fork"
    assert b"OMP_NUM_THREADS=1" in Path(f"/proc/{encoder}/environ").read_bytes()

    in_installation(embedded, CUT_OVER, gallery, new_pk, old_pk)
    answer = served.ask(gallery, input=[0.0, 3.0, 0.0, 0.0])
    assert (answer["epoch"], answer["encoder"]) == (2, new)
    assert found(answer) == [("north", 6), ("east", 0)]
    assert is_alive(encoder), "the former encoder is kept for a rollback"
    assert len(served.family()) == 4

    family = served.family()
    served.process.kill(whole_group=False)
    wait_until(lambda: not any(map(is_alive, family)), what="the end of what it started")

    again = Served(processes, embedded)
    answer = again.ask(gallery, item_id="north", k=1)
    assert (answer["epoch"], found(answer)) == (2, [("east", 0)])
    family = again.family()
    assert again.process.terminate() == 0
    wait_until(lambda: not any(map(is_alive, family)), what="the end of what it started")


SESSIONS = """
SELECT pid, query FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def test_on_postgresql_it_sheds_load_hears_of_cutovers_and_outlives_lost_sessions(processes, full):
    gallery, old, new, new_pk, old_pk = in_installation(full, MAKE_GALLERY)
    served = Served(processes, full)
    assert served.status(gallery, input=[0.0, 3.0, 0.0, 0.0]) == (200, "")

    with closing(psycopg2.connect(full.environment["DATABASE_URL"])) as other:
        other.autocommit = True
        cursor = other.cursor()

        def sessions() -> dict[int, str]:
            cursor.execute(SESSIONS)
            return dict(cursor.fetchall())

        kept = {pid for pid, last in sessions().items() if "galleries_item" in last}
        for _ in range(3):
            served.ask(gallery, item_id="north", k=1)
        assert kept, "no session that a search was answered in"
        assert kept <= set(sessions()), "a session was ended with its search"
        assert f'LISTEN "{CHANNEL}"' in sessions().values()

        _, _, encoder = served.family()
        with ThreadPoolExecutor(9) as clients:
            os.kill(encoder, signal.SIGSTOP)
            asked = [
                clients.submit(served.status, gallery, input=[0.0, 3.0, 0.0, 0.0]) for _ in range(9)
            ]
            first, _ = wait(asked, timeout=30, return_when="FIRST_COMPLETED")
            assert served.get("/health/")["ready"], "whoever asks how it is waits for no turn"
            assert served.metric("graceful_search_in_progress") == 8
            os.kill(encoder, signal.SIGCONT)
        assert [one.result() for one in first] == [(503, "busy")]
        assert sorted(one.result() for one in asked) == [(200, "")] * 8 + [(503, "busy")]
        busy = f'graceful_search_requests_total{{gallery="{gallery}",outcome="busy"}}'
        assert served.metric(busy) == 1

        in_installation(full, CUT_OVER, gallery, new_pk, old_pk)
        epoch = f'graceful_search_gallery_epoch{{gallery="{gallery}"}}'
        wait_until(lambda: served.metric(epoch) == 2, what="the look at the cutover")

        lost = sessions()
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        statuses = [served.status(gallery, item_id="north", k=1) for _ in range(3)]
        assert statuses == [(200, "")] * 3
        wait_until(
            lambda: f'LISTEN "{CHANNEL}"' in sessions().values(), what="a new session to listen in"
        )
        assert not set(sessions()) & set(lost)
    assert served.process.terminate() == 0
