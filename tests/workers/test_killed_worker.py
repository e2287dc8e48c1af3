"""A worker that is killed in the middle of its work loses nothing and counts nothing twice."""

import json
import subprocess

import pytest

from tests.builders import toy
from tests.installations import open_line, start_worker, upload, web
from tests.processes import wait_until

OUTPUTS = """
import json
from registry.evaluation.models import Comparison, Outputs
rows = Outputs.objects.values('work_state', 'attempt', 'progress_done', 'file_digest')
print(json.dumps([list(rows), Comparison.objects.count()]))
"""


def outputs_of(installation):
    rows, comparisons = json.loads(
        installation.manage("shell", "--no-imports", "-c", OUTPUTS).splitlines()[-1]
    )
    return rows, comparisons


def running_children():
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if "workers.runners.child" in line]


@pytest.mark.process
def test_a_killed_worker_leaves_attempt_two_and_one_row_of_outputs(processes, full, tmp_path):
    full.environment.update(LEASE_S="2", SWEEP_EVERY_S="1")
    with web(processes, full) as api:
        first = start_worker(processes, full)
        open_line(api, tmp_path, toy.an_evaluation_set(rows=3000))
        graph, manifest = toy.a_slow_encoder()
        upgrade = upload(api, tmp_path, "models/line/versions", graph, manifest=manifest)["upgrade"]
        path = f"upgrades/{upgrade}"

        api.wait(path, lambda u: any(0 < p["progress_done"] < 3000 for p in u["progress"]))
        assert running_children()
        first.kill()
        wait_until(lambda: not running_children(), what="the child to die with its worker")

        rows, _ = outputs_of(full)
        assert [(r["work_state"], r["attempt"], r["file_digest"]) for r in rows] == [
            ("running", 1, "")
        ]
        start_worker(processes, full)
        judged = api.wait(path, lambda u: u["state"] == "judged")

        assert judged["verdict"]["kind"] == "first_version"
        rows, comparisons = outputs_of(full)
        assert [(r["work_state"], r["attempt"]) for r in rows] == [("done", 2)]
        assert rows[0]["file_digest"]
        assert comparisons == 1
        assert api.get("ledger/verify")["verified"] is True
