"""``graceful waiver``, and the waivers that ``graceful show`` tells until they are repaid."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from registry.upgrades.models import Waiver
from registry.upgrades.services.withdraw import withdraw
from tests.builders import registry as make
from tests.builders.waivers import RULES, a_failed_upgrade, a_waived_promotion, a_waiver, end

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]

ALIAS = "digits@production"


@pytest.fixture
def alias(registry):
    return make.an_alias(make.a_model("digits"))


@pytest.fixture
def failed(alias):
    return a_failed_upgrade(alias)


def in_days(days):
    return (timezone.now() + timedelta(days=days)).date()


def ask(run, *options, candidate=2, rules=RULES, expires=None, reason="camera swap"):
    named = [word for rule in rules for word in ("--rule", rule)]
    given = ["--reason", reason, "--expires", expires or in_days(3).isoformat()]
    return run("waiver", "request", ALIAS, "--candidate", candidate, *named, *given, *options)


def test_a_waiver_is_asked_for_by_one_person_and_granted_by_another(run, failed, monkeypatch):
    asked = ask(run)
    waiver = Waiver.objects.get()
    own = run("waiver", "grant", waiver.pk)
    monkeypatch.setenv("GRACEFUL_TOKEN", make.a_token(make.a_user("bob"))[1])
    granted = run("waiver", "grant", waiver.pk)
    twice = run("waiver", "grant", waiver.pk)

    about = f"waiver {waiver.pk} of {', '.join(RULES)} for digits:2, ends {in_days(3)}"
    assert asked.stdout == (
        f"asked for {about}; another person: graceful waiver grant {waiver.pk}\n"
    )
    assert granted.stdout == f"granted {about}\n"
    assert [r.exit_code for r in (asked, own, granted, twice)] == [0, 2, 0, 1]
    assert own.stderr.startswith("own_waiver: ")
    assert twice.stderr.startswith("waiver_granted: ")
    waiver.refresh_from_db()
    assert (waiver.requested_by.username, waiver.granted_by.username) == ("ann", "bob")
    assert waiver.expires_at == datetime.combine(in_days(3), datetime.min.time(), UTC)
    assert run("promote", ALIAS, "--candidate", 2).exit_code == 0


def test_a_waiver_may_be_bound_to_named_samples_and_told_in_json(run, failed):
    options = ["--sample-id", "sample-1", "--sample-id", "sample-2", "--format", "json"]

    said = json.loads(ask(run, *options, expires=f"{in_days(2)}T12:00:00+02:00").stdout)

    assert said["sample_ids"] == ["sample-1", "sample-2"]
    assert said["expires_at"] == f"{in_days(2)}T10:00:00Z"
    assert said["id"] == Waiver.objects.get().pk


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"rules": ["nothing"]}, "unknown_rule"),
        ({"rules": ["null test"]}, "not_waivable"),
        ({"reason": " "}, "reason_missing"),
        ({"expires": "2020-01-31"}, "waiver_expired"),
        ({"expires": "9999-01-31"}, "waiver_too_long"),
        ({"expires": "soon"}, "usage"),
        ({"expires": "2099-01-31T12:00:00"}, "usage"),
    ],
)
def test_a_waiver_that_makes_no_sense_is_wrong_usage(run, failed, changes, code):
    result = ask(run, **changes)

    assert result.exit_code == 2
    assert result.stderr.startswith(f"{code}: ")
    assert not Waiver.objects.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["request", ALIAS, "--candidate", "2", "--rule", RULES[0], "--expires", "2099-01-31"],
        ["request", ALIAS, "--candidate", "2", "--reason", "no", "--expires", "2099-01-31"],
        ["request", ALIAS, "--candidate", "2", "--rule", RULES[0], "--reason", "no"],
        ["grant"],
        ["grant", "0"],
        ["grant", "999999"],
        ["list", "digits"],
        ["list", "digits@nothing"],
    ],
)
def test_a_command_without_what_it_needs_is_wrong_usage(run, failed, arguments):
    assert run("waiver", *arguments).exit_code == 2


def test_what_is_not_judged_has_no_waiver_and_the_exit_code_says_why(run, alias):
    upgrade = make.an_upgrade(alias)
    pending = ask(run, candidate=1)
    withdraw(upgrade_id=upgrade.pk, actor=make.a_user())
    closed = ask(run, candidate=1)

    assert (pending.exit_code, closed.exit_code) == (4, 6)
    assert pending.stderr.startswith("not_judged: ")


def test_an_expired_waiver_is_not_granted(run, failed):
    waiver = a_waiver(failed, granted=False)
    end(waiver)

    result = run("waiver", "grant", waiver.pk)

    assert result.exit_code == 1
    assert result.stderr.startswith("waiver_expired: ")


def test_waivers_are_listed_with_people_end_and_reason(run, failed):
    first, second = a_waiver(failed), a_waiver(failed, granted=False, reason="owls only")
    end(first)

    listed = run("waiver", "list", ALIAS)
    rows = [line for line in listed.stdout.splitlines()[1:] if line]

    assert listed.exit_code == 0, listed.stderr
    assert rows[0].split()[0] == str(second.pk)
    assert f"ends {second.expires_at.date()}" in rows[0]
    assert "owls only" in rows[0]
    assert rows[1].split()[0] == str(first.pk)
    assert first.granted_by.username in rows[1]
    assert f"expired on {timezone.now().date()}" in rows[1]
    assert json.loads(run("waiver", "list", ALIAS, "--owed", "--format", "json").stdout) == []


def test_what_serves_under_a_waiver_says_so_until_it_is_repaid(run, alias, registry):
    waiver = a_waived_promotion(alias).waivers.get()
    end(waiver)

    shown = run("show", ALIAS)
    listed = json.loads(run("waiver", "list", ALIAS, "--owed", "--format", "json").stdout)
    told = json.loads(run("show", ALIAS, "--format", "json").stdout)["waivers_owed"]
    of_model = registry.model("digits")["waivers_owed"]
    before = run("show", "digits:1")
    make.a_promoted_upgrade(alias)
    after = run("show", ALIAS)

    assert shown.exit_code == after.exit_code == 0
    for words in (
        "production serves under waivers",
        ", ".join(RULES),
        waiver.reason,
        waiver.requested_by.username,
        waiver.granted_by.username,
        f"expired on {timezone.now().date()}",
    ):
        assert words in shown.stdout
        assert words not in after.stdout
    assert "serves under waivers" not in before.stdout
    assert [w["id"] for w in listed] == [w["id"] for w in told["production"]] == [waiver.pk]
    assert [(w["id"], w["alias"]) for w in of_model] == [(waiver.pk, "production")]
