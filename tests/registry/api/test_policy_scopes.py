"""Where policies are set, by the API; every refusal is in the ledger."""

import pytest

from registry.audit.models import LedgerEntry
from registry.catalog.models import RegisteredModel
from registry.upgrades.effective_policies import effective_policy
from registry.upgrades.models import PolicyChoice
from tests.builders import registry as make
from tests.registry.api.conftest import refusal

ALIAS = "models/digits/aliases/production"
LAYER = {"task": "classification", "inherits": True, "level": "full"}


@pytest.fixture
def alias(db):
    alias = make.an_alias(make.a_model("digits"))
    alias.model.group = "vision"
    alias.model.save()
    return alias


@pytest.fixture
def layer(api):
    """A revision that changes the level and inherits the rest."""
    return api.post("policies", name="full", document=LAYER).json()["policy"]


PLACES = {
    "policies/groups/classification/vision": "group vision",
    "models/digits/policy": "model digits",
}


@pytest.mark.parametrize(("path", "where"), PLACES.items())
def test_a_policy_is_set_for_a_scope_inherited_and_unset(api, alias, layer, path, where):
    done = api.send("PUT", path, {"policy": layer})
    effective = api.get(f"{ALIAS}/effective-policy").json()
    undone = api.send("DELETE", path)

    assert (done.status_code, done.json()["where"]) == (200, where)
    assert done.json()["policy"] == layer
    assert (effective["level"], effective["origins"]["level"]) == ("full", where)
    assert (undone.status_code, undone.json()["policy"]) == (200, None)
    assert api.get(f"{ALIAS}/effective-policy").json()["level"] == "backward"
    assert refusal(api.send("DELETE", path)) == (409, "policy_not_set")
    assert LedgerEntry.objects.last().body["refused"] == "policy_not_set"


def test_the_widest_policy_is_replaced_and_never_removed(api, alias):
    revision = make.a_policy_revision("strict")
    path = "policies/everything/classification"

    done = api.send("PUT", path, {"policy": "strict:1"})

    assert done.json() == {
        "scope": "everything",
        "where": "everything classification",
        "task": "classification",
        "group": "",
        "model": None,
        "alias": None,
        "policy": "strict:1",
    }
    assert effective_policy(alias).document == revision.document
    assert refusal(api.send("DELETE", path)) == (409, "nothing_wider")
    assert LedgerEntry.objects.last().body["refused"] == "nothing_wider"
    assert effective_policy(alias).document == revision.document


def test_an_alias_inherits_again(api, alias, layer):
    api.send("PUT", f"{ALIAS}/policy", {"policy": layer})

    gate = api.send("DELETE", f"{ALIAS}/policy").json()

    assert gate["policy"]["policy"] == "default-classification:1"
    assert not PolicyChoice.objects.filter(alias=alias).exists()
    assert refusal(api.send("DELETE", f"{ALIAS}/policy")) == (409, "policy_not_set")


def test_what_is_set_where_is_listed(api, alias, layer):
    api.send("PUT", "models/digits/policy", {"policy": layer})
    api.send("PUT", f"{ALIAS}/policy", {"policy": layer})

    listed = api.get("policies/choices").json()["results"]

    assert [(one["scope"], one["model"], one["alias"], one["policy"]) for one in listed] == [
        ("everything", None, None, "default-classification:1"),
        ("model", "digits", None, "full:1"),
        ("alias", None, "digits@production", "full:1"),
    ]


def test_the_effective_policy_says_where_each_rule_comes_from_and_what_it_does(api, alias, layer):
    api.send("PUT", "models/digits/policy", {"policy": layer})
    extra = {**make.a_policy_document()["rules"][0], "name": "seen", "advisory": True}
    document = {"task": "classification", "inherits": True, "rules": [extra]}
    api.post("policies", name="seen", document=document)
    api.send("PUT", f"{ALIAS}/policy", {"policy": "seen:1"})

    found = api.get(f"{ALIAS}/effective-policy").json()

    rules = {rule["name"]: (rule["scope"], rule["effect"]) for rule in found["rules"]}
    everything, own = "everything classification", "alias digits@production"
    assert rules["seen"] == (own, "advisory")
    assert rules["classes kept"] == (everything, "blocks")
    assert rules["cumulative flips"] == (everything, "not_at_this_level")
    assert rules["better than the majority class"] == (everything, "blocks")
    assert [one["policy"] for one in found["layers"]] == [
        "default-classification:1",
        "full:1",
        "seen:1",
    ]
    assert found == api.get(f"{ALIAS}/gate").json()["effective_policy"]


@pytest.mark.parametrize(
    ("path", "policy", "expected"),
    [
        ("policies/everything/detection", "full:1", (400, "unknown_task")),
        ("policies/everything/embedding", "full:1", (400, "task_mismatch")),
        ("policies/everything/classification", "full:1", (400, "invalid_policy")),
        ("policies/everything/classification", "full", (400, "invalid_reference")),
        ("policies/groups/embedding/faces", "full:1", (400, "task_mismatch")),
        (f"policies/groups/classification/{'a' * 101}", "full:1", (400, "invalid_name")),
        ("models/digits/policy", "full:2", (404, "unknown_policy")),
        ("models/gone/policy", "full:1", (404, "unknown_model")),
    ],
)
def test_what_cannot_be_set_is_named(api, alias, layer, path, policy, expected):
    assert refusal(api.send("PUT", path, {"policy": policy})) == expected
    assert str(effective_policy(alias).revision) == "default-classification:1"


@pytest.mark.parametrize(
    ("path", "action", "subject"),
    [
        ("policies/everything/embedding", "policy.set", "policy scope:everything embedding"),
        (f"{ALIAS}/policy", "alias.set_policy", "alias:digits@production"),
    ],
)
def test_whoever_tried_to_set_a_policy_is_in_the_ledger(api, alias, path, action, subject):
    task = "classification" if "embedding" in path else "embedding"
    revision = make.a_policy_revision(task=task)

    api.send("PUT", path, {"policy": str(revision)})

    entry = LedgerEntry.objects.last()
    assert (entry.actor, entry.action, entry.subject) == (api.owner.username, action, subject)
    assert (entry.body["refused"], entry.body["policy"]) == ("task_mismatch", str(revision))


def test_a_model_joins_a_group_and_leaves_it(api, alias, layer):
    api.send("PUT", "policies/groups/classification/faces", {"policy": layer})

    joined = api.send("PUT", "models/digits/group", {"group": "faces"})
    level = api.get(f"{ALIAS}/effective-policy").json()["level"]
    left = api.send("PUT", "models/digits/group", {"group": ""})

    assert (joined.status_code, joined.json()["group"], level) == (200, "faces", "full")
    assert left.json()["group"] == ""
    assert api.get("models/digits").json()["group"] == ""
    assert api.get(f"{ALIAS}/effective-policy").json()["level"] == "backward"


def test_a_group_has_a_name_like_every_other(api, alias):
    assert refusal(api.send("PUT", "models/digits/group", {"group": "a b"})) == (
        400,
        "invalid_name",
    )
    assert RegisteredModel.objects.get(name="digits").group == "vision"
    assert LedgerEntry.objects.last().action == "model.set_group"
