"""Every error has a status and a code, and every code means one thing."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.db import OperationalError
from rest_framework import exceptions

import registry
from registry.api import codes, errors
from registry.audit.models import LedgerEntry
from registry.core.errors import GateNotPassedError, Refusal, RegistryError, UnknownObjectError
from registry.core.store import CorruptError
from tests.builders import registry as make
from tests.registry.api.conftest import Api, refusal

ROOT = Path(registry.__file__).parent


def every_error(kind: type[RegistryError] = RegistryError) -> Iterator[type[RegistryError]]:
    for one in kind.__subclasses__():
        yield one
        yield from every_error(one)


def raised_with_a_code() -> Iterator[tuple[str, str, str]]:
    """Yield (class name, code, place) of every error that the sources raise with a code."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            for keyword in node.keywords:
                constant = keyword.arg == "code" and isinstance(keyword.value, ast.Constant)
                if constant and node.func.id.endswith("Error"):
                    yield node.func.id, str(keyword.value.value), f"{path}:{node.lineno}"


@pytest.mark.parametrize("kind", sorted(set(every_error()), key=lambda kind: kind.__name__))
def test_every_error_has_a_status_and_its_own_code(kind):
    status = errors.status_of(kind("detail"))

    assert codes.CODES[kind.code][0] == (status,)
    assert [other for other in every_error() if other.code == kind.code] == [kind]


def test_every_code_in_the_sources_is_in_the_table_with_the_status_of_its_class():
    by_name = {kind.__name__: kind for kind in every_error()}
    found = list(raised_with_a_code())

    wrong = [
        f"{place}: {code}"
        for name, code, place in found
        if name in by_name
        and errors.status_of(by_name[name]("detail")) not in codes.CODES.get(code, [()])[0]
    ]

    assert len(found) > 50
    assert wrong == []


def test_every_error_of_the_framework_has_a_code_in_the_table():
    for kind, code in errors.FRAMEWORK_CODES.items():
        assert codes.CODES[code][0] == (kind.status_code,)


def answer_to(exc, user=None):
    request = type("Request", (), {"user": user or make.a_user("asker")})()
    response = errors.handle_exception(exc, {"request": request})
    return response.status_code, response.data


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("exc", "status", "code"),
    [
        (UnknownObjectError("none", code="unknown_model"), 404, "unknown_model"),
        (CorruptError("changed"), 500, "artifact_corrupt"),
        (exceptions.Throttled(wait=3), 429, "throttled"),
        (RequestDataTooBig("big"), 413, "upload_too_large"),
        (TooManyFieldsSent("many"), 400, "invalid_input"),
        (OperationalError("server closed the connection"), 503, "unavailable"),
    ],
)
def test_errors_become_a_status_and_a_code(exc, status, code):
    got, body = answer_to(exc)

    assert (got, body["code"]) == (status, code)
    assert body["detail"]


@pytest.mark.django_db
def test_a_database_that_does_not_answer_is_not_described_to_the_client():
    _, body = answer_to(OperationalError("host db.internal refused"))

    assert "internal" not in body["detail"]


@pytest.mark.django_db
def test_a_refusal_that_belongs_in_the_ledger_is_written_there():
    exc = GateNotPassedError("it failed", refusal=Refusal("upgrade.promote", "upgrade:7"))

    answer_to(exc, make.a_user("ann"))

    entry = LedgerEntry.objects.get()
    assert (entry.actor, entry.action, entry.subject) == ("ann", "upgrade.promote", "upgrade:7")
    assert entry.body == {"refused": "gate_not_passed", "detail": "it failed"}


@pytest.mark.django_db
def test_a_bug_stays_a_crash():
    assert errors.handle_exception(KeyError("oops"), {"request": None}) is None


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ("plain", "plain"),
        (["one", "two"], "one; two"),
        ({"name": ["too long"], "task": ["missing"]}, "name: too long; task: missing"),
        ({"items": [{}, {"id": ["missing"]}]}, "items.id: missing"),
        ({"non_field_errors": ["name one"]}, "name one"),
    ],
)
def test_nested_messages_become_one_line(detail, words):
    assert errors._in_words(detail) == words


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("path", ["nothing", "models/", "models/no slug", "upgrades/-1", ""])
def test_an_address_that_is_none_is_refused_as_json(path, method):
    assert refusal(Api().send(method, path)) == (404, "not_found")


def test_a_method_that_the_address_does_not_know(api):
    assert refusal(api.send("PATCH", "models")) == (405, "method_not_allowed")
    assert refusal(api.send("OPTIONS", "models")) == (405, "method_not_allowed")


def test_an_answer_is_json_whatever_is_accepted(api):
    response = api.get("models", headers={"Accept": "text/html"})

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{", "parse_error"),
        ("[" * 100_000, "parse_error"),
        (b"\xff\xfe", "parse_error"),
        ('{"name": NaN}', "parse_error"),
        ("[]", "invalid_input"),
        ("3", "invalid_input"),
        ('{"name": "a\\u0000b", "task": "embedding"}', "invalid_input"),
        ('{"name": "a", "task": "embedding", "card": "\\ud800"}', "invalid_input"),
        ('{"name": "a", "task": "embedding", "description": "%s"}' % ("x" * 301), "invalid_input"),
    ],
)
def test_a_body_that_is_wrong_is_named(api, body, code):
    assert refusal(api.send("POST", "models", body)) == (400, code)


def test_a_body_of_another_type(api):
    response = api.send(
        "POST", "models", "name=a", content_type="application/x-www-form-urlencoded"
    )

    assert refusal(response) == (415, "unsupported_media_type")


def test_json_above_the_limit_is_refused_unread(api, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

    response = api.post("models", name="a", task="embedding", card="x" * 100)

    assert refusal(response) == (413, "upload_too_large")
