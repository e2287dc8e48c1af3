"""Backfills from the command line against the live server."""

import json

import pytest

from registry.galleries.models import Backfill
from tests.builders import backfills as build
from tests.builders import registry as make

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def gallery(registry):
    return build.a_gallery_to_backfill(6, name="shelf")


def test_a_plan_says_what_can_be_moved_and_what_is_unknown(run, gallery):
    result = run("backfill", "plan", "shelf", "--price-per-hour", "2")

    assert result.exit_code == 0, result.stderr
    assert "to move         6" in result.stdout
    assert "never_measured" in result.stdout


def test_it_is_started_steered_and_told_by_its_exit_code(run, gallery):
    started = run("backfill", "start", "shelf", "--order", "oldest", "--rate", "5")
    assert started.exit_code == 4, started.stderr
    backfill = Backfill.objects.get()
    assert (backfill.order, backfill.rate_limit_per_s) == ("oldest", 5)

    for verb, state in (("pause", "paused"), ("resume", "running"), ("stop", "stopped")):
        steered = run("backfill", verb, "shelf", "--format", "json")
        assert steered.exit_code == 0, steered.stderr
        assert json.loads(steered.stdout)["state"] == state

    assert run("backfill", "status", "shelf").exit_code == 1
    again = run("backfill", "pause", "shelf")
    assert (again.exit_code, "illegal_transition" in again.stderr) == (1, True)


def test_waiting_ends_with_the_backfill(run, gallery):
    backfill = build.a_backfill(gallery, group_rows=6)
    build.a_step(backfill)

    result = run("backfill", "status", "shelf", "--wait")

    assert result.exit_code == 0, result.stderr
    assert "moved     6 of 6" in result.stdout
    assert f"backfill {backfill.pk}: done" in result.stderr


def test_a_gallery_without_one_is_wrong_usage(run, registry):
    make.a_gallery(build.a_gallery("empty").alias, name="other")

    assert run("backfill", "status", "other").exit_code == 2
