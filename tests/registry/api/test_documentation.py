"""``docs/api.md`` says what the code does."""

import re

from registry.api.codes import CODES
from registry.api.urls import urlpatterns
from tests.processes import ROOT


def addresses() -> list[str]:
    """Return the table of every operation: method, address, scope, what it does."""
    rows = ["| method | address | scope | |", "|---|---|---|---|"]
    for pattern in urlpatterns:
        path = re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern))
        operations = getattr(getattr(pattern.callback, "cls", None), "operations", {})
        for method, operation in operations.items():
            does = operation.__doc__.strip().partition("\n")[0]
            rows.append(f"| {method.upper()} | `{path}` | {operation.scope or 'none'} | {does} |")
    return rows


def codes() -> list[str]:
    """Return the table of every code: status, meaning."""
    rows = ["| code | status | meaning |", "|---|---|---|"]
    for code, (statuses, meaning) in CODES.items():
        rows.append(f"| `{code}` | {', '.join(map(str, statuses))} | {meaning} |")
    return rows


def rows_under(heading: str) -> list[str]:
    """Return the table rows of one section of the page."""
    page = (ROOT / "docs" / "api.md").read_text()
    section = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("|")]


def test_the_page_has_every_address():
    assert sorted(rows_under("Addresses")) == sorted(addresses())


def test_the_page_has_every_code():
    assert sorted(rows_under("Codes")) == sorted(codes())
