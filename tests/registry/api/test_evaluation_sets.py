"""Evaluation sets: upload revisions, read them."""

import hashlib

import pytest

from compat.policy import Task
from registry.evaluation.models import EvaluationSet
from tests.builders import registry as make
from tests.registry.api.conftest import refusal


def upload(api, content=None, **changes):
    fields = {"name": "faces", "task": "classification"} | changes
    return api.upload("evaluation-sets", content or make.table_bytes(), **fields)


def test_the_first_revision_opens_the_set(api):
    content = make.table_bytes()

    response = upload(api, content, description="held-out faces")

    assert response.status_code == 201
    found = response.json()
    assert found == api.get("evaluation-sets/faces/revisions/1").json()
    assert (found["revision"], found["state"], found["times_judged"]) == (
        "faces:1",
        "inspecting",
        0,
    )
    assert found["digest"] == hashlib.sha256(content).hexdigest()
    whole = api.get("evaluation-sets/faces").json()
    assert (whole["description"], whole["last_number"]) == ("held-out faces", 1)
    assert whole["revisions"] == [found]


def test_another_upload_is_another_revision(api):
    upload(api)

    assert upload(api).json()["revision"] == "faces:2"
    numbers = [one["number"] for one in api.get("evaluation-sets/faces").json()["revisions"]]
    assert numbers == [2, 1]


def test_the_same_bytes_are_one_revision(api):
    content = make.table_bytes()
    upload(api, content)

    assert refusal(upload(api, content)) == (409, "duplicate_revision")


@pytest.mark.parametrize(
    ("content", "changes", "code"),
    [
        (b"\x08graph", {}, "wrong_file_type"),
        (b"PK\x03\x04set", {"task": "detection"}, "unknown_task"),
        (b"PK\x03\x04set", {"name": "a b"}, "invalid_name"),
        (b"PK\x03\x04set", {"sha256": "0" * 64}, "digest_mismatch"),
        (b"PK\x03\x04set", {"description": "x" * 301}, "invalid_input"),
    ],
)
def test_what_is_wrong_with_a_set_is_named_and_no_set_is_made(api, content, changes, code):
    assert refusal(upload(api, content, **changes)) == (400, code)
    assert not EvaluationSet.objects.exists()


def test_an_empty_file_is_named(api):
    response = api.upload("evaluation-sets", b"", name="faces", task="classification")

    assert refusal(response) == (400, "empty_upload")


def test_a_file_that_is_missing_is_named(api):
    response = api.upload("evaluation-sets", name="faces", task="classification")

    assert refusal(response) == (400, "invalid_input")


def test_a_set_keeps_its_task(api):
    make.a_set_revision("faces", task=Task.EMBEDDING)

    assert refusal(upload(api)) == (400, "task_mismatch")


def test_a_revision_tells_how_its_inspection_ended(api):
    make.a_set_revision("faces", rows=321)
    make.a_set_revision("faces", state="refused")

    ready = api.get("evaluation-sets/faces/revisions/1").json()
    refused = api.get("evaluation-sets/faces/revisions/2").json()

    assert (ready["state"], ready["summary"]["rows"], ready["error"]) == ("ready", 321, None)
    assert refused["state"] == "refused"
    assert refused["error"] == {"code": "invalid_set", "detail": "the column label is missing"}


def test_unknown_sets_are_named(api):
    make.a_set_revision("faces")

    for path in ("gone", "gone/revisions/1", "faces/revisions/2"):
        assert refusal(api.get(f"evaluation-sets/{path}")) == (404, "unknown_evaluation_set")


def test_sets_are_listed_by_name(api):
    make.a_set_revision("b", task=Task.EMBEDDING)
    make.a_set_revision("a")

    listed = api.get("evaluation-sets").json()["results"]

    assert [(one["name"], one["task"]) for one in listed] == [
        ("a", "classification"),
        ("b", "embedding"),
    ]
