"""Backfills over the API: plan, start, follow, steer."""

import pytest
from django.utils import timezone

from registry.audit.models import LedgerEntry
from registry.core import leases
from registry.evaluation.models import Outputs
from tests.builders import backfills as build
from tests.builders import registry as make
from tests.registry.api.conftest import refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery():
    gallery = build.a_gallery_to_backfill(6, name="shelf")
    make.an_insert(gallery, ["of the live encoder"])
    return gallery


def timed_outputs(version, rows, duration_s):
    return Outputs.objects.create(
        version=version,
        version_digest=version.digest,
        set_revision=make.a_set_revision(task="embedding"),
        set_digest=make.a_digest(),
        work_state=leases.WorkState.DONE,
        result={"rows": rows, "duration_s": duration_s},
        created_at=timezone.now(),
    )


def test_the_plan_counts_what_can_be_moved_and_says_what_cannot(api, gallery):
    build.move_on(gallery)
    make.an_insert(gallery, ["late"])

    plan = api.get("galleries/shelf/backfill-plan").json()

    assert (plan["items"], plan["movable"], plan["inputs_missing"]) == (7, 6, 1)
    counts = [(p["items"], p["with_inputs"], p["inputs_missing"]) for p in plan["producers"]]
    assert counts == [(6, 6, 0), (1, 0, 1)]
    assert (plan["rate_per_s"], plan["duration_s"], plan["cost"]) == (None, None, None)
    assert plan["undefined"] == "never_measured"


def test_duration_and_cost_follow_from_the_measured_rate(api, gallery):
    encoder = gallery.live_view.encoder
    timed_outputs(encoder, rows=10, duration_s=1)
    held = timed_outputs(encoder, rows=1000, duration_s=2000)

    plan = api.get("galleries/shelf/backfill-plan", price_per_hour=300).json()

    assert plan["rate_per_s"] == 0.5
    assert plan["rate_measured_in"] == f"outputs:{held.pk}"
    assert (plan["duration_s"], plan["cost"]) == (12, 1)
    slower = api.get("galleries/shelf/backfill-plan", rate_limit_per_s=0.25).json()
    assert (slower["duration_s"], slower["cost"]) == (24, None)


def test_the_rate_of_a_backfill_that_ran_is_preferred(api, gallery):
    timed_outputs(gallery.live_view.encoder, rows=1000, duration_s=1)
    backfill = build.a_backfill(gallery)
    build.a_step(backfill, busy_s=8)

    plan = api.get("galleries/shelf/backfill-plan").json()

    assert plan["rate_per_s"] == pytest.approx(0.25, rel=0.2)
    assert plan["rate_measured_in"] == f"backfill:{backfill.pk}"
    assert plan["items"] == 4


@pytest.mark.parametrize("price", ["nan", "inf", "-1", "much"])
def test_a_price_that_is_none_is_refused(api, gallery, price):
    response = api.get("galleries/shelf/backfill-plan", price_per_hour=price)

    assert refusal(response) == (400, "invalid_input")


def test_a_backfill_is_started_paused_resumed_and_stopped(api, gallery):
    opened = api.post("galleries/shelf/backfills", order="oldest", rate_limit_per_s=50)
    assert opened.status_code == 201, opened.content
    body = opened.json()
    assert (body["state"], body["order"], body["total"]) == ("running", "oldest", 6)
    path = f"galleries/shelf/backfills/{body['id']}"

    said = {"reason": "the shop is busy"}
    paused = api.post(f"{path}/pause", **said).json()["state"]
    assert LedgerEntry.objects.order_by("-seq")[0].body["reason"] == said["reason"]
    states = [paused, *(api.post(f"{path}/{verb}").json()["state"] for verb in ("resume", "stop"))]

    assert states == ["paused", "running", "stopped"]
    assert api.get(path).json()["finished_at"] is not None
    assert [b["id"] for b in api.get("galleries/shelf/backfills").json()["results"]] == [body["id"]]


def test_how_far_it_has_come_is_told_with_its_end(api, gallery):
    backfill = build.a_backfill(gallery)
    build.a_step(backfill, busy_s=4)

    body = api.get(f"galleries/shelf/backfills/{backfill.pk}").json()

    assert (body["moved"], body["total"]) == (2, 6)
    assert body["rate_per_s"] == pytest.approx(2 / body["busy_s"])
    assert body["remaining_s"] == pytest.approx(2 * body["busy_s"])
    assert 4 < body["busy_s"] < 5
    assert body["ends_at"] is not None


def test_what_is_refused_is_in_the_ledger(api, gallery):
    backfill = build.a_backfill(gallery)

    assert refusal(api.post("galleries/shelf/backfills")) == (409, "backfill_open")
    assert refusal(api.post(f"galleries/shelf/backfills/{backfill.pk}/resume")) == (
        409,
        "illegal_transition",
    )

    refused = LedgerEntry.objects.order_by("-seq")[:2]
    assert [entry.action for entry in refused] == [
        "gallery.backfill_resume",
        "gallery.backfill_start",
    ]


def test_a_backfill_of_another_gallery_is_unknown(api, gallery):
    backfill = build.a_backfill(gallery)
    build.a_gallery_to_backfill(2, name="other")

    response = api.get(f"galleries/other/backfills/{backfill.pk}")

    assert refusal(response) == (404, "unknown_backfill")
