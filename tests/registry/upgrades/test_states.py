"""The workflow is a table; whatever is not in it is refused."""

import itertools

import pytest

from registry.core.errors import IllegalTransitionError
from registry.upgrades.states import OPEN, TRANSITIONS, State, next_state

ACTIONS = sorted({action for _, action in TRANSITIONS})


@pytest.mark.parametrize(("state", "action"), list(itertools.product(State, ACTIONS)))
def test_every_pair_is_in_the_table_or_refused(state, action):
    if (state, action) in TRANSITIONS:
        assert next_state(state, action) is TRANSITIONS[state, action]
    else:
        with pytest.raises(IllegalTransitionError, match=f"cannot {action}"):
            next_state(state, action)


def test_only_a_judged_upgrade_can_be_promoted():
    assert [state for state, action in TRANSITIONS if action == "promote"] == [State.JUDGED]


def test_every_state_can_be_reached():
    reached = set(TRANSITIONS.values()) | {State.EVALUATING}

    assert reached == set(State)


def test_an_open_state_can_always_be_withdrawn():
    assert all((state, "withdraw") in TRANSITIONS for state in OPEN)
