"""How a candidate stands, and the exit codes that say so to a pipeline."""

from enum import StrEnum

from graceful.answers import Adapter, Check, Upgrade
from graceful.errors import (
    GracefulError,
    RefusedError,
    TimedOutError,
    UnreachableError,
    UsageError,
)
from graceful.transport import TRY_AGAIN


class Standing(StrEnum):
    """What the gate says of a candidate now. Only ``PASSED`` opens."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    PENDING = "pending"
    ERRORED = "errored"
    STALE = "stale"


USAGE, UNREACHABLE, INTERRUPTED = 2, 5, 130

EXIT: dict[Standing, int] = {
    Standing.PASSED: 0,
    Standing.FAILED: 1,
    Standing.INCONCLUSIVE: 3,
    Standing.PENDING: 4,
    Standing.ERRORED: 6,
    Standing.STALE: 6,
}

JUDGED: dict[str, Standing] = {
    "passed": Standing.PASSED,
    "failed": Standing.FAILED,
    "inconclusive": Standing.INCONCLUSIVE,
    "errored": Standing.ERRORED,
}
"""Outcomes of a judgement; one that is not known here is an error."""

CLOSED: dict[str, Standing] = {
    "refused": Standing.ERRORED,
    "rejected": Standing.FAILED,
    "withdrawn": Standing.STALE,
    "replaced": Standing.STALE,
    "rolled_back": Standing.STALE,
    "expired": Standing.STALE,
    "superseded": Standing.STALE,
}
"""States in which an upgrade waits for nothing any more, and what they are to a pipeline."""

UNDER_WAY = frozenset({"queued", "running"})
"""States of a piece of work that somebody is still to finish."""

REFUSALS: dict[str, Standing] = {
    "verdict_stale": Standing.STALE,
    "approvals_missing": Standing.PENDING,
}
"""Refusals of an act that are something else than a failure."""


def standing_of(upgrade: Upgrade) -> Standing:
    """Return how the candidate stands; a state that is not known here is an error, never a pass."""
    state, outcome = upgrade["state"], upgrade["outcome"]
    if state == "evaluating":
        return Standing.PENDING
    if state not in {"judged", "promoted"}:
        return CLOSED.get(state, Standing.ERRORED)
    if upgrade["stale"] or outcome is None:
        return Standing.STALE
    return JUDGED.get(outcome, Standing.ERRORED)


def standing_of_check(check: Check) -> Standing:
    """Return how checked outputs stand; work that failed, or is unknown here, is an error."""
    if check["work_state"] in UNDER_WAY:
        return Standing.PENDING
    if check["work_state"] != "done" or check["outcome"] is None:
        return Standing.ERRORED
    return JUDGED.get(check["outcome"], Standing.ERRORED)


def is_settled(upgrade: Upgrade) -> bool:
    """Whether waiting changes nothing: an open upgrade that is stale is being judged again."""
    return upgrade["state"] != "evaluating" and not upgrade["stale"]


def is_checked(check: Check) -> bool:
    """Whether nobody is still to work on a check."""
    return check["work_state"] not in UNDER_WAY


def is_fitted(adapter: Adapter) -> bool:
    """Whether nobody is still to work on an adapter."""
    return adapter["work_state"] not in UNDER_WAY


def exit_code(exc: GracefulError) -> int:
    """Return the exit code of an error."""
    if isinstance(exc, TimedOutError):
        return EXIT[Standing.PENDING]
    if isinstance(exc, UnreachableError):
        return UNREACHABLE
    if isinstance(exc, RefusedError):
        return _exit_code_of_refusal(exc)
    return USAGE if isinstance(exc, UsageError) else EXIT[Standing.ERRORED]


def _exit_code_of_refusal(exc: RefusedError) -> int:
    if exc.code in REFUSALS:
        return EXIT[REFUSALS[exc.code]]
    if exc.status in TRY_AGAIN:
        return UNREACHABLE
    if exc.status >= 500:
        return EXIT[Standing.ERRORED]
    return EXIT[Standing.FAILED] if exc.status == 409 else USAGE
