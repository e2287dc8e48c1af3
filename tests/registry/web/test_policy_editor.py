"""The editor of policies: it says what is wrong on which line and never loses what was typed."""

import html
import re

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from compat.policy import Task
from registry.upgrades.models import PolicyRevision
from registry.upgrades.policy_problems import require_policy
from registry.upgrades.policy_text import read_policy_text
from registry.upgrades.services.policies import add_policy_revision
from registry.web.policy_starts import STARTS
from tests.builders import registry as make
from tests.registry.web.conftest import HTMX, text_of

GOOD = STARTS["classification"].text
WRONG = GOOD.replace("bound: at_most", "bound: below", 1)


def typed_in(response):
    """Return what the text area holds."""
    found = re.search(r"<textarea.*?>\n?(.*?)</textarea>", response.content.decode(), re.DOTALL)
    return html.unescape(found[1])


def excerpt_of(response):
    """Return the lines that are marked as wrong."""
    found = re.findall(
        r'excerpt-wrong"><span class="excerpt-number">(\d+)</span>'
        r'<span class="excerpt-text">(.*?)</span>',
        response.content.decode(),
    )
    return [(int(number), text) for number, text in found]


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_every_text_to_start_from_is_a_policy(pages, start):
    response = pages.get("/policies/new/", {"from": start.key})

    assert typed_in(response) == start.text
    assert require_policy(read_policy_text(start.text)) in list(Task)
    assert start.text.startswith("# ")
    assert excerpt_of(response) == []


def test_a_check_marks_the_line_and_keeps_the_text(pages):
    response = pages.post("/policies/new/", {"name": "", "text": WRONG, "act": "check"})

    line = WRONG.splitlines().index("    bound: below") + 1
    assert response.status_code == 200
    assert excerpt_of(response) == [(line, "    bound: below")]
    assert f"line {line} rules[0].bound must be one of at_most, at_least, above" in text_of(
        response
    )
    assert typed_in(response) == WRONG


def test_a_check_of_a_policy_reads_it_in_words_and_keeps_nothing(pages):
    response = pages.post("/policies/new/", {"name": "", "text": GOOD, "act": "check"})

    assert "A policy for classification" in text_of(response)
    assert "negative flip rate (NFR) at most 1" in text_of(response)
    assert not PolicyRevision.objects.exists()


def test_what_is_wrong_is_not_saved(pages):
    response = pages.post("/policies/new/", {"name": "mine", "text": WRONG, "act": "save"})

    assert response.status_code == 422
    assert typed_in(response) == WRONG
    assert not PolicyRevision.objects.exists()


def test_a_text_is_saved_as_it_was_typed(pages, ada):
    sent = GOOD.replace("\n", "\r\n")

    response = pages.post("/policies/new/", {"name": "mine", "text": sent, "act": "save"})

    revision = PolicyRevision.objects.get()
    assert response.url == "/policies/mine/1/"
    assert (str(revision), revision.text, revision.created_by) == ("mine:1", GOOD, ada)


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("a b", 422, "invalid_name"),
        ("", 422, "This field is required"),
        ("faces", 422, "task_mismatch"),
    ],
)
def test_a_name_that_does_not_fit_is_told(pages, name, status, words):
    make.a_policy_revision("faces", task="embedding")

    response = pages.post("/policies/new/", {"name": name, "text": GOOD, "act": "save"})

    assert response.status_code == status
    assert words in text_of(response)
    assert typed_in(response) == GOOD


def test_an_edit_begins_with_the_newest_text_and_adds_a_revision(pages):
    add_policy_revision(name="mine", text=GOOD, actor=make.a_user())
    changed = GOOD.replace("0.01\n", "0.02\n", 1)

    before = pages.get("/policies/mine/edit/")
    same = pages.post("/policies/mine/edit/", {"text": GOOD, "act": "save"})
    saved = pages.post("/policies/mine/edit/", {"text": changed, "act": "save"})

    assert typed_in(before) == GOOD
    assert (same.status_code, "duplicate_policy" in text_of(same)) == (409, True)
    assert saved.url == "/policies/mine/2/"
    assert typed_in(pages.get("/policies/mine/edit/")) == changed


def test_a_policy_without_a_text_is_edited_as_yaml(pages):
    revision = make.a_policy_revision("mine")

    typed = typed_in(pages.get("/policies/mine/edit/"))

    assert read_policy_text(typed) == revision.document


