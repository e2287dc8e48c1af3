"""Every kind of rule that docs/gate.md lists can pass, fail, and be inconclusive."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from compat.measurement import Direction, proportion
from compat.policy import Level
from compat.policy_documents import parse_policy
from compat.verdict import Evidence, Outcome, assess
from tests.compat.test_verdict import a_mean, a_policy, evidence, results_of

DOCUMENT = Path(__file__).parents[2] / "docs/gate.md"


def a_rule(**asked):
    """Return a rule as it is written; a second one blocks, as a policy needs."""
    blocking = {"name": "other", "measurement": "nfr", "bound": "at_most", "threshold": 0.5}
    rules = [{"name": "flips", "bound": "at_most", **asked}, blocking]
    document = {"task": "classification", "confidence": 0.95, "rules": rules}
    return parse_policy(document | {"first_version": [blocking]}).rules[0]


def share(name, count, n=900, slice=""):
    return proportion(name, count, n, Direction.LOWER_IS_BETTER, slice=slice)


def mean(name, value, half=0.002):
    return a_mean(value, half, name=name, clusters=900, support=900)


def shares(name, *, slice=""):
    """No, far too many, and about as many as the budget of 1 % allows."""
    return [share(name, count, slice=slice) for count in (0, 90, 9)]


def means(name, good, bad, edge):
    return [mean(name, good), mean(name, bad), mean(name, edge)]


def exact(name, good, bad):
    """What is counted rather than sampled is inconclusive only where it was not measured."""
    return [mean(name, good, 0.0), mean(name, bad, 0.0), None]


KINDS = {
    "bound on a share": ({"measurement": "nfr", "threshold": 0.01}, shares("nfr")),
    "bound on a value": (
        {"measurement": "accuracy.new", "bound": "at_least", "threshold": 0.9},
        means("accuracy.new", 0.95, 0.8, 0.9),
    ),
    "non-inferiority margin": (
        {"measurement": "accuracy.new_minus_old", "bound": "at_least", "threshold": -0.005},
        means("accuracy.new_minus_old", 0.0, -0.05, -0.005),
    ),
    "retrieval criterion": (
        {"measurement": "map.new_old_minus_old_old", "bound": "above", "threshold": 0.0},
        means("map.new_old_minus_old_old", 0.05, -0.05, 0.0),
    ),
    "estimate alone": (
        {"measurement": "nfr", "threshold": 0.01, "basis": "estimate", "min_support": 300},
        [share("nfr", 9), share("nfr", 10), share("nfr", 0, 299)],
    ),
    "every slice": (
        {"measurement": "nfr", "threshold": 0.01, "slices": ["ink=*"]},
        shares("nfr", slice="ink=heavy"),
    ),
    "crossed slices": (
        {"measurement": "nfr", "threshold": 0.01, "slices": ["class=*&ink=*"]},
        shares("nfr", slice="class=7&ink=heavy"),
    ),
    "any slice (alert)": (
        {
            "measurement": "nfr",
            "threshold": 0.01,
            "slices": ["ink=*"],
            "across": "any",
            "advisory": True,
        },
        shares("nfr", slice="ink=heavy"),
    ),
    "pinned examples": (
        {
            "measurement": "nfr",
            "threshold": 0.0,
            "basis": "estimate",
            "slices": ["pinned=true"],
        },
        [share("nfr", 0, 20, "pinned=true"), share("nfr", 1, 20, "pinned=true"), None],
    ),
    "cumulative flip budget": (
        {"measurement": "cumulative_nfr", "threshold": 0.01},
        shares("cumulative_nfr"),
    ),
    "severity weights": (
        {"measurement": "severity_nfr", "threshold": 0.01},
        means("severity_nfr", 0.002, 0.05, 0.01),
    ),
    "threshold transfer, TAR": (
        {"measurement": "tar.new_old_minus_old_old", "bound": "at_least", "threshold": -0.01},
        means("tar.new_old_minus_old_old", 0.0, -0.1, -0.01),
    ),
    "threshold transfer, FAR": (
        {"measurement": "far.new_old_minus_old_old", "threshold": 0.001},
        means("far.new_old_minus_old_old", -0.01, 0.1, 0.001),
    ),
    "acceptance at the cut-off": (
        {"measurement": "acceptance.new_minus_old", "bound": "at_least", "threshold": -0.02},
        means("acceptance.new_minus_old", 0.0, -0.1, -0.02),
    ),
    "neighbour overlap": (
        {"measurement": "neighbour_overlap_at_10", "bound": "at_least", "threshold": 0.5},
        means("neighbour_overlap_at_10", 0.7, 0.3, 0.5),
    ),
    "latency ratio": (
        {"measurement": "latency_ratio", "threshold": 1.5},
        means("latency_ratio", 1.1, 2.0, 1.5),
    ),
    "size ratio": ({"measurement": "size_ratio", "threshold": 2.0}, exact("size_ratio", 1.5, 3.0)),
    "classes kept": ({"measurement": "classes_lost", "threshold": 0}, exact("classes_lost", 0, 2)),
    "score scale kept": (
        {"measurement": "top_score_shift", "threshold": 0.1},
        means("top_score_shift", 0.05, 0.2, 0.1),
    ),
    "mixed gallery": (
        {"measurement": "map.new_mixed50_minus_old_old", "bound": "at_least", "threshold": -0.01},
        means("map.new_mixed50_minus_old_old", 0.02, -0.1, -0.01),
    ),
}
EXPECTED = (Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE)


@pytest.mark.parametrize("expected", EXPECTED)
@pytest.mark.parametrize("kind", KINDS)
def test_a_rule_of_this_kind_can_pass_fail_and_be_inconclusive(kind, expected):
    asked, found = KINDS[kind]
    rule = a_rule(**asked)
    measured = found[EXPECTED.index(expected)]
    given = evidence(*filter(None, [measured, share("other", 0)]))

    verdict = assess(a_policy(rule), [given], first_version=False)

    assert {r.outcome for r in results_of(verdict)} == {expected}


def test_the_documentation_lists_every_kind():
    rows = re.findall(r"^\| \*\*(.+?)\*\* \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)

    assert rows == list(KINDS)


def test_an_earlier_version_is_held_against_by_the_same_rules():
    rule = a_rule(measurement="nfr", threshold=0.01, promise="backward")
    transitive = replace(a_policy(rule), level=Level.BACKWARD_TRANSITIVE)
    for found, expected in zip(shares("nfr"), EXPECTED, strict=True):
        earlier = Evidence("set:1", [found], null_test="", against="m:1")

        verdict = assess(transitive, [evidence(share("nfr", 0)), earlier], first_version=False)

        assert verdict.outcome is expected
