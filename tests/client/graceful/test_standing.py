"""What a pipeline is told: every state, outcome and error has its exit code, and only one is 0."""

import pytest
from graceful import EXIT, RefusedError, Standing, TimedOutError, UnreachableError, UsageError
from graceful.errors import GracefulError
from graceful.standing import (
    CLOSED,
    exit_code,
    is_checked,
    is_settled,
    standing_of,
    standing_of_check,
)

from compat.verdict import Outcome
from registry.core.leases import WorkState
from registry.upgrades.states import OPEN, State


def an_upgrade(state, outcome=None, *, stale=False):
    return {"state": state, "outcome": outcome, "stale": stale}


def test_exit_codes_are_those_of_the_contract():
    assert EXIT == {
        Standing.PASSED: 0,
        Standing.FAILED: 1,
        Standing.INCONCLUSIVE: 3,
        Standing.PENDING: 4,
        Standing.ERRORED: 6,
        Standing.STALE: 6,
    }


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_judged_upgrade_stands_as_its_outcome_says(outcome):
    assert standing_of(an_upgrade("judged", outcome.value)) == outcome.value
    assert standing_of(an_upgrade("judged", outcome.value, stale=True)) is Standing.STALE


def test_an_evaluation_is_pending_whatever_was_judged_before():
    assert standing_of(an_upgrade("evaluating", "passed")) is Standing.PENDING


def test_every_state_of_the_registry_is_known_here():
    assert {str(state) for state in set(State) - OPEN - {State.PROMOTED}} <= set(CLOSED)


@pytest.mark.parametrize("state", [*CLOSED, "a state of a later registry"])
@pytest.mark.parametrize("outcome", [None, "passed"])
def test_a_closed_upgrade_opens_nothing(state, outcome):
    assert standing_of(an_upgrade(state, outcome)) is not Standing.PASSED


def test_what_serves_has_passed_and_an_outcome_of_a_later_registry_has_not():
    assert standing_of(an_upgrade("promoted", "passed")) is Standing.PASSED
    assert standing_of(an_upgrade("promoted", None)) is Standing.STALE
    assert standing_of(an_upgrade("judged", "splendid")) is Standing.ERRORED


def test_waiting_ends_when_nothing_more_is_to_come():
    assert is_settled(an_upgrade("judged", "failed"))
    assert is_settled(an_upgrade("withdrawn"))
    assert not is_settled(an_upgrade("evaluating"))
    assert not is_settled(an_upgrade("judged", "passed", stale=True))


def a_check(work_state, outcome=None):
    return {"work_state": work_state, "outcome": outcome}


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_check_that_is_done_stands_as_its_outcome_says(outcome):
    assert standing_of_check(a_check("done", outcome.value)) == outcome.value


@pytest.mark.parametrize("outcome", [None, "passed"])
@pytest.mark.parametrize("state", [*sorted(set(WorkState.values) - {"done"}), "a later state"])
def test_a_check_that_is_not_done_opens_nothing(state, outcome):
    standing = standing_of_check(a_check(state, outcome))

    waited_for = state in {"queued", "running"}
    assert standing is (Standing.PENDING if waited_for else Standing.ERRORED)
    assert is_checked(a_check(state)) is not waited_for


def test_a_check_without_an_outcome_or_with_one_of_a_later_registry_is_errored():
    assert standing_of_check(a_check("done")) is Standing.ERRORED
    assert standing_of_check(a_check("done", "splendid")) is Standing.ERRORED
    assert standing_of_check(a_check("done", "pending")) is Standing.ERRORED


@pytest.mark.parametrize(
    ("exc", "code"),
    [
        (UsageError("x"), 2),
        (UnreachableError("x"), 5),
        (TimedOutError("x"), 4),
        (GracefulError("x"), 6),
        (RefusedError(400, "invalid_input", "x"), 2),
        (RefusedError(401, "invalid_token", "x"), 2),
        (RefusedError(403, "missing_scope", "x"), 2),
        (RefusedError(404, "unknown_model", "x"), 2),
        (RefusedError(409, "gallery_not_covered", "x"), 1),
        (RefusedError(409, "verdict_stale", "x"), 6),
        (RefusedError(409, "approvals_missing", "x"), 4),
        (RefusedError(429, "throttled", "x"), 5),
        (RefusedError(500, "http_500", "x"), 6),
        (RefusedError(503, "unavailable", "x"), 5),
    ],
)
def test_every_error_has_an_exit_code_and_none_is_a_pass(exc, code):
    assert exit_code(exc) == code != 0
