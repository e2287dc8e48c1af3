"""The states of an upgrade and what leads from one to the next, as data."""

from enum import StrEnum

from registry.core.errors import IllegalTransitionError


class State(StrEnum):
    """Where an upgrade stands; its verdict says how it was judged."""

    EVALUATING = "evaluating"
    JUDGED = "judged"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    REPLACED = "replaced"
    WITHDRAWN = "withdrawn"
    REJECTED = "rejected"
    REFUSED = "refused"
    SUPERSEDED = "superseded"


TRANSITIONS: dict[tuple[State, str], State] = {
    (State.EVALUATING, "judge"): State.JUDGED,
    (State.EVALUATING, "refuse"): State.REFUSED,
    (State.EVALUATING, "withdraw"): State.WITHDRAWN,
    (State.EVALUATING, "supersede"): State.SUPERSEDED,
    (State.JUDGED, "reopen"): State.EVALUATING,
    (State.JUDGED, "promote"): State.PROMOTED,
    (State.JUDGED, "reject"): State.REJECTED,
    (State.JUDGED, "withdraw"): State.WITHDRAWN,
    (State.JUDGED, "supersede"): State.SUPERSEDED,
    (State.PROMOTED, "roll_back"): State.ROLLED_BACK,
    (State.PROMOTED, "replace"): State.REPLACED,
    (State.ROLLED_BACK, "return"): State.PROMOTED,
    (State.REPLACED, "return"): State.PROMOTED,
    (State.EVALUATING, "return"): State.PROMOTED,
    (State.JUDGED, "return"): State.PROMOTED,
    (State.WITHDRAWN, "return"): State.PROMOTED,
    (State.REJECTED, "return"): State.PROMOTED,
    (State.SUPERSEDED, "return"): State.PROMOTED,
    (State.ROLLED_BACK, "reopen"): State.EVALUATING,
    (State.REPLACED, "reopen"): State.EVALUATING,
    (State.WITHDRAWN, "reopen"): State.EVALUATING,
    (State.REJECTED, "reopen"): State.EVALUATING,
    (State.SUPERSEDED, "reopen"): State.EVALUATING,
}
"""``return``: a rollback lands on this candidate again, whatever has become of its upgrade since.
``replace``: a later candidate took over. ``supersede``: closed in favour of another open one."""

OPEN = frozenset({State.EVALUATING, State.JUDGED})
"""States in which an upgrade still waits for something."""


def next_state(state: State, action: str) -> State:
    """Return where ``action`` leads from ``state``.

    Raises:
        IllegalTransitionError: it leads nowhere.
    """
    try:
        return TRANSITIONS[State(state), action]
    except KeyError:
        raise IllegalTransitionError(f"cannot {action} an upgrade that is {state}") from None
