"""Which events a subscription is about: kinds such as ``alias.moved``, ``upgrade.*`` or ``*``."""

import re
from collections.abc import Iterable, Sequence

from registry.core.errors import InvalidInputError

PATTERN = re.compile(r"\*|[a-z_]+(?:\.[a-z_]+)*(?:\.\*)?")
MOST_PATTERNS = 20
LONGEST_PATTERN = 64


def checked_patterns(patterns: Iterable[str]) -> list[str]:
    """Return the patterns without repetitions, sorted.

    Raises:
        InvalidInputError: there is none, too many, or one of another form.
    """
    kept = sorted(set(patterns))
    if not 0 < len(kept) <= MOST_PATTERNS:
        raise _invalid(f"name 1 to {MOST_PATTERNS} kinds of events")
    for pattern in kept:
        if len(pattern) > LONGEST_PATTERN or PATTERN.fullmatch(pattern) is None:
            raise _invalid(
                f"{pattern[:80]!r} is no kind of event such as alias.moved, upgrade.*, *"
            )
    return kept


def matches(kind: str, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns is the kind, or the kind begins with one that ends in ``*``."""
    return any(
        kind.startswith(pattern[:-1]) if pattern.endswith("*") else kind == pattern
        for pattern in patterns
    )


def _invalid(detail: str) -> InvalidInputError:
    return InvalidInputError(detail, code="invalid_event_filter")
