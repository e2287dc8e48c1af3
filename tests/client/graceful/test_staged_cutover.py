"""``graceful promote --at``, ``schedule``, ``safeguard`` and ``signal``."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from compat.verdict import Outcome
from registry.upgrades.models import Safeguard, ScheduledPromotion, Signal
from tests.builders import registry as make
from tests.builders.staging import SIGNAL, a_guarded_alias, the_alias

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]

ALIAS = "digits@production"


@pytest.fixture
def alias(registry):
    return make.an_alias(make.a_model("digits"))


@pytest.fixture
def guarded(registry):
    alias = make.an_alias(make.a_model("digits", task="embedding"))
    return a_guarded_alias(alias, items_after=3, forward=False)


def tomorrow():
    return (timezone.now() + timedelta(days=1)).date().isoformat()


def promote_later(run, *options, at=None):
    return run("promote", ALIAS, "--candidate", 1, "--at", at or tomorrow(), *options)


def test_a_promotion_is_scheduled_listed_and_cancelled(run, alias):
    make.a_judged_upgrade(alias)

    made = promote_later(run, "--reason", "at night")
    held = ScheduledPromotion.objects.get()
    twice = promote_later(run)
    listed = run("schedule", "list", ALIAS, "--open")
    cancelled = run("schedule", "cancel", held.pk, "--reason", "no")
    again = run("schedule", "cancel", held.pk)

    begins, ends = tomorrow(), held.not_after.date()
    assert made.stdout == (
        f"schedule {held.pk}: digits:1 for {ALIAS}, not before {begins}T00:00:00Z, "
        f"not after {ends}T00:00:00Z\n"
    )
    assert listed.stdout.splitlines()[1].split()[:4] == [str(held.pk), ALIAS, "digits:1", "open"]
    assert "at night" in listed.stdout
    assert cancelled.stdout == f"schedule {held.pk}: digits:1 for {ALIAS}, cancelled by ann: no\n"
    assert [r.exit_code for r in (made, twice, listed, cancelled, again)] == [0, 1, 0, 0, 1]
    assert twice.stderr.startswith("duplicate_schedule: ")
    assert the_alias(alias.pk).version is None
    assert len(run("schedule", "list", "--open").stdout.splitlines()) == 1


def test_a_condition_is_told_with_what_it_lacks(run, alias):
    make.a_judged_upgrade(alias)

    made = run("promote", ALIAS, "--candidate", 1, "--after-shadow", "1000:.9")
    said = json.loads(run("schedule", "list", "--format", "json").stdout)

    assert "there is no shadow" in made.stdout
    assert said[0]["after_shadow"] == {"queries": 1000, "overlap": 0.9}


@pytest.mark.parametrize(
    "options",
    [
        ["--until", "2030-01-31"],
        ["--at", "tonight"],
        ["--at", "2020-01-31"],
        ["--after-shadow", "many"],
        ["--after-shadow", "1000:2"],
        ["--at", "2099-01-31", "--dry-run"],
    ],
)
def test_what_makes_no_sense_is_wrong_usage(run, alias, options):
    make.a_judged_upgrade(alias)

    assert run("promote", ALIAS, "--candidate", 1, *options).exit_code == 2
    assert not ScheduledPromotion.objects.exists()


def test_a_candidate_that_failed_exits_with_its_standing(run, alias):
    make.a_judged_upgrade(alias, outcome=Outcome.INCONCLUSIVE)

    assert promote_later(run).exit_code == 3


def test_a_safeguard_says_beforehand_what_it_would_come_to(run, guarded):
    made = run("safeguard", "set", ALIAS, "latency", "--hours", 48, "--reason", "p99")
    listed = run("safeguard", "list", ALIAS)
    removed = run("safeguard", "remove", ALIAS, "latency")
    again = run("safeguard", "remove", ALIAS, "latency")

    assert "digits@production: latency is armed" in made.stdout
    assert "it would go back to digits:1: 3 items become unsearchable" in made.stdout
    assert made.stderr == "that would be refused: 0 are allowed\n"
    rows = [line.split() for line in listed.stdout.splitlines()[1:]]
    assert [row[:2] for row in rows] == [[SIGNAL, "armed"], ["latency", "armed"]]
    assert removed.stdout == f"{ALIAS}: latency rolls nothing back any more\n"
    assert [r.exit_code for r in (made, listed, removed, again)] == [0, 0, 0, 2]
    assert again.stderr.startswith("unknown_safeguard: ")


def test_before_the_first_promotion_there_is_nothing_to_undo(run, alias):
    made = run("safeguard", "set", ALIAS, SIGNAL, "--hours", 1, "--dual-query")

    assert "the next one arms it" in made.stdout
    assert Safeguard.objects.get().dual_query


def test_a_name_that_is_none_goes_nowhere(run, alias):
    assert run("safeguard", "set", ALIAS, "../pins", "--hours", 1).exit_code == 2
    assert run("safeguard", "remove", ALIAS, "a/b").exit_code == 2


def test_a_signal_that_is_refused_exits_1_and_one_that_rolls_back_0(run, guarded):
    refused = run("signal", "send", ALIAS, SIGNAL, "--detail", "5 % fail")
    run("safeguard", "set", ALIAS, SIGNAL, "--hours", 24, "--at-most-unsearchable", 3)
    done = run("signal", "send", ALIAS, SIGNAL, "--epoch", 2)
    over = run("signal", "send", ALIAS, SIGNAL, "--resolved")
    unknown = run("signal", "send", ALIAS, "nobody-knows")

    assert refused.stdout.startswith("the rollback was refused: unsearchable_items: 3 items")
    assert "a person has to decide" in refused.stderr
    assert done.stdout == f"{ALIAS} is rolled back to digits:1\n"
    assert over.stdout == "nothing was done: not_firing: it does not fire\n"
    assert [r.exit_code for r in (refused, done, over, unknown)] == [1, 0, 0, 2]
    assert Signal.objects.count() == 3
    lines = run("signal", "list", ALIAS).stdout.splitlines()
    assert [line.split()[1:5] for line in lines[1:]] == [
        [SIGNAL, "no", "3", "none"],
        [SIGNAL, "yes", "2", "digits:1"],
        [SIGNAL, "yes", "2", "refused"],
    ]
