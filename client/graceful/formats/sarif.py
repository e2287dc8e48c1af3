"""A report as SARIF 2.1.0, for code scanning: one result a rule that does not hold.

What is inconclusive or errored has the kind ``fail``, as what failed: another kind would hide it.
Advisory rules are notes. The verdict itself is a result whenever it does not open the gate.
What is waived stays a result: as a suppressed one it would look solved.
"""

import hashlib
import json
from typing import Any
from urllib.parse import quote

from graceful.report import Line, Report
from graceful.standing import Standing
from graceful.version import VERSION

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
VERDICT = "verdict"


def sarif(report: Report) -> str:
    """Return the report as a SARIF log."""
    lines = [line for line in report.lines if not line.holds]
    results = [_result(report, _id(line), _level(line), _message(line), line) for line in lines]
    if report.standing is not Standing.PASSED:
        sentence = f"{report.sentence}; {report.url}"
        results.append(_result(report, VERDICT, "error", sentence, None))
    run = {
        "tool": {"driver": _driver(report)},
        "automationDetails": {"id": f"graceful/{report.alias}/"},
        "invocations": [{"executionSuccessful": report.standing is not Standing.ERRORED}],
        "results": results,
        "properties": {
            "standing": report.standing.value,
            "url": report.url,
            "waivedRules": list(report.waived_rules),
        },
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _driver(report: Report) -> dict[str, Any]:
    rules = {_id(line): line.rule for line in report.lines} | {VERDICT: "the verdict of the gate"}
    return {
        "name": "graceful",
        "version": VERSION,
        "rules": [
            {"id": identity, "shortDescription": {"text": text}} for identity, text in rules.items()
        ],
    }


def _result(
    report: Report, rule: str, level: str, message: str, line: Line | None
) -> dict[str, Any]:
    about = [report.alias, report.candidate, rule]
    result: dict[str, Any] = {
        "ruleId": rule,
        "kind": "fail",
        "level": level,
        "message": {"text": message},
        "locations": [_location(report, line)],
    }
    if line is not None:
        about += [line.judged_on, line.producer]
        result["properties"] = {
            "outcome": line.outcome,
            "measurement": line.measurement,
            "value": line.value,
            "lower": line.lower,
            "upper": line.upper,
            "asked": line.asked,
            "support": line.support,
        }
    digest = hashlib.sha256("\n".join(about).encode()).hexdigest()
    return result | {"partialFingerprints": {"gracefulResult/v1": digest}}


def _location(report: Report, line: Line | None) -> dict[str, Any]:
    """Return where a result lies; code scanning takes none without a path."""
    parts = [report.alias, line.judged_on] if line and line.judged_on else [report.alias]
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": "models/" + quote(report.candidate.replace(":", "/"))},
            "region": {"startLine": 1},
        },
        "logicalLocations": [{"fullyQualifiedName": "/".join(parts), "kind": "resource"}],
    }


def _id(line: Line) -> str:
    """Return the rule as an id of plain words."""
    words = "".join(c if c.isascii() and c.isalnum() else " " for c in line.rule.lower()).split()
    return "-".join(words) or "rule"


def _level(line: Line) -> str:
    return "note" if line.advisory else "error"


def _message(line: Line) -> str:
    numbers = f" ({line.measurement} {line.value:.4g})" if line.value is not None else ""
    where = f" on {line.judged_on}" if line.judged_on else ""
    return f"{line.outcome}: {line.name}{where}: {line.reason}{numbers}"