def test_a_layer_is_shown_as_it_would_hold_for_an_alias(pages):
    make.an_alias(make.a_model("digits"))
    form = {
        "name": "",
        "text": STARTS["classification-layer"].text,
        "place": "alias:digits:production",
        "act": "check",
    }

    words = text_of(pages.post("/policies/new/", form))

    assert "as it would hold for alias digits@production" in words
    assert "600 samples or more blocks backward alias this text" in words
    assert "blocks at every level everything default-classification:1" in words


def test_a_layer_that_would_not_hold_there_names_the_line(pages):
    make.an_alias(make.a_model("digits"))
    text = STARTS["classification-layer"].text.replace("without: []", "without: [gone]")
    form = {"name": "", "text": text, "place": "model:digits", "act": "check"}

    response = pages.post("/policies/new/", form)

    assert excerpt_of(response) == [
        (text.splitlines().index("without: [gone]") + 1, "without: [gone]")
    ]
    assert "no inherited rule is called" in text_of(response)


def test_a_policy_for_another_task_than_the_scope_names_the_line(pages):
    make.an_alias(make.a_model("faces", task="embedding"))
    form = {"name": "", "text": GOOD, "place": "model:faces", "act": "check"}

    response = pages.post("/policies/new/", form)

    assert excerpt_of(response) == [(4, "task: classification")]


def test_htmx_gets_the_findings_alone(pages):
    response = pages.post("/policies/new/", {"text": WRONG}, headers=HTMX)

    assert response.status_code == 200
    assert response.content.decode().lstrip().startswith('<div id="draft"')
    assert b"<html" not in response.content


def test_hostile_text_is_shown_as_text(pages):
    text = "task: <script>alert(1)</script>\n<img src=x onerror=alert(1)>: 1\n"

    body = pages.post("/policies/new/", {"text": text, "act": "check"}).content.decode()

    assert "<script>alert" not in body
    assert "<img src=x" not in body


def session_of_ada(live_server):
    """Return the cookie of ada's session."""
    client = Client()
    client.force_login(make.a_user("ada"))
    session = client.cookies["sessionid"].value
    return {"name": "sessionid", "value": session, "url": live_server.url}


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_it_works_on_a_telephone_without_scripts(browser, live_server):
    make.an_alias(make.a_model("digits"))
    phone = {"width": 390, "height": 844}
    context = browser.new_context(
        base_url=live_server.url, viewport=phone, java_script_enabled=False
    )
    context.add_cookies([session_of_ada(live_server)])
    page = context.new_page()
    page.goto("/policies/new/?from=classification-layer")
    area = page.get_by_label("Policy", exact=True)

    area.fill(area.input_value().replace("at_most", "below"))
    page.get_by_role("button", name="Check").click()

    expect(page.locator(".excerpt-wrong")).to_contain_text("bound: below")
    assert page.evaluate("document.documentElement.scrollWidth") <= phone["width"]
    area.fill(area.input_value().replace("below", "at_most"))
    page.get_by_label("Name").fill("mine")
    page.get_by_role("button", name="Save as a revision").click()
    page.get_by_label("Set it for").select_option("alias:digits:production")
    page.get_by_role("button", name="Set", exact=True).click()
    page.goto("/models/digits/aliases/production/")
    expect(page.locator(".rules-table")).to_contain_text("mine:1")
    assert page.evaluate("document.documentElement.scrollWidth") <= phone["width"]
    context.close()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_lines_are_marked_while_one_types_and_lead_there(page: Page, live_server):
    page.context.add_cookies([session_of_ada(live_server)])
    page.goto("/policies/new/?from=classification-layer")
    area = page.get_by_label("Policy", exact=True)
    typed = area.input_value()

    area.fill(typed.replace("at_most", "below"))
    line = typed.splitlines().index("    bound: at_most") + 1
    expect(page.locator(".editor-wrong")).to_have_text(str(line))
    page.get_by_role("button", name=f"line {line}").click()
    assert page.evaluate("getSelection().toString()") == "    bound: below"
    assert area.input_value() == typed.replace("at_most", "below")

    area.fill(typed)
    expect(page.locator(".draft-good")).to_have_text(re.compile("A layer for classification"))
    expect(page.locator(".editor-wrong")).to_have_count(0)
    page.get_by_label("Name").fill("mine")
    page.get_by_role("button", name="Save as a revision").click()
    expect(page.get_by_role("heading", name="mine:1")).to_be_visible()
