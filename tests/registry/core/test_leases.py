"""A worker's right to a piece of work: one holder, a fence, an end."""

import threading

import pytest
from django.db import connections
from django.db.models.functions import Now

from registry.core import leases
from registry.core.leases import MAX_ATTEMPTS, WorkState
from registry.evaluation.models import Outputs
from registry.evaluation.services import outputs as service
from registry.evaluation.services.sweep import sweep
from tests.builders import registry as build

pytestmark = pytest.mark.django_db


@pytest.fixture
def queued():
    return service.request_outputs(version=build.a_version(), revision=build.a_set_revision())


def lose_the_lease(row):
    Outputs.objects.filter(pk=row.pk).update(lease_until=Now() - leases.LEASE)


def test_work_is_claimed_once(queued):
    first = service.claim(outputs_id=queued.pk)

    assert first.claim.attempt == 1
    assert service.claim(outputs_id=queued.pk) is None


def test_work_whose_lease_ran_out_is_claimed_again_with_the_next_fence(queued):
    service.claim(outputs_id=queued.pk)
    lose_the_lease(queued)

    assert service.claim(outputs_id=queued.pk).claim.attempt == 2


def test_a_worker_that_lost_its_lease_cannot_record_fail_extend_or_release(queued):
    lost = service.claim(outputs_id=queued.pk)
    lose_the_lease(queued)
    held = service.claim(outputs_id=queued.pk)

    assert service.record(job=lost, file_digest="a" * 64, result={}) is False
    assert service.fail(job=lost, code="x", detail="") is False
    assert leases.extend(Outputs, lost.claim, 1, 2) is False
    assert leases.release(Outputs, lost.claim) is False
    queued.refresh_from_db()
    assert (queued.work_state, queued.attempt) == (WorkState.RUNNING, 2)
    assert service.record(job=held, file_digest="b" * 64, result={}) is True


def test_what_is_done_is_not_done_again(queued):
    job = service.claim(outputs_id=queued.pk)
    service.record(job=job, file_digest="b" * 64, result={})

    assert service.claim(outputs_id=queued.pk) is None
    assert service.record(job=job, file_digest="c" * 64, result={}) is False
    queued.refresh_from_db()
    assert queued.file_digest == "b" * 64


def test_after_the_last_attempt_the_sweeper_gives_up(queued):
    for _ in range(MAX_ATTEMPTS):
        assert service.claim(outputs_id=queued.pk) is not None
        lose_the_lease(queued)

    assert service.claim(outputs_id=queued.pk) is None
    sweep()

    queued.refresh_from_db()
    assert (queued.work_state, queued.error_code) == (WorkState.FAILED, "gave_up")


def test_work_that_was_released_too_often_is_given_up_too(queued):
    for _ in range(MAX_ATTEMPTS):
        leases.release(Outputs, service.claim(outputs_id=queued.pk).claim)

    sweep()

    queued.refresh_from_db()
    assert queued.error_code == "gave_up"


def test_failed_work_can_be_tried_again_and_the_fence_goes_on(queued):
    job = service.claim(outputs_id=queued.pk)
    service.fail(job=job, code="outputs_not_finite", detail="row 3")

    service.retry(outputs=queued, actor=build.a_user())

    assert service.claim(outputs_id=queued.pk).claim.attempt == 2
    assert service.record(job=job, file_digest="a" * 64, result={}) is False


def test_the_sweeper_asks_again_for_what_nobody_holds(queued, queue):
    queue.sent.clear()
    queue.act(sweep)
    assert ("compute_outputs", (queued.pk,)) in queue.sent

    service.claim(outputs_id=queued.pk)
    queue.sent.clear()
    queue.act(sweep)
    assert ("compute_outputs", (queued.pk,)) not in queue.sent


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_many_workers_one_gets_the_work(queued):
    barrier, claims = threading.Barrier(6), []

    def work():
        barrier.wait(timeout=20)
        claims.append(service.claim(outputs_id=queued.pk))
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert len(claims) == 6
    assert sum(c is not None for c in claims) == 1
