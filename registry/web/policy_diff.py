"""What changed from one text to another, line by line."""

from dataclasses import dataclass
from difflib import unified_diff


@dataclass(frozen=True)
class ChangedLine:
    """One line of a difference: added, removed, kept, or where it is."""

    kind: str
    text: str


_KINDS = {"+": "added", "-": "removed", " ": "kept", "@": "where"}


def changed_lines(before: str, after: str) -> list[ChangedLine]:
    """Return the lines that differ, each with two around it; nothing where none does."""
    lines = unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2)
    return [ChangedLine(_KINDS[line[0]], line) for line in list(lines)[2:]]
