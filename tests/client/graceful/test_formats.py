"""Reports for CI systems: well-formed, escaped, and nothing that is not a pass looks like one."""

import json
import re
from xml.etree import ElementTree

import pytest
from graceful.formats import Format, render
from graceful.standing import Standing
from jsonschema import Draft202012Validator

from tests.builders.reports import a_line, a_report

NOT_PASSED = [standing for standing in Standing if standing is not Standing.PASSED]
HOSTILE = "a%b\r\n::error::c,d:e|f <b>&\"'\x00\x1b[31m`*_]\U0001f600"


def cases(report):
    root = ElementTree.fromstring(render(report, Format.JUNIT))
    return root, {
        (case.get("classname"), case.get("name")): [child.tag for child in case]
        for case in root.iter("testcase")
    }


def a_mixed_report():
    return a_report(
        Standing.FAILED,
        a_line(),
        a_line(rule="accuracy kept", outcome="failed"),
        a_line(rule="accuracy kept", judged_on="digits:2", outcome="inconclusive"),
        a_line(rule="null test", judged_on="digits:2", outcome="errored", value=None),
        a_line(rule="first hit", outcome="failed", advisory=True),
    )


def test_junit_tells_failures_from_errors_and_shows_advisory_rules_as_skipped():
    root, found = cases(a_mixed_report())

    assert found == {
        ("digits:1", "negative flips"): ["system-out"],
        ("digits:1", "accuracy kept"): ["system-out", "failure"],
        ("digits:1", "first hit"): ["system-out", "skipped"],
        ("digits:2", "accuracy kept"): ["system-out", "error"],
        ("digits:2", "null test"): ["system-out", "error"],
        ("digits@production", "verdict"): ["system-out", "failure"],
    }
    assert root.tag == "testsuites"
    counted = {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")}
    assert counted == {"tests": "6", "failures": "2", "errors": "2", "skipped": "1"}
    assert [suite.get("tests") for suite in root] == ["3", "2", "1"]


@pytest.mark.parametrize("standing", NOT_PASSED)
def test_junit_is_red_whenever_the_gate_is_not_open(standing):
    root, _ = cases(a_report(standing))

    assert int(root.get("failures")) + int(root.get("errors")) > 0


def test_junit_of_a_pass_is_green():
    root, _ = cases(a_report())

    assert (root.get("failures"), root.get("errors"), root.get("tests")) == ("0", "0", "2")


def test_junit_holds_whatever_a_rule_is_called():
    _, found = cases(a_report(Standing.FAILED, a_line(rule=HOSTILE, outcome="failed")))

    named = next(name for _, name in found if name != "verdict")
    assert "::error::c,d:e|f <b>&\"'" in named
    assert "\x00" not in named


TEXT = {
    "type": "object",
    "required": ["text"],
    "properties": {"text": {"type": "string", "minLength": 1}},
    "additionalProperties": False,
}
SARIF = {
    "type": "object",
    "required": ["$schema", "version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "pattern": "sarif-schema-2\\.1\\.0\\.json$"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "additionalProperties": False,
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "additionalProperties": False,
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "additionalProperties": False,
                                "properties": {
                                    "name": {"type": "string", "minLength": 1},
                                    "version": {"type": "string"},
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "type": "object",
                                            "required": ["id"],
                                            "additionalProperties": False,
                                            "properties": {
                                                "id": {"type": "string"},
                                                "shortDescription": TEXT,
                                            },
                                        },
                                    },
                                },
                            }
                        },
                    },
                    "automationDetails": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {"id": {"type": "string"}},
                    },
                    "invocations": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["executionSuccessful"],
                            "properties": {"executionSuccessful": {"type": "boolean"}},
                            "additionalProperties": False,
                        },
                    },
                    "properties": {"type": "object"},
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["message"],
                            "additionalProperties": False,
                            "properties": {
                                "ruleId": {"type": "string"},
                                "kind": {
                                    "enum": [
                                        "notApplicable",
                                        "pass",
                                        "fail",
                                        "review",
                                        "open",
                                        "informational",
                                    ]
                                },
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": TEXT,
                                "partialFingerprints": {
                                    "type": "object",
                                    "additionalProperties": {"type": "string"},
                                },
                                "properties": {"type": "object"},
                                "locations": {
                                    "type": "array",
                                    "items": {
                                        "type": "object",
                                        "additionalProperties": False,
                                        "properties": {
                                            "physicalLocation": {
                                                "type": "object",
                                                "required": ["artifactLocation"],
                                                "additionalProperties": False,
                                                "properties": {
                                                    "artifactLocation": {
                                                        "type": "object",
                                                        "additionalProperties": False,
                                                        "properties": {
                                                            "uri": {
                                                                "type": "string",
                                                                "pattern": "^[A-Za-z0-9_/.-]+$",
                                                            }
                                                        },
                                                    },
                                                    "region": {
                                                        "type": "object",
                                                        "additionalProperties": False,
                                                        "properties": {
                                                            "startLine": {
                                                                "type": "integer",
                                                                "minimum": 1,
                                                            }
                                                        },
                                                    },
                                                },
                                            },
                                            "logicalLocations": {
                                                "type": "array",
                                                "items": {
                                                    "type": "object",
                                                    "additionalProperties": False,
                                                    "properties": {
                                                        "fullyQualifiedName": {"type": "string"},
                                                        "kind": {"type": "string"},
                                                    },
                                                },
                                            },
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}
"""The parts of SARIF 2.1.0 that a report uses, closed: anything else is a mistake."""


def sarif(report):
    log = json.loads(render(report, Format.SARIF))
    Draft202012Validator.check_schema(SARIF)
    Draft202012Validator(SARIF).validate(log)
    return log["runs"][0]


def test_sarif_has_a_result_for_every_rule_that_does_not_hold_and_one_for_the_verdict():
    run = sarif(a_mixed_report())

    assert [(r["ruleId"], r["level"], r["kind"]) for r in run["results"]] == [
        ("accuracy-kept", "error", "fail"),
        ("accuracy-kept", "error", "fail"),
        ("null-test", "error", "fail"),
        ("first-hit", "note", "fail"),
        ("verdict", "error", "fail"),
    ]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert {r["ruleId"] for r in run["results"]} <= set(rules)
    assert len(set(rules)) == len(rules)
    prints = [tuple(r["partialFingerprints"].values()) for r in run["results"]]
    assert len(set(prints)) == len(prints)


@pytest.mark.parametrize("standing", NOT_PASSED)
def test_sarif_has_an_error_whenever_the_gate_is_not_open(standing):
    assert "error" in {result["level"] for result in sarif(a_report(standing))["results"]}


def test_sarif_of_a_pass_has_no_result():
    assert sarif(a_report())["results"] == []


def test_sarif_holds_whatever_a_rule_is_called():
    sarif(a_report(Standing.FAILED, a_line(rule=HOSTILE, judged_on=HOSTILE, outcome="failed")))
    sarif(a_report(Standing.FAILED, a_line(rule="\u2603", outcome="failed")))


def annotations(report):
    """Read the commands as the runner does."""
    found = []
    for line in render(report, Format.GITHUB).split("\n"):
        match = re.fullmatch(r"::(\w+) title=([^:,\r]*)::([^\r]*)", line)
        assert match, line
        found.append((match[1], unescape(match[2]), unescape(match[3])))
    return found


def unescape(text):
    for code, plain in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(code, plain)
    return text


def test_github_gets_one_annotation_a_rule_that_does_not_hold_and_one_for_the_verdict():
    found = [(level, title) for level, title, _ in annotations(a_mixed_report())]

    assert found == [
        ("error", "failed: accuracy kept"),
        ("error", "inconclusive: accuracy kept"),
        ("error", "errored: null test"),
        ("warning", "failed: first hit"),
        ("error", "gate failed"),
    ]


def test_a_rule_cannot_smuggle_a_command_into_the_log():
    report = a_report(
        Standing.FAILED, a_line(rule=HOSTILE, reason=HOSTILE, judged_on="", outcome="failed")
    )

    first, verdict = annotations(report)

    assert first == ("error", f"failed: {HOSTILE}", HOSTILE)
    assert verdict[0] == "error"


@pytest.mark.parametrize("standing", NOT_PASSED)
def test_github_shows_an_error_whenever_the_gate_is_not_open(standing):
    assert annotations(a_report(standing))[-1][:2] == ("error", f"gate {standing}")


def test_github_notices_a_pass():
    assert [level for level, _, _ in annotations(a_report())] == ["notice"]


def test_markdown_is_a_table_with_one_row_a_rule():
    text = render(a_mixed_report(), Format.MARKDOWN)
    first, _, *table = text.split("\n")

    assert first.startswith("**failed**: digits:3 for digits@production")
    assert first.endswith("([upgrade 12](<https://registry.example/upgrades/12/>))")
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in table} == {9}
    assert len(table) == 2 + 5
    assert "**failed**" in table[3]
    assert "**" not in table[2]


def test_markdown_takes_nothing_from_a_rule_as_markup():
    from markdown_it import MarkdownIt

    plain = 'a|b <script>x</script> [l](http://e.example) `c` **d** _e_ ~~f~~ &amp; # g "h"'
    report = a_report(Standing.FAILED, a_line(rule=plain, reason="r\n\n# s", outcome="failed"))

    html = (
        MarkdownIt("commonmark", {"html": True})
        .enable("table")
        .render(render(report, Format.MARKDOWN))
    )

    assert html.count("<tr>") == 2
    assert "<script>" not in html
    assert "<h1>" not in html
    assert "e.example" in html
    assert 'href="http://e' not in html
    assert "&amp;amp; # g" in html


def test_json_says_everything_and_the_exit_code():
    report = a_mixed_report()

    document = json.loads(render(report, Format.JSON))

    assert (document["standing"], document["exit_code"]) == ("failed", 1)
    assert [line["rule"] for line in document["lines"]] == [line.rule for line in report.lines]
    assert document["lines"][0]["upper"] == 0.009


def test_the_table_shows_each_rule_on_one_line_and_lets_nothing_move_the_cursor():
    report = a_report(Standing.FAILED, a_line(), a_line(rule=HOSTILE, outcome="failed"))

    text = render(report, Format.TABLE)

    assert len(text.split("\n")) == 3 + 1 + 1 + 2
    assert all(c.isprintable() or c == "\n" for c in text)
    assert "1 of 2 rules stand against it" in text


def test_the_table_shows_the_work_while_there_is_no_verdict():
    step = {
        "work": "outputs",
        "evaluation_set": "digits:1",
        "version": "digits:3",
        "state": "running",
        "progress_done": 30,
        "progress_total": 120,
        "error": None,
    }

    text = render(a_report(Standing.PENDING, steps=(step,)), Format.TABLE)

    assert "is pending" in text
    assert "30/120" in text


@pytest.mark.parametrize("form", list(Format))
def test_every_format_names_the_rules_that_are_waived_and_only_those(form):
    waived = a_report(Standing.FAILED, waived_rules=("accuracy kept", "first hit"))

    text = render(waived, form)

    assert "accuracy kept" in text
    assert "first hit" in text
    assert "waive" not in render(a_report(Standing.FAILED), form).replace(
        '"waived_rules": []', ""
    ).replace('"waivedRules": []', "")


def test_a_waiver_hides_nothing_from_the_formats():
    rule = a_line(outcome="failed")
    plain = a_report(Standing.FAILED, rule)
    waived = a_report(Standing.FAILED, rule, waived_rules=(rule.rule, HOSTILE))

    assert sarif(waived)["results"] == sarif(plain)["results"]
    assert sarif(waived)["properties"]["waivedRules"] == [rule.rule, HOSTILE]
    assert cases(waived)[1] == cases(plain)[1]
    told = annotations(waived)
    assert [level for level, _, _ in told] == ["error", "notice", "error"]
    assert told[1][2].endswith(HOSTILE)
    assert len(render(waived, Format.TABLE).split("\n")) == 1 + len(
        render(plain, Format.TABLE).split("\n")
    )
    named = [p.get("value") for p in cases(waived)[0].iter("property")]
    assert named[0] == rule.rule
    assert "<b>&" in named[1]


@pytest.mark.parametrize("form", list(Format))
def test_every_format_says_why_outputs_could_not_be_judged(form):
    report = a_report(
        Standing.ERRORED,
        candidate="my outputs#1?.npz",
        kind="check",
        upgrade=0,
        check=12,
        error="ids\u2011missing: 3 ids",
    )

    assert "missing: 3 ids" in render(report, form)
    assert "upgrade 0" not in render(report, form)


def test_sarif_names_a_file_by_an_address():
    log = json.loads(render(a_report(Standing.FAILED, candidate="my #1?.npz"), Format.SARIF))

    (location,) = log["runs"][0]["results"][0]["locations"]
    uri = location["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "models/my%20%231%3F.npz"


@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize("standing", list(Standing))
def test_every_format_names_the_standing(form, standing):
    assert str(standing) in render(a_report(standing), form)
