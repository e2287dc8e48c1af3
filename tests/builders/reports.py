"""Reports of the client; every default is a candidate that passed."""

from dataclasses import replace
from typing import Any

from graceful.report import Line, Report
from graceful.standing import Standing

GOOD = Line(
    rule="negative flips",
    judged_on="digits:1",
    producer="",
    outcome="passed",
    advisory=False,
    reason="nfr is 0.004, asked for at most 0.01",
    measurement="nfr",
    asked="at most 0.01",
    value=0.004,
    lower=0.001,
    upper=0.009,
    support=3500,
    settles_at=None,
)


def a_line(**changes: Any) -> Line:
    """Return how a rule came out."""
    return replace(GOOD, **changes)


def a_report(standing: Standing = Standing.PASSED, *lines: Line, **changes: Any) -> Report:
    """Return a report with the lines, or with one that agrees with the standing."""
    if not lines and standing in {Standing.PASSED, Standing.FAILED, Standing.INCONCLUSIVE}:
        lines = (a_line(outcome=str(standing)),)
    report = Report(
        standing=standing,
        state="judged",
        alias="digits@production",
        candidate="digits:3",
        incumbent="digits:1",
        policy="default-classification:1",
        kind="upgrade",
        upgrade=12,
        url="https://registry.example/upgrades/12/",
        lines=lines,
        steps=(),
    )
    return replace(report, **changes)
