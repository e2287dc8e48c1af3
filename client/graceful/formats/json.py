"""A report for programs."""

import json
from dataclasses import asdict

from graceful.report import Report
from graceful.standing import EXIT


def as_json(report: Report) -> str:
    """Return the report as a JSON object."""
    return json.dumps(as_document(report), indent=2, sort_keys=True)


def as_document(report: Report) -> dict[str, object]:
    """Return the report as plain data, with the exit code that goes with it."""
    return {**asdict(report), "exit_code": EXIT[report.standing], "sentence": report.sentence}
