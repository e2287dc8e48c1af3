"""Policies: revisions of documents, and the defaults."""

import pytest

from compat.policy import Task
from compat.policy_defaults import DEFAULTS
from registry.upgrades.models import Policy
from tests.builders import registry as make
from tests.registry.api.conftest import refusal


def test_a_document_becomes_a_revision(api):
    document = make.a_policy_document()

    response = api.post("policies", name="strict", document=document)

    assert response.status_code == 201
    assert response.json() == api.get("policies/strict/revisions/1").json()
    assert (response.json()["policy"], response.json()["document"]) == ("strict:1", document)
    assert response.json()["created_by"] == api.owner.username


def test_a_policy_that_the_registry_made_has_no_author(api):
    make.an_alias()

    found = api.get("policies/default-classification/revisions/1").json()

    assert found["created_by"] is None
    assert found["document"] == DEFAULTS[Task.CLASSIFICATION]


@pytest.mark.parametrize(
    "change",
    [
        {"rules": []},
        {"rules": "none"},
        {"confidence": 2},
        {"unknown": 1},
        {"task": "detection"},
    ],
)
def test_a_document_that_is_no_policy_is_refused_and_nothing_is_made(api, change):
    document = make.a_policy_document() | change

    response = api.post("policies", name="strict", document=document)

    assert refusal(response) == (400, "invalid_policy")
    assert not Policy.objects.exists()


@pytest.mark.parametrize("document", [[], "text", 3])
def test_a_document_is_an_object(api, document):
    response = api.post("policies", name="strict", document=document)

    assert refusal(response) == (400, "invalid_policy")


def test_text_that_no_column_holds_is_refused(api):
    document = make.a_policy_document()
    document["rules"][0] = document["rules"][0] | {"rationale": "a\x00b"}

    response = api.post("policies", name="strict", document=document)

    assert refusal(response) == (400, "invalid_input")


def test_what_stands_against_a_revision_is_named(api):
    document = make.a_policy_document()
    api.post("policies", name="strict", document=document)
    other = make.a_policy_document(Task.EMBEDDING)

    def add(name, document):
        return refusal(api.post("policies", name=name, document=document))

    assert add("strict", document) == (409, "duplicate_policy")
    assert add("strict", other) == (400, "task_mismatch")
    assert add("a b", other) == (400, "invalid_name")


def test_unknown_policies_are_named(api):
    make.a_policy_revision("strict")

    for path in ("strict/revisions/2", "gone/revisions/1"):
        assert refusal(api.get(f"policies/{path}")) == (404, "unknown_policy")


def test_policies_are_listed_by_name(api):
    make.a_policy_revision("strict")
    make.a_policy_revision("strict")
    make.a_policy_revision("lenient", task=Task.EMBEDDING)

    listed = api.get("policies").json()["results"]

    assert [(one["name"], one["task"], one["last_number"]) for one in listed] == [
        ("lenient", "embedding", 1),
        ("strict", "classification", 2),
    ]


def test_the_defaults_are_those_that_new_aliases_get(api):
    found = api.get("policies/defaults").json()

    assert found == {task.value: document for task, document in DEFAULTS.items()}


def test_a_document_is_verified_without_being_kept(api):
    good = api.post("policies/verify", document=make.a_policy_document())
    bad = api.post("policies/verify", document=make.a_policy_document() | {"rules": []})

    assert good.json() == {"verified": True, "task": "classification", "code": "", "detail": ""}
    assert (bad.json()["verified"], bad.json()["code"]) == (False, "invalid_policy")
    assert "rules" in bad.json()["detail"]
    assert not Policy.objects.exists()
