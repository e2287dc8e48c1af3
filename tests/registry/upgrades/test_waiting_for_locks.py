"""Who waited for a lock decides on what its holder left, not on what was there before.

PostgreSQL reads a row again once it gets the lock, but not the rows that were joined to it.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction

from compat.policy import Task
from registry.galleries.models import Gallery
from registry.galleries.services.create_gallery import create_gallery
from registry.galleries.services.cutover import cut_over
from registry.upgrades.models import Upgrade
from registry.upgrades.services.advance import advance
from registry.upgrades.services.decide import approve
from registry.upgrades.services.promote import promote
from tests.builders import registry as build
from tests.processes import wait_until

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


def while_held(hold, act):
    """Do ``hold``, let ``act`` wait for its locks, commit, and return what ``act`` came to."""

    def run():
        try:
            return act()
        finally:
            connections.close_all()

    def somebody_waits():
        with connection.cursor() as cursor:
            cursor.execute(WAITING)
            return cursor.fetchone() == (1,)

    with ThreadPoolExecutor(max_workers=1) as pool:
        with transaction.atomic():
            hold()
            waiting = pool.submit(run)
            wait_until(somebody_waits, what="somebody to wait for the lock")
        return waiting.result(timeout=30)


def ready_to_judge():
    """Return an upgrade whose comparisons are all there, and that has no verdict yet."""
    upgrade = build.an_upgrade(build.a_promoted_upgrade().alias)
    for work in (build.compute_outputs, build.compare):
        advance(upgrade_id=upgrade.pk)
        work()
    return upgrade


def test_who_waited_to_advance_does_not_judge_the_same_evidence_again():
    upgrade = ready_to_judge()

    while_held(lambda: advance(upgrade_id=upgrade.pk), lambda: advance(upgrade_id=upgrade.pk))

    assert upgrade.verdicts.count() == 1


def test_who_waited_to_promote_promotes_on_the_verdict_that_was_made_meanwhile():
    upgrade = ready_to_judge()

    promotion = while_held(
        lambda: advance(upgrade_id=upgrade.pk),
        lambda: promote(upgrade_id=upgrade.pk, actor=upgrade.created_by),
    )

    assert promotion.move.evidence == f"verdict:{upgrade.verdicts.get().pk}"


def test_who_waited_to_approve_approves_the_verdict_that_was_made_meanwhile():
    upgrade = ready_to_judge()
    person = build.a_user(is_staff=True)

    decision = while_held(
        lambda: advance(upgrade_id=upgrade.pk),
        lambda: approve(upgrade_id=upgrade.pk, actor=person),
    )

    assert decision.verdict == upgrade.verdicts.get()


def test_who_waited_to_create_a_gallery_gives_it_the_encoder_that_serves_now():
    alias = build.an_alias(build.a_model(task=Task.EMBEDDING))
    upgrade = build.a_judged_upgrade(build.a_promoted_upgrade(alias).alias)

    gallery = while_held(
        lambda: promote(upgrade_id=upgrade.pk, actor=upgrade.created_by),
        lambda: create_gallery(name="photos", alias=alias, actor=upgrade.created_by),
    )

    assert Gallery.objects.get(pk=gallery.pk).live_view.encoder == upgrade.candidate


def test_who_waited_to_promote_cuts_over_from_the_view_that_is_live_now():
    gallery = build.a_gallery(items=2)
    upgrade = build.a_judged_upgrade(gallery.alias)

    def cut_over_meanwhile():
        held = Gallery.objects.select_for_update().get(pk=gallery.pk)
        cut_over(gallery=held, encoder=held.live_view.encoder, evidence={}, alias_epoch=1)

    promotion = while_held(
        cut_over_meanwhile, lambda: promote(upgrade_id=upgrade.pk, actor=upgrade.created_by)
    )

    assert [cutover.epoch for cutover in promotion.cutovers] == [gallery.epoch + 2]
    assert Upgrade.objects.get(pk=upgrade.pk).state == "promoted"
