"""A report for people: the sentence, then one line a rule."""

from graceful.answers import Step
from graceful.report import Line, Report
from graceful.text import Row, columns, interval, printable

HEAD = ("outcome", "rule", "on", "value", "interval", "asked", "samples", "reason")


def table(report: Report) -> str:
    """Return the report as a table."""
    parts = [printable(report.sentence)]
    if report.policy:
        parts.append(printable(f"policy {report.policy}, {report.kind}"))
    parts.append(printable(report.url))
    if report.exceptions:
        parts.append(printable(report.exceptions))
    if report.lines:
        parts += ["", columns(HEAD, [_row(line) for line in report.lines])]
    if report.steps:
        head = ("work", "version", "on", "state", "done")
        parts += ["", columns(head, [_step(step) for step in report.steps])]
    return "\n".join(parts)


def _row(line: Line) -> Row:
    outcome = f"{line.outcome} (advisory)" if line.advisory else line.outcome
    return (
        outcome,
        line.name,
        line.judged_on,
        line.value,
        interval(line.lower, line.upper),
        line.asked,
        line.support,
        line.reason,
    )


def _step(step: Step) -> Row:
    done = f"{step['progress_done']}/{step['progress_total']}" if step["progress_total"] else "-"
    return (step["work"], step["version"], step["evaluation_set"], step["state"], done)
