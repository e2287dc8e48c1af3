"""How often a message is tried, and how long it waits in between."""

import random
from datetime import timedelta

ATTEMPTS = 11
"""Tries before a message is given up; the waits between them sum to about 21 hours (chosen)."""

FIRST = timedelta(seconds=10)
FACTOR = 3
LONGEST = timedelta(hours=6)
JITTER = 0.2
"""Share by which a wait is longer or shorter, so that messages do not come back together."""

QUIET = timedelta(minutes=5)
"""A receiver that did not answer at all is left alone at most this long by its other messages."""

FAILING_FOR = timedelta(days=3)
"""After so long without one success a subscription is switched off (chosen: a long weekend)."""


def delay_after(tries: int) -> timedelta:
    """Return the wait after the ``tries``-th try that failed, 1 being the first."""
    wait = min(FIRST * FACTOR ** (tries - 1), LONGEST)
    return wait * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
