"""Long loops: CI runs a slice of each, ``make soak`` the full count, with the same code."""

import os

import pytest

FULL = os.environ.get("SOAK", "") == "1"
ROWS = pytest.StashKey[list[tuple[str, str, str]]]()


def rounds(*, ci: int, full: int) -> int:
    """Return how often a loop goes round in this run."""
    return full if FULL else ci


@pytest.fixture
def soak_row(request: pytest.FixtureRequest):
    """Return a function that adds a row to the table of ``make soak``."""
    rows = request.config.stash.setdefault(ROWS, [])

    def add(loop: str, count: str, result: str) -> None:
        rows.append((loop, count, result))

    return add


def print_rows(reporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table after a full run."""
    rows = config.stash.get(ROWS, [])
    if FULL and rows:
        reporter.section("soak")
        for row in [("loop", "count", "result"), ("---", "---", "---"), *rows]:
            reporter.write_line("| " + " | ".join(row) + " |")
