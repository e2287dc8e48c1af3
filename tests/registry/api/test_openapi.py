"""The OpenAPI document is complete and comes without a warning."""

import re

import pytest
from drf_spectacular.validation import validate_schema

from registry.api.codes import CODES
from registry.api.documents import openapi
from registry.api.urls import urlpatterns
from tests.registry.api.test_permissions import needed

PAGES = {"docs", "^(?P<rest>.*)$"}
"""What is no operation: the page that shows the document, and the refusal of unknown addresses."""

UNKEYED = (
    "/search",
    "/preview",
    "/preview-samples",
    "/verify",
    "/acknowledgements",
    "/signals",
    "/alerts",
)
"""Posts that ask, and acts that are the same again: they take no key."""


@pytest.fixture(scope="module")
def document():
    return openapi.__wrapped__()


def documented(document):
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield path.removeprefix("/api/v1/"), method, operation


def test_generating_it_says_nothing(capsys):
    openapi.__wrapped__()

    assert capsys.readouterr().err == ""


def test_it_is_a_valid_document(document):
    validate_schema(document)


def test_every_address_and_method_is_in_it(document):
    served = {
        (re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern)), method)
        for pattern in urlpatterns
        if str(pattern.pattern) not in PAGES
        for method in pattern.callback.cls.operations
    }

    assert {(path, method) for path, method, _ in documented(document)} == served


def test_every_operation_has_a_name_of_its_own_and_says_what_it_does(document):
    operations = [operation for _, _, operation in documented(document)]

    assert len({one["operationId"] for one in operations}) == len(operations)
    assert all(one["summary"] and one["description"] for one in operations)


def test_every_operation_says_what_it_answers_and_what_it_refuses(document):
    for path, method, operation in documented(document):
        answers = operation["responses"]
        assert any(status.startswith("2") for status in answers), (path, method)
        for status, answer in answers.items():
            if status.startswith(("4", "5")):
                assert_refusals_are_named(status, answer)


def assert_refusals_are_named(status, answer):
    schema = answer["content"]["application/json"]["schema"]
    named = re.findall(r"^`(\w+)`: ", answer["description"], re.MULTILINE)
    assert schema == {"$ref": "#/components/schemas/ErrorOut"}
    assert named
    assert all(int(status) in CODES[code][0] for code in named)


def test_what_needs_a_token_says_so(document):
    for path, method, operation in documented(document):
        scope = needed(method.upper(), re.sub(r"{\w+}", "nothing", path))
        tokens = operation.get("security")
        assert (tokens == [{"token": []}]) == (scope is not None), path
        assert ("401" in operation["responses"]) == (scope is not None), path
        assert scope is None or f"`{scope}`" in operation["description"], path


def test_bodies_files_and_keys_bring_their_refusals(document):
    for path, method, operation in documented(document):
        body = operation.get("requestBody", {}).get("content", {})
        answers = operation["responses"]
        assert ("415" in answers) == bool(body), path
        brings_bytes = bool(body.keys() & {"multipart/form-data", "application/octet-stream"})
        assert ("507" in answers) == brings_bytes, path
        keyed = any(p["name"] == "Idempotency-Key" for p in operation.get("parameters", ()))
        assert ("422" in answers) == keyed, path
        if method == "post" and not path.endswith(UNKEYED):
            assert keyed, path


@pytest.mark.django_db
def test_it_is_served_to_anybody(client, document):
    response = client.get("/api/v1/schema")

    assert response.status_code == 200
    assert set(response.json()["paths"]) == set(document["paths"])


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_page_shows_it_under_the_content_security_policy(page, live_server):
    page.goto(f"{live_server.url}/api/v1/docs")

    page.wait_for_selector("text=Read a comparison")  # near the top: it draws what is in sight
    icon = page.locator("link[rel=icon]").get_attribute("href")
    assert page.request.get(f"{live_server.url}{icon}").ok
    assert "inline" not in page.content().partition("<body>")[0]
