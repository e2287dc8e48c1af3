"""The sweeper holds nothing of a gallery when it comes to lock the gallery itself."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.db.models import F
from django.utils import timezone

from registry.core.leases import WorkState
from registry.galleries.models import CanaryCheck, CanarySet, Gallery, Segment, Twin
from tests.builders import canaries
from tests.builders.galleries import a_gallery
from tests.processes import wait_until
from workers.tasks.sweep import sweep

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


def swept():
    try:
        sweep()
    finally:
        connections.close_all()


def somebody_waits():
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        return cursor.fetchone()[0] > 0


def test_who_holds_a_gallery_may_count_its_segment_while_the_sweeper_waits():
    gallery = a_gallery(items={"a": [1, 0, 0]})
    segment = gallery.segments.get()
    Twin.objects.create(batch=gallery.batches.get(), encoder=segment.producer)
    past = timezone.now() - timedelta(hours=1)
    lost = {"work_state": WorkState.RUNNING, "lease_until": past, "attempt": 3}
    Segment.objects.update(**lost)

    with ThreadPoolExecutor(max_workers=1) as pool:
        with transaction.atomic():
            Gallery.objects.select_for_update(of=("self",)).get(pk=gallery.pk)
            sweeper = pool.submit(swept)
            wait_until(somebody_waits, what="the sweeper to wait for the gallery")
            Segment.objects.update(revision=F("revision") + 1)
        sweeper.result(timeout=30)

    segment.refresh_from_db()
    assert (segment.work_state, segment.error_code) == ("failed", "gave_up")
    assert not Twin.objects.exists()


@pytest.mark.parametrize("model", [CanaryCheck, CanarySet])
def test_who_holds_a_gallery_may_record_what_its_canaries_say_while_the_sweeper_waits(model):
    gallery = canaries.with_canaries()
    canaries.check(gallery)
    long_ago = timezone.now() - timedelta(days=2)
    CanaryCheck.objects.update(requested_at=long_ago)
    canaries.hand_in(gallery)
    lost = {"work_state": WorkState.RUNNING, "lease_until": long_ago, "attempt": 3}
    held = model.objects.order_by("-pk")[:1]
    model.objects.filter(pk__in=held).update(**lost)

    with ThreadPoolExecutor(max_workers=1) as pool:
        with transaction.atomic():
            Gallery.objects.select_for_update(of=("self",)).get(pk=gallery.pk)
            sweeper = pool.submit(swept)
            wait_until(
                lambda: sweeper.done() or somebody_waits(), what="the sweeper to wait or be done"
            )
            model.objects.update(attempt=F("attempt") + 1)
        sweeper.result(timeout=30)

    assert model.objects.get(pk=held.get().pk).work_state == "failed"
