"""What a policy document may say."""

import copy

import pytest

from compat.errors import PolicyError
from compat.policy import DEFAULTS, Basis, Task, parse_policy


def a_document(**changes):
    return {**copy.deepcopy(DEFAULTS[Task.CLASSIFICATION]), **changes}


@pytest.mark.parametrize("task", list(Task))
def test_the_documented_defaults_are_policies(task):
    policy = parse_policy(DEFAULTS[task])

    assert policy.task is task
    assert all(rule.basis is Basis.BOUND for rule in policy.rules)
    assert any(not rule.advisory for rule in policy.first_version)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"task": "regression"}, "task"),
        ({"confidence": 0.93}, "confidence"),
        ({"confidence": True}, "confidence"),
        ({"rules": []}, "rules"),
        ({"rules": "none"}, "rules"),
        ({"surprise": 1}, ""),
        ({"rules": [{"name": "x"}]}, "rules[0]"),
        ({"coverage": {"measure": "map", "margin": -1}}, "coverage.margin"),
        ({"coverage": {"measure": "map", "margin": float("nan")}}, "coverage.margin"),
    ],
)
def test_a_wrong_document_is_refused_with_the_place(changes, path):
    with pytest.raises(PolicyError) as refusal:
        parse_policy(a_document(**changes))

    assert refusal.value.path == path


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", ""),
        ("measurement", 3),
        ("bound", "below"),
        ("threshold", "1"),
        ("threshold", float("inf")),
        ("threshold", True),
        ("min_support", 0),
        ("min_support", 1.5),
        ("advisory", "yes"),
        ("basis", "guess"),
        ("slices", "ink=light"),
        ("slices", ["ink"]),
        ("slices", ["ink="]),
        ("slices", [3]),
    ],
)
def test_a_wrong_rule_is_refused_with_the_place(key, value):
    document = a_document()
    document["rules"][1][key] = value

    with pytest.raises(PolicyError) as refusal:
        parse_policy(document)

    assert refusal.value.path == f"rules[1].{key}"


def test_a_policy_in_which_nothing_blocks_is_refused():
    document = a_document()
    for rule in document["rules"]:
        rule["advisory"] = True

    with pytest.raises(PolicyError, match="at least one rule must block"):
        parse_policy(document)


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"threshold": 1.0}, True),
        ({"threshold": 0.99}, False),
        ({"bound": "at_least", "threshold": 0.0}, True),
        ({"bound": "above", "threshold": 0.0}, False),
        ({"measurement": "a_minus_b", "bound": "at_least", "threshold": -1.0}, True),
        ({"measurement": "a_minus_b", "bound": "at_least", "threshold": -0.9}, False),
    ],
)
def test_a_policy_that_cannot_fail_anything_is_refused(changes, refused):
    document = a_document()
    document["rules"] = [{**document["rules"][0], **changes}]

    if refused:
        with pytest.raises(PolicyError, match="no rule can fail"):
            parse_policy(document)
    else:
        assert parse_policy(document)


def test_two_rules_of_one_name_are_refused():
    document = a_document()
    document["rules"].append(copy.deepcopy(document["rules"][0]))

    with pytest.raises(PolicyError, match="same name"):
        parse_policy(document)


def test_a_policy_for_embeddings_says_when_a_gallery_is_covered():
    document = copy.deepcopy(DEFAULTS[Task.EMBEDDING])
    del document["coverage"]

    with pytest.raises(PolicyError) as refusal:
        parse_policy(document)

    assert refusal.value.path == "coverage"


@pytest.mark.parametrize("document", [None, [], "policy", 3, {}])
def test_what_is_no_object_is_refused(document):
    with pytest.raises(PolicyError):
        parse_policy(document)
