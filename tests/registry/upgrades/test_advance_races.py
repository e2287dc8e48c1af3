"""Upgrades that one set judges are advanced at once: by workers, by the sweeper, by readers."""

import threading

import pytest
from django.db import connections

from registry.audit.selectors import verified_head
from registry.upgrades.models import Upgrade
from registry.upgrades.services.advance import advance
from registry.upgrades.services.policy_scopes import set_policy
from registry.upgrades.states import State
from tests.builders import registry as build
from tests.soak import rounds

TOGETHER = 4


def ready_to_judge(alias):
    """Return upgrades whose comparisons are all there and that nobody has judged."""
    upgrades = [build.an_upgrade(alias) for _ in range(TOGETHER)]
    for work in (build.compute_outputs, build.compare):
        for upgrade in upgrades:
            advance(upgrade_id=upgrade.pk)
        work()
    return upgrades


@pytest.mark.soak
@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_judging_again_and_judging_for_the_first_time_do_not_deadlock(soak_row):
    alias = build.a_promoted_upgrade().alias
    stale = [build.a_judged_upgrade(alias) for _ in range(TOGETHER)]

    failed: list[Exception] = []

    def run(pk, start):
        try:
            start.wait(timeout=20)
            advance(upgrade_id=pk)
        except Exception as exc:
            failed.append(exc)
        finally:
            connections.close_all()

    for _ in range(times := rounds(ci=3, full=25)):
        fresh = ready_to_judge(alias)
        set_policy(alias=alias, revision=build.a_policy_revision(), actor=build.a_user())
        ids = [upgrade.pk for pair in zip(stale, fresh, strict=True) for upgrade in pair]
        start = threading.Barrier(len(ids))
        threads = [threading.Thread(target=run, args=(pk, start)) for pk in ids]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)

        assert not failed, failed
        judged = Upgrade.objects.filter(pk__in=ids, state=State.JUDGED)
        assert judged.count() == len(ids)
        stale = fresh
    assert verified_head()[0] > 0
    soak_row("advances of upgrades on one set", f"{times} x {2 * TOGETHER}", "no deadlock")
