"""Every address: who may see it, with which method, and what it answers where nothing is."""

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, reverse

from registry.web import urls
from registry.web.pages import home
from registry.web.templatetags.registry_ui import area
from tests.builders import registry as make

PUBLIC = {"login", "logout"}

EXAMPLES: dict[str, object] = {
    "name": "none",
    "alias": "none",
    "number": 1,
    "upgrade_id": 1,
    "other_id": 2,
    "check_id": 1,
    "backfill_id": 1,
    "choice_id": 1,
    "comparison_id": 1,
    "row": 1,
    "outputs_id": 1,
    "pin_id": 1,
    "token_id": 1,
    "waiver_id": 1,
    "webhook_id": 1,
    "delivery_id": 1,
    "seq": 1,
    "schedule_id": 1,
    "signal": "none",
}

ACTS = {
    "version_propose",
    "recording_upload",
    "outputs_retry",
    "alias_policy",
    "policy_set",
    "policy_unset",
    "model_group",
    "alias_pin",
    "alias_unpin",
    "upgrade_withdraw",
    "upgrade_supersede",
    "upgrade_shadow_stop",
    "upgrade_decide",
    "upgrade_evaluate_again",
    "waiver_request",
    "waiver_grant",
    "alias_approvals",
    "gallery_items",
    "gallery_backfill_steer",
    "gallery_declare",
    "gallery_probation",
    "ledger_verify",
    "token_revoke",
    "webhook_rotate",
    "webhook_ping",
    "webhook_deactivate",
    "webhook_activate",
    "webhook_redeliver",
    "upgrade_schedule",
    "schedule_cancel",
    "alias_safeguard",
    "alias_safeguard_remove",
    "gallery_canaries_check",
    "gallery_drift_acknowledge",
}


def address(pattern: URLPattern) -> str:
    names = pattern.pattern.converters
    return reverse(pattern.name, kwargs={name: EXAMPLES[name] for name in names})


GUARDED = [p for p in urls.urlpatterns if p.name not in PUBLIC]
ALL = [pytest.param(p, id=p.name) for p in GUARDED]
OF_ONE_THING = [
    pytest.param(p, id=p.name)
    for p in GUARDED
    if p.pattern.converters and p.name != "token_revoke"  # told on the list of tokens
]


@pytest.mark.parametrize("pattern", ALL)
def test_nobody_sees_anything_without_logging_in(db, pattern):
    response = Client().get(address(pattern))

    assert response.status_code == 302
    assert response.url.startswith(reverse("login"))


@pytest.mark.parametrize("pattern", ALL)
def test_acts_are_posts_and_only_they(pages, pattern):
    response = pages.get(address(pattern))

    assert (response.status_code == 405) == (pattern.name in ACTS)


@pytest.mark.parametrize("pattern", OF_ONE_THING)
def test_what_is_not_there_is_a_page_that_says_so(pages, pattern):
    method = pages.post if pattern.name in ACTS else pages.get

    response = method(address(pattern), follow=True)

    assert response.status_code == 404
    assert b"Graceful Registry" in response.content


@pytest.mark.parametrize("pattern", ALL)
def test_a_post_without_its_token_is_refused(db, pattern):
    client = Client(enforce_csrf_checks=True)
    client.force_login(make.a_user())

    response = client.post(address(pattern))

    assert response.status_code == 403
    assert b"csrf_failed" in response.content


def test_every_page_belongs_to_an_entry_of_the_navigation(pages):
    bar = pages.get("/").content.decode().partition('aria-label="Main"')[2].partition("</nav>")[0]
    no_pages = {"rival_choose", "flip_picture", "ledger_export"}

    astray = [
        pattern.name
        for pattern in GUARDED
        if pattern.name not in ACTS | no_pages and f'href="{entry(pattern.name)}"' not in bar
    ]

    assert astray == []


def entry(name: str) -> str:
    """Return the address of what the navigation marks on a page."""
    try:
        return reverse(area(name))
    except NoReverseMatch:
        return "none"


def test_an_unknown_address_is_a_page_for_everybody(pages, client):
    for visitor in (pages, client):
        response = visitor.get("/nowhere/")
        assert response.status_code == 404
        assert b"There is nothing at this address." in response.content


def test_what_breaks_is_a_page_that_says_nothing_of_the_inside(pages, monkeypatch):
    def broken():
        raise RuntimeError("the inside")

    monkeypatch.setattr(home, "aliases_serving", broken)
    pages.raise_request_exception = False

    response = pages.get("/")

    assert response.status_code == 500
    assert b"Something broke on our side" in response.content
    assert b"the inside" not in response.content


def test_an_unknown_object_shows_its_code(pages):
    response = pages.get("/models/none/")

    assert b"unknown_model" in response.content


def test_a_number_beyond_the_database_is_not_found(pages):
    assert pages.get("/upgrades/99999999999999999999999/").status_code == 404


def test_a_wrong_password_says_so(client, db):
    response = client.post(reverse("login"), {"username": "ada", "password": "wrong"})

    assert b"The user name or the password is wrong." in response.content


def test_logging_in_leads_to_the_page_that_was_asked_for(client, db):
    user = make.a_user("ada")
    user.set_password("a long password 1843")
    user.save()

    response: HttpResponse = client.post(
        reverse("login"),
        {"username": "ada", "password": "a long password 1843", "next": "/ledger/"},
    )

    assert response.status_code == 302
    assert response.url == "/ledger/"


def test_every_page_runs_no_inline_script(pages):
    make.a_judged_upgrade()

    for path in ("/", "/models/", "/upgrades/", "/upgrades/1/", "/tokens/"):
        response = pages.get(path)
        policy = response.headers["Content-Security-Policy"]
        assert "script-src 'self'; style-src 'self';" in policy
        assert "unsafe" not in policy
        assert b"<script>" not in response.content
        assert b" onclick=" not in response.content
