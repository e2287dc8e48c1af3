"""Policies: revisions of documents, and the defaults."""

import pytest

from compat.policy import Task
from compat.policy_defaults import DEFAULTS
from registry.upgrades.models import Policy
from registry.upgrades.policy_problems import schema
from registry.upgrades.policy_text import read_policy_text, write_policy_text
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


def test_a_text_becomes_a_revision_and_is_kept_as_it_is(api):
    text = "# Ask Ann.\n" + write_policy_text(make.a_policy_document())

    made = api.post("policies", name="strict", text=text)

    assert made.status_code == 201
    assert made.json()["text"] == text
    assert made.json()["document"] == read_policy_text(text)
    assert api.get("policies/strict/revisions/1").json() == made.json()


def test_a_document_has_no_text(api):
    made = api.post("policies", name="strict", document=make.a_policy_document()).json()

    assert made["text"] == ""


def test_a_policy_comes_as_a_document_or_as_text(api):
    document = make.a_policy_document()

    for body in ({}, {"document": document, "text": "task: classification"}):
        assert refusal(api.post("policies", name="strict", **body)) == (400, "invalid_input")
        assert refusal(api.post("policies/verify", **body)) == (400, "invalid_input")


def test_what_is_wrong_with_a_text_is_told_with_its_line(api):
    response = api.post("policies", name="strict", text="task: classification\ntask: embedding\n")

    assert refusal(response) == (400, "invalid_policy")
    assert response.json()["detail"].startswith("line 2, column 1: ")
    assert not Policy.objects.exists()


def test_a_document_is_verified_without_being_kept(api):
    document = make.a_policy_document()
    good = api.post("policies/verify", document=document).json()
    bad = api.post("policies/verify", document=make.a_policy_document() | {"rules": []}).json()

    assert good == {
        "verified": True,
        "task": "classification",
        "code": "",
        "detail": "",
        "line": None,
        "path": "",
        "problems": [],
        "document": document,
        "effective_policy": None,
    }
    assert (bad["verified"], bad["code"], bad["path"]) == (False, "invalid_policy", "rules")
    assert bad["line"] is None
    assert not Policy.objects.exists()


def test_a_text_is_verified_and_every_problem_has_its_place(api):
    text = "task: classification\nconfidence: 95\nrules: []\nfirst_version: []\n"

    found = api.post("policies/verify", text=text).json()

    assert [(one["line"], one["path"]) for one in found["problems"]] == [
        (2, "confidence"),
        (3, "rules"),
        (4, "first_version"),
    ]
    assert (found["line"], found["path"]) == (2, "confidence")
    assert "line 3, column 1: rules: " in found["detail"]


def test_what_would_hold_for_an_alias_is_told(api):
    alias = make.an_alias(make.a_model("digits"))
    text = "task: classification\ninherits: true\nlevel: none\n"
    asked = {"model": "digits", "alias": alias.name}

    found = api.post("policies/verify", text=text, **asked).json()
    effective = found["effective_policy"]

    assert found["verified"]
    assert effective["level"] == "none"
    assert effective["origins"]["level"] == "alias digits@production"
    assert effective["origins"]["confidence"] == "everything classification"
    assert [layer["policy"] for layer in effective["layers"]] == ["default-classification:1", None]
    assert {rule["effect"] for rule in effective["rules"] if rule["part"] == "rules"} == {
        "not_at_this_level"
    }
    assert [r["effect"] for r in effective["rules"] if r["part"] == "first_version"] == ["blocks"]
    assert api.get(f"models/digits/aliases/{alias.name}/effective-policy").json()["level"] == (
        "backward"
    )


def test_what_would_not_hold_there_is_told_with_its_line(api):
    make.a_model("digits")
    text = "task: classification\ninherits: true\nwithout: [gone]\n"

    found = api.post("policies/verify", text=text, model="digits").json()
    other = api.post(
        "policies/verify", text="task: embedding\ninherits: true\n", model="digits"
    ).json()

    assert (found["verified"], found["line"], found["path"]) == (False, 3, "without")
    assert "'gone'" in found["detail"]
    assert (other["verified"], other["code"]) == (False, "task_mismatch")


def test_verifying_for_a_place_that_is_not_there(api):
    text = "task: classification\ninherits: true\n"
    make.a_model("digits")

    def verify(**place):
        return refusal(api.post("policies/verify", text=text, **place))

    assert verify(model="gone") == (404, "unknown_model")
    assert verify(model="digits", alias="gone") == (404, "unknown_alias")
    assert verify(alias="production") == (400, "invalid_input")


def test_the_schema_is_served_to_anybody(client, db):
    served = client.get("/api/v1/policies/schema").json()

    assert served == schema()
