"""``graceful gate`` and ``graceful show``: the exit code is the answer, in every format."""

import json
import threading
from xml.etree import ElementTree

import pytest
from django.db import connection
from graceful.formats import Format

from compat.verdict import Outcome
from registry.upgrades.models import Upgrade
from registry.upgrades.services.withdraw import withdraw
from tests.builders import registry as make

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]

CODES = {"passed": 0, "failed": 1, "inconclusive": 3, "errored": 6}


def gate(run, *options, candidate=1, alias="digits@production"):
    return run("gate", alias, "--candidate", candidate, *options)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_the_exit_code_is_the_outcome_in_every_format(run, alias, outcome):
    make.a_judged_upgrade(alias, outcome=outcome)

    results = {form: gate(run, "--format", form) for form in Format}

    assert {result.exit_code for result in results.values()} == {CODES[outcome]}
    assert all(outcome.value in result.stdout for result in results.values())
    assert {result.stderr for result in results.values()} == {""}
    ElementTree.fromstring(results[Format.JUNIT].stdout)
    assert json.loads(results[Format.JSON].stdout)["exit_code"] == CODES[outcome]
    assert json.loads(results[Format.SARIF].stdout)["version"] == "2.1.0"


def test_an_evaluation_that_goes_on_is_pending(run, alias):
    make.an_upgrade(alias)

    assert gate(run).exit_code == 4
    assert "is pending" in gate(run).stdout


def test_waiting_ends_with_the_time_that_was_given(run, alias):
    make.an_upgrade(alias)

    result = gate(run, "--wait", "--timeout", "0.6")

    assert result.exit_code == 4
    assert "timed_out" in result.stderr
    assert "is pending" in result.stdout


def test_waiting_ends_with_the_verdict_and_progress_goes_to_stderr(run, alias):
    upgrade = make.an_upgrade(alias)
    make.a_pin(alias)

    def judge():
        try:
            make.judge(Upgrade.objects.get(pk=upgrade.pk), outcome=Outcome.FAILED)
        finally:
            connection.close()

    later = threading.Timer(1, judge)
    later.start()
    result = gate(run, "--wait", "--timeout", "60", "--format", "json")
    later.join()

    assert result.exit_code == 1
    assert json.loads(result.stdout)["standing"] == "failed"
    assert "digits:1: evaluating" in result.stderr
    assert "digits:1: judged" in result.stderr


def test_a_candidate_that_was_withdrawn_is_stale(run, alias):
    upgrade = make.a_judged_upgrade(alias)
    withdraw(upgrade_id=upgrade.pk, actor=make.a_user())

    assert gate(run, "--wait").exit_code == 6


def test_a_candidate_whose_upload_was_refused_is_errored(run, alias):
    make.an_upgrade(alias)
    Upgrade.objects.update(state="refused")

    assert gate(run, "--wait").exit_code == 6


def test_what_was_promoted_has_passed_and_what_it_replaced_is_stale(run, alias):
    make.a_promoted_upgrade(alias)
    make.a_promoted_upgrade(alias)

    assert gate(run, candidate=2).exit_code == 0
    assert gate(run, candidate=1).exit_code == 6


def test_a_verdict_that_no_longer_stands_is_made_again(run, alias):
    make.a_judged_upgrade(alias)
    make.a_pin(alias)

    result = gate(run)

    assert result.exit_code == 4
    assert "passed" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["gate", "digits", "--candidate", "1"], "usage"),
        (["gate", "digits@production", "--candidate", "9"], "unknown_upgrade"),
        (["gate", "digits@staging", "--candidate", "1"], "unknown_upgrade"),
        (["gate", "faces@production", "--candidate", "1"], "unknown_upgrade"),
        (["show", "faces:1"], "unknown_version"),
        (["show", "digits"], "invalid_reference"),
    ],
)
def test_what_is_not_there_is_wrong_usage(run, alias, arguments, code):
    make.a_judged_upgrade(alias)

    result = run(*arguments)

    assert result.exit_code == 2
    assert result.stderr.startswith(f"{code}: ")
    assert result.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["gate"],
        ["gate", "digits@production"],
        ["gate", "digits@production", "--candidate", "0"],
        ["gate", "digits@production", "--candidate", "x"],
        ["gate", "digits@production", "--candidate", "1", "--format", "xml"],
        ["gate", "digits@production", "--candidate", "1", "--timeout", "-1"],
        ["nothing"],
    ],
)
def test_a_command_line_that_makes_no_sense_is_wrong_usage(run, arguments):
    assert run(*arguments).exit_code == 2


def test_a_token_that_is_none_is_wrong_usage(run, alias, monkeypatch):
    monkeypatch.setenv("GRACEFUL_TOKEN", "grt_0123456789_wrong")

    result = gate(run)

    assert result.exit_code == 2
    assert result.stderr.startswith("invalid_token: ")


def test_a_registry_that_is_not_there_is_unreachable(run, monkeypatch):
    monkeypatch.setenv("GRACEFUL_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("GRACEFUL_TOKEN", "grt_a_b")
    monkeypatch.setattr("graceful.transport.FIRST_DELAY_S", 0.0)

    assert gate(run).exit_code == 5


def test_a_version_without_an_upgrade_is_proposed_only_when_asked_to(run, alias):
    make.a_version(alias.model)

    assert gate(run).exit_code == 2
    assert not Upgrade.objects.exists()

    result = gate(run, "--propose")

    assert result.exit_code == 4
    assert Upgrade.objects.count() == 1


def test_asking_needs_no_more_than_reading(run, alias, monkeypatch):
    make.a_judged_upgrade(alias)
    monkeypatch.setenv("GRACEFUL_TOKEN", make.a_token(scopes=["read"])[1])

    assert gate(run, "--wait").exit_code == 0


@pytest.mark.parametrize("outcome", list(Outcome))
def test_showing_is_no_question_its_exit_code_is_0(run, alias, outcome):
    make.a_judged_upgrade(alias, outcome=outcome)

    results = {form: run("show", "digits:1", "--format", form) for form in Format}

    assert {result.exit_code for result in results.values()} == {0}
    assert all(outcome.value in result.stdout for result in results.values())
    shown = json.loads(results[Format.JSON].stdout)
    assert shown["version"]["version"] == "digits:1"
    assert shown["report"]["standing"] == outcome.value


def test_a_version_that_was_never_proposed_is_shown_as_that(run, alias):
    make.a_version(alias.model)

    shown = {form: run("show", "digits:1", "--format", form) for form in Format}

    assert {result.exit_code for result in shown.values()} == {0}
    assert "not proposed" in json.loads(shown[Format.JSON].stdout)["report"]["state"]
    assert "is pending" in shown[Format.TABLE].stdout


def test_what_an_alias_names_is_shown_with_its_lineage(run, alias):
    make.a_promoted_upgrade(alias)

    result = run("show", "digits@production")

    assert "digits:1" in result.stdout
    assert "production" in result.stdout


def test_coverage_of_galleries_is_part_of_the_report(run, registry):
    alias = make.an_alias(make.a_model("faces", task="embedding"))
    make.a_promoted_upgrade(alias)
    make.a_gallery(alias, items=3)
    make.a_judged_upgrade(alias, outcome=Outcome.FAILED)

    shown = json.loads(gate(run, "--format", "json", candidate=2, alias="faces@production").stdout)

    covered = [line for line in shown["lines"] if line["producer"] == "faces:1"]
    assert covered
    assert all(line["rule"].startswith(("coverage", "null test")) for line in covered)
