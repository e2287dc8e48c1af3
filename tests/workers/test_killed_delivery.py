"""A worker that is killed between sending and recording: the message comes again, with its id."""

import pytest

from tests.installations import start_worker, web
from tests.processes import wait_until
from tests.receiver import listening


@pytest.mark.process
def test_a_killed_worker_delivers_at_least_once_with_the_same_id(processes, full):
    full.environment.update(LEASE_S="8", SWEEP_EVERY_S="1", WEBHOOK_ALLOW_PRIVATE="true")
    with web(processes, full) as api, listening() as receiver:
        receiver.script.append(receiver.hangs)
        first = start_worker(processes, full)
        webhook = api.post("webhooks", url=receiver.url(), kinds=["*"])
        delivery = api.post(f"webhooks/{webhook['id']}/ping")
        path = f"webhooks/{webhook['id']}/deliveries/{delivery['id']}"
        wait_until(lambda: receiver.received, what="the first try")

        first.kill()
        assert (api.get(path)["work_state"], api.get(path)["attempt"]) == ("running", 1)
        start_worker(processes, full)
        done = api.wait(path, lambda d: d["work_state"] == "done")

        assert done["attempt"] == 2
        ids = [got.headers["webhook-id"] for got in receiver.received]
        assert ids == [done["message_id"]] * 2
        assert receiver.received[0].body == receiver.received[1].body
        assert api.get("ledger/verify")["verified"] is True
