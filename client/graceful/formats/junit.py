"""A report as JUnit XML: one suite an evaluation set, one case a rule, and the verdict itself.

A failed rule is a failure; what is inconclusive or errored is an error, never a skipped case,
since CI systems show skipped as good. Advisory rules that do not hold are skipped cases.
"""

import re
from collections.abc import Iterable
from itertools import groupby
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from graceful.report import Line, Report
from graceful.standing import Standing

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> str:
    """Return the report as JUnit XML."""
    root = Element("testsuites", name=_text(report.alias))
    for name, lines in groupby(sorted(report.lines, key=_suite), key=_suite):
        suite = SubElement(root, "testsuite", name=_text(name))
        for line in lines:
            _case(suite, line)
    verdict = SubElement(root, "testsuite", name="verdict")
    if report.waived_rules:
        properties = SubElement(verdict, "properties")
        for rule in report.waived_rules:
            SubElement(properties, "property", name="waived rule", value=_text(rule))
    case = SubElement(verdict, "testcase", classname=_text(report.alias), name="verdict")
    SubElement(case, "system-out").text = _text(report.sentence)
    if report.standing is not Standing.PASSED:
        kind = "failure" if report.standing is Standing.FAILED else "error"
        _result(case, kind, report.standing, f"{report.sentence}; {report.url}")
    for suite in root:
        _count(suite)
    _count(root)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode")


def _suite(line: Line) -> str:
    return line.judged_on or "no evaluation set"


def _case(suite: Element, line: Line) -> None:
    case = SubElement(suite, "testcase", classname=suite.get("name", ""), name=_text(line.name))
    SubElement(case, "system-out").text = _text(_numbers(line))
    if line.holds:
        return
    if line.advisory:
        SubElement(case, "skipped", message=_text(f"advisory, {line.outcome}: {line.reason}"))
        return
    kind = "failure" if line.outcome == "failed" else "error"
    _result(case, kind, line.outcome, line.reason)


def _result(case: Element, kind: str, outcome: str, message: str) -> None:
    SubElement(case, kind, type=_text(outcome), message=_text(f"{outcome}: {message}"))


def _count(element: Element) -> None:
    element.set("tests", _number(element.iter("testcase")))
    element.set("failures", _number(element.iter("failure")))
    element.set("errors", _number(element.iter("error")))
    element.set("skipped", _number(element.iter("skipped")))


def _number(elements: Iterable[Element]) -> str:
    return str(sum(1 for _ in elements))


def _numbers(line: Line) -> str:
    return (
        f"{line.measurement or line.rule}: value {line.value}, from {line.lower} to {line.upper}, "
        f"asked {line.asked or 'nothing'}, {line.support} samples"
    )


def _text(value: str) -> str:
    """Return text without the characters that XML cannot hold."""
    return NOT_XML.sub("\N{REPLACEMENT CHARACTER}", value)
