"""A report as Markdown, for job summaries and comments."""

import re

from graceful.report import Line, Report
from graceful.text import interval, printable

HEAD = "| outcome | rule | on | value | interval | asked | samples | reason |"
SPECIAL = re.compile(r"([\\`*_{}\[\]()<>!|~&])")


def markdown(report: Report) -> str:
    """Return the report as Markdown."""
    link = f"[{report.subject}](<{report.url}>)"
    parts = [f"**{_plain(report.standing)}**: {_plain(report.sentence)} ({link})"]
    if report.exceptions:
        parts += ["", _plain(report.exceptions)]
    if report.lines:
        parts += ["", HEAD, "|" + "---|" * 8, *(_row(line) for line in report.lines)]
    return "\n".join(parts)


def _row(line: Line) -> str:
    outcome = f"{line.outcome} (advisory)" if line.advisory else line.outcome
    value = "-" if line.value is None else f"{line.value:.4g}"
    cells = (
        f"**{_plain(outcome)}**" if line.blocks else _plain(outcome),
        _plain(line.name),
        _plain(line.judged_on),
        _plain(value),
        _plain(interval(line.lower, line.upper)),
        _plain(line.asked),
        _plain(str(line.support)),
        _plain(line.reason),
    )
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Return text that Markdown and HTML take as it is, on one line."""
    return SPECIAL.sub(r"\\\1", printable(text))
