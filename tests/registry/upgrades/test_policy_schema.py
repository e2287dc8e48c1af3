"""The published schema and the policy's own reader agree, but for what no schema can say."""

import copy

import pytest
from jsonschema import Draft202012Validator

from compat.errors import PolicyError
from compat.measurement import LEVELS
from compat.policy import Across, Basis, Bound, Correction, Level, Promise, Task
from compat.policy_defaults import DEFAULTS
from compat.policy_documents import OPTIONAL, parse_layer, parse_policy
from registry.upgrades.policy_problems import (
    InvalidPolicyError,
    require_policy,
    schema,
    schema_problems,
)
from tests.compat import test_policy_documents as reader
from tests.compat.test_policy_documents import LAYER, a_document

DEFINED = schema()["$defs"]


def cases_of(test):
    """Return what a test of the reader is run with."""
    [mark] = [mark for mark in test.pytestmark if mark.name == "parametrize"]
    return mark.args[1]


def with_rule(**changes):
    document = a_document()
    document["rules"][1] |= changes
    return document


def refused_documents():
    """Yield every document that a test of the reader has it refuse."""
    for changes, _ in cases_of(reader.test_a_wrong_document_is_refused_with_the_place):
        yield a_document(**changes)
    for key, value in cases_of(reader.test_a_wrong_rule_is_refused_with_the_place):
        yield with_rule(**{key: value})
    for key, value, _ in cases_of(reader.test_a_wrong_part_is_refused_with_the_place):
        yield a_document(**{key: value})
    for layer, _ in cases_of(reader.test_a_wrong_layer_is_refused_with_the_place):
        yield layer
    yield from cases_of(reader.test_what_is_no_object_is_refused)
    yield {k: v for k, v in DEFAULTS[Task.EMBEDDING].items() if k != "coverage"}
    yield with_rule(across="any")
    yield with_rule(across="any", slices=["a=*"])
    yield with_rule(across="any", advisory=True)
    yield with_rule(measurement="cumulative_nfr", promise="backward")
    yield a_document(first_version=[])
    yield a_document(level="full_transitive", rules=[])


def is_beyond(document):
    """Whether no schema can refuse a document: NaN is no JSON, and bounds do not hold it."""
    coverage = document.get("coverage") if isinstance(document, dict) else None
    return bool(coverage) and coverage["margin"] != coverage["margin"]


def reads(document):
    try:
        if isinstance(document, dict) and "inherits" in document:
            parse_layer(document)
        else:
            parse_policy(document)
    except PolicyError:
        return False
    return True


def test_the_schema_is_one():
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("document", DEFAULTS.values(), ids=DEFAULTS)
def test_every_default_holds_to_the_schema(document):
    assert schema_problems(document) == []


@pytest.mark.parametrize("document", list(refused_documents()))
def test_what_the_reader_refuses_the_schema_refuses_too(document):
    assert not reads(document)
    assert bool(schema_problems(document)) != is_beyond(document)
    with pytest.raises(InvalidPolicyError):
        require_policy(document)


TWO_OF_A_NAME = a_document(rules=[*DEFAULTS[Task.CLASSIFICATION]["rules"]] * 2)

BEYOND = {
    "two rules of a name": TWO_OF_A_NAME,
    "a column twice in a slice": with_rule(slices=["a=1&a=2"]),
    "nothing can fail": a_document(rules=[{**a_document()["rules"][0], "threshold": 1}]),
    "nothing blocks": a_document(rules=[{**r, "advisory": True} for r in a_document()["rules"]]),
    "nothing blocks at this level": a_document(
        rules=[{**a_document()["rules"][0], "promise": "forward"}]
    ),
    "a chain without a budget": a_document(
        level="full_transitive", rules=a_document()["rules"][:2]
    ),
    "a whole number with a point": with_rule(min_support=300.0),
}
"""What a schema does not say; the reader does."""


@pytest.mark.parametrize("document", BEYOND.values(), ids=BEYOND)
def test_what_is_beyond_the_schema_is_listed_and_refused_by_the_reader(document):
    assert schema_problems(document) == []
    assert not reads(document)


def test_a_rule_that_a_planted_regression_would_not_fail_is_refused_last():
    document = with_rule(min_support=10**10)

    assert reads(document)
    with pytest.raises(InvalidPolicyError) as refusal:
        require_policy(document)
    assert refusal.value.problems[0].path == "rules[1]"


@pytest.mark.parametrize(
    "document",
    [
        a_document(severity={"7": 5}, cut_off=0.8, promotions=100, coverage=None),
        a_document(level="none", rules=[]),
        with_rule(slices=["*"], across="any", advisory=True, correction="benjamini_hochberg"),
        with_rule(slices=["ink=light&class=*", "a=b=c"], owner="", rationale="", promise="mixed"),
        with_rule(measurement="cumulative_nfr", promise="always", basis="estimate"),
        {**LAYER, "level": "none"},
        {**LAYER, "without": ["a"], "rules": [], "first_version": [], "coverage": None},
        {**LAYER, "task": "embedding", "confidence": 0.9},
    ],
)
def test_what_the_reader_takes_the_schema_takes_too(document):
    assert reads(document)
    assert schema_problems(document) == []


RULE = DEFINED["rule"]["properties"]


@pytest.mark.parametrize(
    ("listed", "kind"),
    [
        (DEFINED["task"], Task),
        (DEFINED["level"], Level),
        (RULE["bound"], Bound),
        (RULE["basis"], Basis),
        (RULE["across"], Across),
        (RULE["correction"], Correction),
        (RULE["promise"], Promise),
    ],
)
def test_lists_of_values_are_those_of_the_code(listed, kind):
    assert listed["enum"] == list(kind)


def test_levels_of_confidence_are_those_that_are_computed():
    assert tuple(DEFINED["confidence"]["enum"]) == LEVELS


def test_keys_are_those_of_the_code():
    whole, layer = DEFINED["policy"]["properties"], DEFINED["layer"]["properties"]

    assert set(whole) - set(DEFINED["policy"]["required"]) == OPTIONAL
    assert set(layer) - set(whole) == {"inherits", "without"}
    assert set(whole) < set(layer)


def test_defaults_are_those_of_the_code():
    only_needed = {key: a_document()["rules"][0][key] for key in DEFINED["rule"]["required"]}
    rule = parse_policy(a_document(rules=[only_needed])).rules[0]
    stated = {key: value["default"] for key, value in RULE.items() if "default" in value}

    assert stated == {key: getattr(rule, key) for key in stated}
    assert parse_policy(a_document()).promotions == DEFINED["promotions"]["default"]


def test_a_name_that_is_nearly_right_is_answered_with_the_right_one():
    document = a_document()
    document["rules"][0]["treshold"] = document["rules"][0].pop("threshold")

    told = {problem.path: problem.detail for problem in schema_problems(document)}

    assert told == {
        "rules[0]": "missing threshold",
        "rules[0].treshold": "is unknown; threshold is meant?",
    }


def test_a_heap_of_problems_is_told_in_part():
    document = a_document(rules=[{} for _ in range(5000)], **{f"k{i}": 1 for i in range(5000)})

    assert len(schema_problems(copy.deepcopy(document))) == 20
