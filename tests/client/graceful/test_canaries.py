"""Canaries from the command line against the live server."""

import json

import pytest

from registry.galleries.models import CanaryCheck, DriftAlarm
from tests.builders import canaries

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def gallery(registry):
    gallery = canaries.an_attached_gallery()
    gallery.name = "abroad"
    gallery.save(update_fields=["name"])
    return gallery


@pytest.fixture
def upload(tmp_path):
    path = tmp_path / "canaries.npz"
    path.write_bytes(canaries.an_upload())
    return path


def test_canaries_are_handed_in_for_a_segment(run, gallery, upload):
    arguments = ("--segment", "1", "--tolerance", "0.001", "--no-wait", "--format", "json")

    result = run("canaries", "hand-in", "abroad", str(upload), *arguments)

    assert result.exit_code == 4, result.stderr
    handed_in = json.loads(result.stdout)
    assert (handed_in["segment"], handed_in["work_state"]) == (1, "queued")
    held = gallery.canary_sets.get()
    assert (held.pk, held.tolerance) == (handed_in["id"], 0.001)


def test_a_hand_in_that_is_refused_says_why(run, gallery, upload):
    result = run("canaries", "hand-in", "abroad", str(upload), "--segment", "9")

    assert (result.exit_code, "unknown_segment" in result.stderr) == (2, True)


def test_a_check_is_told_by_its_exit_code(run, gallery):
    assert run("canaries", "status", "abroad").exit_code == 2
    nothing = run("canaries", "check", "abroad")
    assert (nothing.exit_code, "no_canaries" in nothing.stderr) == (1, True), nothing.stderr
    canaries.with_canaries(gallery)
    assert run("canaries", "check", "abroad", "--timeout", "0").exit_code == 4

    for outcome, code in (("matches", 0), ("differs", 1), ("errored", 6)):
        canaries.check(gallery, outcome, of=["m:1"])
        result = run("canaries", "status", "abroad")
        assert result.exit_code == code, result.stderr
        assert outcome in result.stdout


def test_drift_is_shown_and_acknowledged(run, gallery):
    canaries.an_alarm(canaries.with_canaries(gallery), of=["m:1"])

    checked = run("canaries", "status", "abroad")
    assert "m:1" in checked.stdout
    assert "they are of m:1" in run("galleries", "abroad").stdout
    live = json.loads(run("galleries", "abroad", "--live", "--format", "json").stdout)
    assert live["drift"]["state"] == "open"
    assert run("canaries", "acknowledge", "abroad").exit_code == 2
    result = run("canaries", "acknowledge", "abroad", "--reason", "a test index")

    assert result.exit_code == 0, result.stderr
    assert DriftAlarm.objects.get().reason == "a test index"
    assert CanaryCheck.objects.count() == 1
