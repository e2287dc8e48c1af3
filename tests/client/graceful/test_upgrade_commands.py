"""``graceful withdraw``, ``supersede`` and ``evaluate-again``."""

import json

import pytest

from compat.verdict import Outcome
from registry.upgrades.models import Upgrade
from tests.builders import registry as make

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]

ALIAS = "digits@production"


@pytest.fixture
def alias(registry):
    return make.an_alias(make.a_model("digits"))


def state_of(number):
    return Upgrade.objects.get(candidate__number=number).state


def test_an_upgrade_is_withdrawn_once(run, alias):
    make.a_judged_upgrade(alias)

    done = run("withdraw", ALIAS, "--candidate", 1, "--reason", "not needed")
    again = run("withdraw", ALIAS, "--candidate", 1)

    assert done.stdout == "withdrew digits:1 for digits@production\n"
    assert (done.exit_code, again.exit_code) == (0, 6)
    assert again.stderr.startswith("illegal_transition: ")
    assert state_of(1) == "withdrawn"


def test_an_upgrade_is_superseded_by_another_candidate(run, alias):
    make.a_judged_upgrade(alias)
    by = make.an_upgrade(alias)

    done = run("supersede", ALIAS, "--candidate", 1, "--by", 2, "--format", "json")
    gate = run("gate", ALIAS, "--candidate", 1)
    back = run("supersede", ALIAS, "--candidate", 2, "--by", 1)

    said = json.loads(done.stdout)
    assert (said["state"], said["superseded_by"]) == ("superseded", by.pk)
    assert (done.exit_code, gate.exit_code, back.exit_code) == (0, 6, 1)
    assert back.stderr.startswith("not_open: ")
    assert (state_of(1), state_of(2)) == ("superseded", "evaluating")


def test_superseding_is_told_in_a_sentence(run, alias):
    make.an_upgrade(alias)
    make.an_upgrade(alias)

    result = run("supersede", ALIAS, "--candidate", 1, "--by", 2, "--reason", "has the fix")

    assert result.stdout == "superseded digits:1 by digits:2 for digits@production\n"


def test_what_serves_is_neither_withdrawn_nor_superseded_nor_evaluated_again(run, alias):
    make.a_promoted_upgrade(alias)
    make.an_upgrade(alias)

    results = [
        run("withdraw", ALIAS, "--candidate", 1),
        run("supersede", ALIAS, "--candidate", 1, "--by", 2),
        run("evaluate-again", ALIAS, "--candidate", 1),
    ]

    assert [r.exit_code for r in results] == [1, 1, 1]
    assert all(r.stderr.startswith("illegal_transition: ") for r in results)
    assert state_of(1) == "promoted"


def test_a_failed_evaluation_is_asked_for_again(run, alias):
    make.a_judged_upgrade(alias, outcome=Outcome.ERRORED)

    result = run("evaluate-again", ALIAS, "--candidate", 1)

    assert result.exit_code == 0, result.stderr
    assert result.stdout == "digits:1 for digits@production is evaluating again\n"
    assert state_of(1) == "evaluating"


@pytest.mark.parametrize(
    "arguments",
    [
        ["withdraw", "digits", "--candidate", "1"],
        ["withdraw", ALIAS],
        ["withdraw", ALIAS, "--candidate", "9"],
        ["supersede", ALIAS, "--candidate", "1"],
        ["supersede", ALIAS, "--candidate", "1", "--by", "9"],
        ["supersede", ALIAS, "--candidate", "1", "--by", "1"],
        ["evaluate-again", ALIAS, "--candidate", "9"],
        ["evaluate-again", "digits@nothing", "--candidate", "1"],
    ],
)
def test_an_act_on_nothing_is_wrong_usage(run, alias, arguments):
    make.a_judged_upgrade(alias)

    assert run(*arguments).exit_code == 2
    assert state_of(1) == "judged"


def test_a_token_without_the_scope_closes_nothing(run, alias, monkeypatch):
    make.a_judged_upgrade(alias)
    monkeypatch.setenv("GRACEFUL_TOKEN", make.a_token(scopes=["read"])[1])

    results = [run(name, ALIAS, "--candidate", 1) for name in ("withdraw", "evaluate-again")]

    assert [r.exit_code for r in results] == [2, 2]
    assert all(r.stderr.startswith("missing_scope: ") for r in results)
