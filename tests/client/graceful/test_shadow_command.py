"""Shadows from the command line against the live server."""

import json

import pytest

from compat.policy import Task
from registry.audit.models import LedgerEntry
from registry.upgrades.models import Shadow
from registry.upgrades.services.count_shadow import Compared, Tally, count_shadow
from tests.builders import registry as make

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def upgrade(registry):
    alias = make.an_alias(make.a_model("faces", task=Task.EMBEDDING))
    make.a_promoted_upgrade(alias)
    make.a_gallery(alias, items=3)
    return make.a_judged_upgrade(alias)


def on(upgrade):
    return (str(upgrade.alias), "--candidate", upgrade.candidate.number)


def test_it_is_started_shown_and_stopped(run, upgrade):
    started = run("shadow", "start", *on(upgrade), "--percent", "25", "--hours", "2")
    assert started.exit_code == 0, started.stderr
    shadow = Shadow.objects.get()
    assert shadow.share == 0.25
    assert shadow.ends_at is not None
    count_shadow(shadow_id=shadow.pk, tally=Tally([Compared(0.9, True, 3.0, 70.0)] * 10, dropped=1))

    running = run("shadow", "show", *on(upgrade))
    assert running.exit_code == 4
    assert "0.900" in running.stdout
    assert "at most 100 ms" in running.stdout

    again = run("shadow", "start", *on(upgrade), "--percent", "25")
    assert (again.exit_code, "shadow_running" in again.stderr) == (1, True)

    stopped = run("shadow", "stop", *on(upgrade), "--reason", "seen enough", "--format", "json")
    assert json.loads(stopped.stdout)["end"] == "stopped"
    assert LedgerEntry.objects.get(action="shadow.stop").body["reason"] == "seen enough"
    assert run("shadow", "show", *on(upgrade)).exit_code == 0


def test_what_was_never_shadowed_is_wrong_usage(run, upgrade):
    assert run("shadow", "show", *on(upgrade)).exit_code == 2


def test_a_share_that_is_none_is_refused(run, upgrade):
    refused = run("shadow", "start", *on(upgrade), "--percent", "0")

    assert refused.exit_code != 0
    assert "invalid_share" in refused.stderr
