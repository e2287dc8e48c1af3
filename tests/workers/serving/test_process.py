"""The real search process: started, asked over HTTP, killed, started again."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

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
