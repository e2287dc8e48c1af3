"""Tokens: issue within what one's own may do, list, revoke."""

import pytest

from registry.accounts.models import Token
from tests.builders import registry as make
from tests.registry.api.conftest import Api, refusal


def test_a_token_is_issued_works_and_shows_its_secret_once(api):
    response = api.post("tokens", name="ci", scopes=["read"], days=7)

    assert response.status_code == 201
    issued = response.json()
    assert (issued["name"], issued["scopes"], issued["revoked_at"]) == ("ci", ["read"], None)
    other = Api()
    other.use(issued["secret"])
    assert other.get("models").status_code == 200
    assert refusal(other.post("models", name="a", task="embedding")) == (403, "missing_scope")
    listed = api.get("tokens").json()["results"]
    assert [one["name"] for one in listed] == ["ci", "tests"]
    assert all("secret" not in one for one in listed)


def test_a_token_makes_no_stronger_and_no_longer_lived_one(db):
    weak = Api("write")

    stronger = weak.post("tokens", name="ci", scopes=["write", "promote"], days=1)
    longer = weak.post("tokens", name="ci", scopes=["write"], days=31)

    assert refusal(stronger) == (403, "exceeds_own_token")
    assert refusal(longer) == (403, "exceeds_own_token")
    assert Token.objects.filter(owner=weak.owner).count() == 1
    assert weak.post("tokens", name="ci", scopes=["write"], days=29).status_code == 201


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"scopes": ["admin"], "days": 1}, "unknown_scope"),
        ({"scopes": [], "days": 1}, "invalid_input"),
        ({"scopes": "read", "days": 1}, "invalid_input"),
        ({"scopes": ["read"], "days": 0}, "invalid_input"),
        ({"scopes": ["read"], "days": 10**30}, "invalid_input"),
    ],
)
def test_what_is_wrong_with_a_new_token_is_named(api, body, code):
    assert refusal(api.post("tokens", name="ci", **body)) == (400, code)


def test_a_lifetime_above_the_limit_is_refused(api):
    Token.objects.update(expires_at="2999-01-01T00:00:00Z")

    response = api.post("tokens", name="ci", scopes=["read"], days=367)

    assert refusal(response) == (400, "invalid_lifetime")


def test_a_revoked_token_is_worth_nothing(api):
    issued = api.post("tokens", name="ci", scopes=["read"], days=1).json()
    other = Api()
    other.use(issued["secret"])

    revoked = api.send("DELETE", f"tokens/{issued['id']}")

    assert revoked.status_code == 200
    assert revoked.json()["revoked_at"]
    assert refusal(other.get("models")) == (401, "invalid_token")
    assert refusal(api.send("DELETE", f"tokens/{issued['id']}")) == (404, "unknown_token")


def test_tokens_of_others_are_neither_listed_nor_revoked(api):
    other, _ = make.a_token()

    assert [one["name"] for one in api.get("tokens").json()["results"]] == ["tests"]
    assert api.get("tokens").json()["results"][0]["id"] != other.pk
    assert refusal(api.send("DELETE", f"tokens/{other.pk}")) == (404, "unknown_token")


def test_an_administrator_revokes_any_token(db):
    other, _ = make.a_token()
    admin = Api("write", owner=make.a_user(is_staff=True))

    assert admin.send("DELETE", f"tokens/{other.pk}").status_code == 200


def test_a_replayed_answer_holds_no_secret(api):
    key = {"Idempotency-Key": "once"}

    first = api.post("tokens", key, name="ci", scopes=["read"], days=1).json()
    again = api.post("tokens", key, name="ci", scopes=["read"], days=1).json()

    assert first["secret"]
    assert again == first | {"secret": None}
    assert Token.objects.filter(owner=api.owner, name="ci").count() == 1
