"""Who may do what: every address, every method, every kind of token."""

import re
from collections.abc import Iterator

import pytest

from registry.accounts.models import Scope
from registry.api.urls import urlpatterns
from tests.builders import registry as make
from tests.registry.api.conftest import Api, refusal

SAMPLES = {"slug": "nothing", "int": "987654321"}

PUBLIC = {"schemas/manifest", "policies/schema", "schema"}
"""What anybody may read: documents that say nothing about this installation."""

READING_POSTS = ("/search", "/verify", "/preview", "/preview-samples")
"""Questions that are asked with POST."""

MOVING = (
    *("/promote", "/rollback", "/policy", "/pins", "/pins/nothing"),
    *("/approve", "/reject", "/grant", "/approvals"),
    "/drift/acknowledge",
    *("policies/everything/nothing", "policies/groups/nothing/nothing", "/group"),
    *("/schedule", "/cancel", "/safeguards/nothing"),
)
"""Whoever may move what serves, or what guards it, or decides on it."""


def operations() -> Iterator[tuple[str, str]]:
    """Yield (method, path) of every operation in the URL configuration."""
    for pattern in urlpatterns:
        endpoint = getattr(pattern.callback, "cls", None)
        for method in getattr(endpoint, "operations", ()):
            path = re.sub(r"<(\w+):\w+>", lambda m: SAMPLES[m[1]], str(pattern.pattern))
            yield method.upper(), path


def needed(method: str, path: str) -> str | None:
    """Return the scope that an operation should need, by rules of its own."""
    if path in PUBLIC:
        return None
    if method == "POST" and path.endswith(("/signals", "/signals/alerts")):
        return Scope.SIGNAL
    if method == "GET" or path.endswith(READING_POSTS):
        return Scope.READ
    return Scope.PROMOTE if path.endswith(MOVING) else Scope.WRITE


OPERATIONS = sorted(operations())


def test_the_matrix_has_every_operation():
    assert len(OPERATIONS) == len(set(OPERATIONS)) >= 57
    assert {path for _, path in OPERATIONS} >= PUBLIC


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_without_a_token_only_public_documents_are_read(method, path):
    response = Api().send(method, path)

    if needed(method, path) is None:
        assert response.status_code == 200
    else:
        assert refusal(response) == (401, "not_authenticated")
        assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.django_db
@pytest.mark.parametrize("scope", Scope.values)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_a_token_does_what_its_scope_says_and_nothing_else(method, path, scope):
    response = Api(scope).send(method, path)

    if needed(method, path) in {None, scope}:
        assert response.status_code not in {401, 403}
    else:
        assert refusal(response) == (403, "missing_scope")


@pytest.mark.django_db
def test_reading_the_head_needs_what_reading_needs():
    assert Api(Scope.READ).send("HEAD", "models").status_code == 200
    assert Api(Scope.WRITE).send("HEAD", "models").status_code == 403
    assert Api().send("HEAD", "models").status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer nothing",
        "Bearer grt_0123456789_wrong",
        "Basic YW5uOnNlY3JldA==",
        "Token grt_0123456789_wrong",
    ],
)
def test_a_wrong_token_is_refused_even_where_none_is_needed(header):
    api = Api()
    api.headers["Authorization"] = header

    assert refusal(api.get("models")) == (401, "invalid_token")
    assert refusal(api.get("schemas/manifest")) == (401, "invalid_token")


@pytest.mark.django_db
def test_an_expired_token_is_refused():
    api = Api()
    api.use(make.a_token(expired=True)[1])

    assert refusal(api.get("models")) == (401, "invalid_token")


@pytest.mark.django_db
def test_the_token_of_a_person_who_left_is_refused(api):
    api.owner.is_active = False
    api.owner.save()

    assert refusal(api.get("models")) == (401, "invalid_token")


@pytest.mark.django_db
def test_a_session_of_the_pages_is_worth_nothing_here(client):
    client.force_login(make.a_user(is_staff=True))

    assert refusal(client.get("/api/v1/models")) == (401, "not_authenticated")
