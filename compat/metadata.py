"""What is known of an item beside its vector: flat, so that every engine compares it alike."""

import re
from collections.abc import Mapping
from typing import Any

KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
"""Names of metadata: dots and brackets are paths to some engines, so there are none."""

MOST_KEYS = 32
LONGEST_VALUE = 1000
LARGEST_NUMBER = 2**53
"""Beyond, JSON numbers are no longer exact everywhere."""


def fault_of(metadata: Any) -> str:
    """Return what is wrong with metadata or a filter, or nothing."""
    if not isinstance(metadata, Mapping) or len(metadata) > MOST_KEYS:
        return f"an object of at most {MOST_KEYS} names"
    for key, value in metadata.items():
        if not isinstance(key, str) or not KEY.fullmatch(key):
            return f"{str(key)[:60]!r}: a name has letters, digits and underscores, at most 64"
        if not _is_scalar(value):
            return f"{key}: a value is a string, a whole number, true or false, within bounds"
    return ""


def equals(metadata: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Tell whether metadata have all that a filter asks for; a truth is no number."""
    return all(
        type(metadata.get(key)) is type(value) and metadata[key] == value
        for key, value in where.items()
    )


def _is_scalar(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_VALUE and "\0" not in value and _is_text(value)
    return isinstance(value, bool) or (
        isinstance(value, int) and -LARGEST_NUMBER <= value <= LARGEST_NUMBER
    )


def _is_text(value: str) -> bool:
    """Whether it can be written down: half a surrogate pair cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
