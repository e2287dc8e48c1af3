"""What a policy document may say."""

import copy

import pytest

from compat.errors import PolicyError
from compat.policy import Basis, Level, Task
from compat.policy_defaults import DEFAULTS
from compat.policy_documents import merge, parse_layer, parse_policy


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


@pytest.mark.parametrize(
    ("key", "value", "path"),
    [
        ("level", "sideways", "level"),
        ("promotions", 0, "promotions"),
        ("promotions", 101, "promotions"),
        ("severity", {}, "severity"),
        ("severity", {"7": -1}, "severity.7"),
        ("severity", {"7": "x"}, "severity.7"),
        ("cut_off", "high", "cut_off"),
    ],
)
def test_a_wrong_part_is_refused_with_the_place(key, value, path):
    with pytest.raises(PolicyError) as refusal:
        parse_policy(a_document(**{key: value}))

    assert refusal.value.path == path


def test_a_policy_of_level_none_needs_no_blocking_rule_and_says_so_itself():
    rules = [{**rule, "advisory": True} for rule in a_document()["rules"]]

    assert parse_policy(a_document(rules=rules, level="none")).level is Level.NONE


def test_a_transitive_level_without_a_cumulative_budget_is_refused():
    rules = [r for r in a_document()["rules"] if r["name"] != "cumulative flips"]

    with pytest.raises(PolicyError, match="cumulative flips"):
        parse_policy(a_document(rules=rules, level="full_transitive"))
    assert parse_policy(a_document(level="full_transitive")).asks_for_chain


def test_what_is_measured_on_demand_follows_from_the_policy():
    document = a_document(severity={"7": 5}, cut_off=0.8)
    document["rules"][0]["slices"] = ["ink=*&class=7", "class=*", "ink=light", "*"]
    document["rules"].append(
        {"name": "speed", "measurement": "latency_ratio", "bound": "at_most", "threshold": 1.5}
    )

    assert parse_policy(document).asks == {
        "crossed": [["class"], ["class", "ink"]],
        "severity": {"7": 5.0},
        "cut_off": 0.8,
        "cost": True,
    }
    assert parse_policy(a_document()).asks == {}


LAYER = {"task": "classification", "inherits": True}


def test_a_layer_replaces_adds_and_takes_away_rules_and_says_where_each_is_from():
    stricter = {**a_document()["rules"][0], "threshold": 0.005}
    extra = {**stricter, "name": "pinned", "slices": ["pinned=true"]}
    layer = {**LAYER, "rules": [stricter, extra], "without": ["accuracy kept"], "level": "full"}

    found = merge([("everything", a_document()), ("model digits", layer)])

    policy = parse_policy(found.document)
    assert [r.name for r in policy.rules][:2] == ["negative flips", "classes kept"]
    assert policy.rules[0].threshold == 0.005
    assert policy.level is Level.FULL
    assert found.origins["rules/negative flips"] == "model digits"
    assert found.origins["rules/pinned"] == "model digits"
    assert found.origins["rules/classes kept"] == "everything"
    assert found.origins["level"] == "model digits"
    assert found.origins["confidence"] == "everything"
    assert "rules/accuracy kept" not in found.origins


def test_a_document_that_inherits_nothing_hides_what_is_wider():
    alone = a_document(confidence=0.99)

    found = merge([("everything", a_document()), ("model", LAYER), ("alias", alone)])

    assert found.document == alone
    assert set(found.origins.values()) == {"alias"}


def test_an_explicit_none_wins_over_every_wider_level():
    wide = a_document(level="full_transitive")

    found = merge([("everything", wide), ("alias", {**LAYER, "level": "none"})])

    assert parse_policy(found.document).level is Level.NONE


def test_merging_changes_no_document():
    wide, layer = a_document(), {**LAYER, "without": ["accuracy kept"]}
    before = copy.deepcopy((wide, layer))

    merge([("everything", wide), ("alias", layer)])

    assert (wide, layer) == before


@pytest.mark.parametrize(
    ("layers", "path"),
    [
        ([], ""),
        ([LAYER], "inherits"),
        ([DEFAULTS[Task.EMBEDDING], LAYER], "task"),
        ([DEFAULTS[Task.CLASSIFICATION], {**LAYER, "without": ["gone"]}], "without[0]"),
    ],
)
def test_what_cannot_be_merged_is_refused(layers, path):
    with pytest.raises(PolicyError) as refusal:
        merge([(str(i), document) for i, document in enumerate(layers)])

    assert refusal.value.path == path


@pytest.mark.parametrize(
    ("layer", "path"),
    [
        ({**LAYER, "inherits": False}, "inherits"),
        ({**LAYER, "surprise": 1}, ""),
        ({**LAYER, "without": "x"}, "without"),
        ({**LAYER, "without": [3]}, "without[0]"),
        ({**LAYER, "rules": [{"name": "x"}]}, "rules[0]"),
        ({**LAYER, "level": "up"}, "level"),
    ],
)
def test_a_wrong_layer_is_refused_with_the_place(layer, path):
    with pytest.raises(PolicyError) as refusal:
        parse_layer(layer)

    assert refusal.value.path == path


def test_a_layer_that_only_sets_a_level_is_one():
    assert parse_layer({**LAYER, "level": "none"}) is Task.CLASSIFICATION
