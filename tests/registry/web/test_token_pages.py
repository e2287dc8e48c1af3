"""Tokens: a secret is shown once, and everybody sees only their own."""

from django.test import Client

from registry.accounts.models import Token
from registry.accounts.services.tokens import check_token
from tests.builders import registry as make
from tests.registry.web.conftest import text_of

FORM = {"name": "pipeline", "scopes": ["read", "promote"], "lifetime": "30"}


def test_the_secret_is_shown_once_and_works(pages):
    response = pages.post("/tokens/", FORM)
    secret = response.context["issued"][1]

    assert check_token(secret) == Token.objects.get()
    assert secret in response.content.decode()
    assert "no-store" in response.headers["Cache-Control"]
    assert secret not in pages.get("/tokens/").content.decode()


def test_a_token_without_a_scope_is_not_issued(pages):
    response = pages.post("/tokens/", FORM | {"scopes": []})

    assert response.status_code == 422
    assert not Token.objects.exists()


def test_a_token_is_revoked(pages):
    secret = pages.post("/tokens/", FORM).context["issued"][1]

    pages.post(f"/tokens/{Token.objects.get().pk}/revoke/")

    assert check_token(secret) is None
    assert "revoked" in text_of(pages.get("/tokens/"))


def test_nobody_sees_or_ends_the_token_of_another(pages):
    token, _ = make.a_token()

    response = pages.post(f"/tokens/{token.pk}/revoke/", follow=True)

    token.refresh_from_db()
    assert token.prefix not in pages.get("/tokens/").content.decode()
    assert "unknown_token" in text_of(response)
    assert token.revoked_at is None


def test_an_administrator_sees_all(db):
    token, _ = make.a_token()
    client = Client()
    client.force_login(make.a_user(is_staff=True))

    assert token.prefix in client.get("/tokens/").content.decode()
