"""A worker that is killed in the middle of its work loses nothing and counts nothing twice."""

import json
import subprocess

import pytest

from tests.builders import toy
from tests.installations import open_line, start_worker, upload, web
from tests.processes import wait_until
from tests.soak import rounds

ROWS = 1000
"""So few that the time goes into the model, in which it is killed, not into the comparison."""

OUTPUTS = """
import json
from registry.evaluation.models import Comparison, Outputs
rows = Outputs.objects.order_by('pk').values('work_state', 'attempt', 'file_digest')
print(json.dumps([list(rows), Comparison.objects.count()]))
"""


def outputs_of(installation):
    rows, comparisons = json.loads(
        installation.manage("shell", "--no-imports", "-c", OUTPUTS).splitlines()[-1]
    )
    return rows, comparisons


def listed_processes():
    columns = ["ps", "-ww", "-eo", "pid=,ppid=,sid=,args="]
    listed = subprocess.run(columns, capture_output=True, text=True, check=True)
    return [line.split(maxsplit=3) for line in listed.stdout.splitlines()]


def children_of(worker):
    """Return the process ids of the children that run models for this worker, nobody else's."""
    listed = listed_processes()
    own = {pid for pid, _, session, *_ in listed if session == str(worker.popen.pid)}
    return {pid for pid, parent, _, *args in listed if parent in own and is_child(args)}


def still_running(pids):
    return {pid for pid, _, _, *args in listed_processes() if pid in pids and is_child(args)}


def is_child(args):
    return "workers.runners.child" in " ".join(args)


@pytest.mark.soak
@pytest.mark.process
def test_a_killed_worker_leaves_attempt_two_and_one_row_of_outputs(
    processes, full, tmp_path, soak_row
):
    full.environment.update(LEASE_S="2", SWEEP_EVERY_S="1")
    with web(processes, full) as api:
        worker = start_worker(processes, full)
        open_line(api, tmp_path, toy.an_evaluation_set(rows=ROWS))
        for kill in range(kills := rounds(ci=1, full=25)):
            graph, manifest = toy.a_slow_encoder(seed=kill, rounds=36)
            pushed = upload(api, tmp_path, "models/line/versions", graph, manifest=manifest)
            path = f"upgrades/{pushed['upgrade']}"
            api.wait(path, lambda u: any(0 < p["progress_done"] < ROWS for p in u["progress"]))
            children = children_of(worker)
            assert children
            worker.kill()
            wait_until(lambda c=children: not still_running(c), what="the child to die with it")
            held, _ = outputs_of(full)
            assert [(r["work_state"], r["attempt"], r["file_digest"]) for r in held[kill:]] == [
                ("running", 1, "")
            ]
            worker = start_worker(processes, full)
            judged = api.wait(path, lambda u: u["state"] == "judged")
            assert judged["verdict"]["kind"] == "first_version"

        rows, comparisons = outputs_of(full)
        assert [(r["work_state"], r["attempt"]) for r in rows] == [("done", 2)] * kills
        assert all(r["file_digest"] for r in rows)
        assert comparisons == kills
        assert api.get("ledger/verify")["verified"] is True
    soak_row("workers killed in mid-evaluation", str(kills), "attempt 2, one row each, none lost")
