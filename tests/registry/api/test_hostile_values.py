"""Whatever a field or a query parameter holds, the answer is one that the document names."""

import json
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from compat.policy import Task
from registry.api.documents import openapi
from tests.builders import registry as make

HOSTILE = [
    None,
    "",
    " ",
    "\x00",
    "\ud800",
    "../../etc/passwd",
    "%2e%2e%2f",
    "x" * 5000,
    "name:" + "9" * 400,
    "digits:1",
    "9" * 400,
    True,
    -1,
    10**400,
    1e308,
    [],
    [[]],
    {},
    {"$ref": "#"},
    json.loads("[" * 200 + "]" * 200),
]

REFUSED = re.compile(r"^`(\w+)`: ", re.MULTILINE)


def operations():
    for path, methods in openapi()["paths"].items():
        for method, operation in methods.items():
            yield path.removeprefix("/api/v1/"), method, operation


def ids(cases):
    return [f"{method} {path}" for path, method, *_ in cases]


def taking(media):
    cases = list(operations())
    return [case for case in cases if media in case[2].get("requestBody", {}).get("content", ())]


WITH_BODY, WITH_FILE = taking("application/json"), taking("multipart/form-data")
WITH_QUERY = [
    case
    for case in operations()
    if any(parameter["in"] == "query" for parameter in case[2].get("parameters", ()))
]


class Parts(dict):
    """The parts of addresses; what is not named here names nothing that exists."""

    def __missing__(self, name):
        return 987654


@pytest.fixture
def world(db):
    """One object of each kind, and the parts of addresses that name them."""
    model = make.a_model("digits", task=Task.EMBEDDING)
    alias = make.an_alias(model)
    make.a_pin(alias, make.a_set_revision("faces", task=Task.EMBEDDING))
    make.a_promoted_upgrade(alias)
    upgrade = make.a_judged_upgrade(alias)
    gallery = make.a_gallery(alias, "gallery", items=2)
    make.a_policy_revision("strict")
    parts = {
        "model": "digits",
        "number": 1,
        "alias": "production",
        "evaluation_set": "faces",
        "revision": 1,
        "comparison": upgrade.verdict.comparisons[0],
        "row": 0,
        "policy": "strict",
        "upgrade": upgrade.pk,
        "gallery": "gallery",
        "batch": gallery.batches.get().pk,
        "token": make.a_token()[0].pk,
    }
    return Parts(parts)


def assert_documented(response, operation):
    answers = operation["responses"]
    assert str(response.status_code) in answers, (response.status_code, response.content)
    assert response.status_code < 500 or response.status_code == 503
    if response.status_code >= 400:
        named = REFUSED.findall(answers[str(response.status_code)]["description"])
        assert response.json()["code"] in named


def fields_of(operation, media):
    schema = operation["requestBody"]["content"][media]["schema"]
    named = openapi()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return named["properties"]


@pytest.mark.parametrize(("path", "method", "operation"), WITH_BODY, ids=ids(WITH_BODY))
def test_fields_of_a_body(api, world, path, method, operation):
    fields = fields_of(operation, "application/json")
    plausible = {"name": "new", "task": "embedding", "model": "digits", "version": 2, "k": 3}
    usual = {key: value for key, value in plausible.items() if key in fields}

    for field in fields:
        for value in HOSTILE:
            body = json.dumps(usual | {field: value})
            response = api.send(method.upper(), path.format_map(world), body)
            assert_documented(response, operation)


@pytest.mark.parametrize(("path", "method", "operation"), WITH_FILE, ids=ids(WITH_FILE))
def test_fields_beside_a_file(api, world, path, method, operation):
    for field in set(fields_of(operation, "multipart/form-data")) - {"file"}:
        for value in HOSTILE:
            text = value if isinstance(value, str) else json.dumps(value)
            fields = {field: text.encode(errors="surrogatepass")}
            fields["file"] = SimpleUploadedFile("x\x00/../\u202e.npz", make.table_bytes())
            response = api._client.post(
                f"/api/v1/{path.format_map(world)}", fields, headers=api.headers
            )
            assert_documented(response, operation)


@pytest.mark.parametrize(("path", "method", "operation"), WITH_QUERY, ids=ids(WITH_QUERY))
def test_query_parameters(api, world, path, method, operation):
    for parameter in operation["parameters"]:
        for value in HOSTILE:
            text = value if isinstance(value, str) else json.dumps(value)
            query = {parameter["name"]: text.encode(errors="surrogatepass")}
            if parameter["in"] == "query":
                assert_documented(api.get(path.format_map(world), **query), operation)
