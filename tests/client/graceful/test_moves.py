"""Moves of an alias from the command line: promote, roll back, history."""

import json

import pytest

from compat.verdict import Outcome
from registry.catalog.models import AliasMove
from tests.builders import registry as make

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]


def promote(run, candidate, *options, alias="digits@production"):
    return run("promote", alias, "--candidate", candidate, *options)


def test_a_dry_run_says_what_a_promotion_then_does(run, alias):
    make.a_judged_upgrade(alias)

    dry = promote(run, 1, "--dry-run")
    moves = AliasMove.objects.count()
    real = promote(run, 1, "--reason", "it passed")

    assert (dry.exit_code, real.exit_code) == (0, 0), real.stderr
    assert dry.stdout == "would move digits@production from nothing to digits:1\n"
    assert real.stdout == "moved digits@production from nothing to digits:1\n"
    assert (moves, AliasMove.objects.count()) == (0, 1)
    assert AliasMove.objects.get().reason == "it passed"


def test_a_pipeline_that_runs_again_finds_the_alias_moved(run, alias):
    make.a_judged_upgrade(alias)
    promote(run, 1)

    again = promote(run, 1)

    assert again.exit_code == 0
    assert "names digits:1 already" in again.stderr
    assert AliasMove.objects.count() == 1


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(Outcome.FAILED, 1), (Outcome.INCONCLUSIVE, 3), (Outcome.ERRORED, 6)],
)
def test_what_did_not_pass_is_not_promoted_and_the_exit_code_says_why(run, alias, outcome, code):
    make.a_judged_upgrade(alias, outcome=outcome)

    result = promote(run, 1)

    assert result.exit_code == code
    assert "gate_not_passed" in result.stderr
    assert f"is {outcome}" in result.stderr
    assert result.stdout == ""
    assert not AliasMove.objects.exists()


def test_a_candidate_that_is_still_evaluated_is_pending(run, alias):
    make.an_upgrade(alias)

    assert promote(run, 1).exit_code == 4


def test_a_token_without_the_scope_promotes_nothing(run, alias, monkeypatch):
    make.a_judged_upgrade(alias)
    monkeypatch.setenv("GRACEFUL_TOKEN", make.a_token(scopes=["read", "write"])[1])

    result = promote(run, 1)

    assert result.exit_code == 2
    assert "missing_scope" in result.stderr


def test_a_rollback_shows_its_plan_and_needs_the_exact_cost(run, twice_moved):
    plan = run("rollback", "faces@production", "--to", 1, "--dry-run")
    refused = run("rollback", "faces@production", "--to", 1)
    wrong = run("rollback", "faces@production", "--to", 1, "--confirm-unsearchable", 3)
    cost = json.loads(
        run("rollback", "faces@production", "--to", 1, "--dry-run", "--format", "json").stdout
    )["unsearchable_items"]
    done = run(
        "rollback", "faces@production", "--to", 1, "--confirm-unsearchable", cost, "--reason", "bad"
    )

    assert cost == 2
    assert plan.exit_code == 0
    assert "people" in plan.stdout
    assert refused.exit_code == wrong.exit_code == 1
    assert "--confirm-unsearchable 2" in refused.stderr
    assert done.exit_code == 0, done.stderr
    assert "moved faces@production from faces:2 to faces:1" in done.stdout
    assert AliasMove.objects.count() == 3


def test_a_rollback_in_json_is_one_document(run, alias):
    make.a_promoted_upgrade(alias)
    make.a_promoted_upgrade(alias)

    result = run("rollback", "digits@production", "--to", 1, "--format", "json")

    assert json.loads(result.stdout)["move"]["version"] == "digits:1"


def test_history_tells_who_moved_it_and_what_it_named_at_a_moment(run, alias):
    make.a_promoted_upgrade(alias)
    moment = AliasMove.objects.get().at
    make.a_promoted_upgrade(alias)

    moves = json.loads(run("history", "digits@production", "--format", "json").stdout)
    then = json.loads(
        run("history", "digits@production", "--at", moment.isoformat(), "--format", "json").stdout
    )

    assert [move["version"] for move in moves] == ["digits:2", "digits:1"]
    assert [move["version"] for move in then] == ["digits:1"]
    assert "it passed" in run("history", "digits@production").stdout
    assert run("history", "digits@production", "--at", "yesterday").exit_code == 2
