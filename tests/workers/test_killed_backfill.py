"""A worker that is killed in the middle of a backfill: no item is lost, and none moves twice."""

import json
import random
import time

import pytest

from tests.installations import start_worker, web
from tests.processes import wait_until
from tests.soak import rounds
from tests.workers.test_killed_worker import children_of, still_running

PREPARE = """
from tests.builders.backfills import a_slow_backfill
a_slow_backfill(rows={rows})
"""

STANDING = """
import json
from django.db.models import Sum
from registry.galleries.models import Backfill, Gallery, InsertBatch, Item
from tests.builders.backfills import counts_are_true, live_ids
gallery = Gallery.objects.get()
print(json.dumps({
    "ids": live_ids(gallery),
    "counts": counts_are_true(gallery),
    "vectors": InsertBatch.objects.exclude(backfill=None).aggregate(n=Sum("rows"))["n"] or 0,
    "moved": Backfill.objects.get().moved,
}))
"""

ROWS = 400


def standing(installation):
    printed = installation.manage("shell", "--no-imports", "-c", STANDING)
    return json.loads(printed.splitlines()[-1])


@pytest.mark.soak
@pytest.mark.process
def test_killed_workers_leave_every_item_moved_once(processes, full, soak_row):
    full.environment.update(LEASE_S="2", SWEEP_EVERY_S="1")
    full.manage("shell", "--no-imports", "-c", PREPARE.format(rows=ROWS))
    kills, resumed, chance, moved = 0, 0, random.Random(4), 0
    with web(processes, full) as api:
        path = (
            f"galleries/shelf/backfills/{api.get('galleries/shelf/backfills')['results'][0]['id']}"
        )
        for _ in range(rounds(ci=2, full=30)):
            if api.get(path)["state"] == "paused":  # three workers died in one step: a person looks
                api.post(f"{path}/resume")
                resumed += 1
            worker = start_worker(processes, full)
            wait_until(
                lambda w=worker: children_of(w) or api.get(path)["state"] in {"done", "paused"},
                timeout_s=120,
                what="a step to begin",
            )
            time.sleep(chance.uniform(0, 3))
            children = children_of(worker)
            worker.kill()
            wait_until(
                lambda c=children: not still_running(c), what="the child to die with its worker"
            )
            kills += 1
            found = standing(full)
            assert len(found["ids"]) == len(set(found["ids"])) == ROWS
            assert found["counts"]
            assert found["vectors"] == found["moved"] >= moved
            moved = found["moved"]
            if moved == ROWS:
                break

        start_worker(processes, full)
        done = api.wait(path, lambda b: b["state"] in {"done", "paused"})
        assert (done["state"], done["moved"], done["skipped"], done["failed"]) == (
            "done",
            ROWS,
            0,
            0,
        )
        found = standing(full)
        assert len(set(found["ids"])) == ROWS
        assert found["counts"]
        assert found["vectors"] == ROWS
        assert api.get("ledger/verify")["verified"] is True
    soak_row(
        "workers killed in mid-backfill",
        str(kills),
        f"{ROWS} items, each moved once; {resumed} times given up, and resumed",
    )
