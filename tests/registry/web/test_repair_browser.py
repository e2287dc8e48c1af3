"""The repair in a real browser: asked for, followed without a reload, and told as measured."""

import pytest
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page, expect

from registry.upgrades.models import AdapterFit, Upgrade
from tests import browser as browsers
from tests.builders import registry as make
from tests.builders.adapters import a_pool, an_unpassed_upgrade, finish

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE = {"width": 390, "height": 844}


@pytest.fixture
def seen(page: Page, live_server) -> Page:
    """A browser in which ada is logged in."""
    client = Client()
    client.force_login(make.a_user("ada"))
    session = client.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    return page


def test_a_person_asks_for_an_adapter_and_sees_what_it_became(seen: Page):
    upgrade = an_unpassed_upgrade(name="faces")
    a_pool("pool")
    seen.goto(reverse("upgrade", args=[upgrade.pk]))
    seen.get_by_label("Fit on").select_option(label="pool:1")

    seen.get_by_role("button", name="Fit an adapter").click()

    repair = seen.locator("#repair")
    expect(repair.get_by_text("fitted on pool:1")).to_be_visible()
    stored = repair.get_by_label("Stored vectors, into the space")
    stored.check()
    for _ in range(2):
        with seen.expect_response("**/adapters/"):
            pass
    expect(stored).to_be_checked()
    made = finish(AdapterFit.objects.get()).made
    expect(repair.get_by_text(f"It made {made}")).to_be_visible(timeout=30_000)
    make.judge(Upgrade.objects.get(candidate=made))
    expect(repair.get_by_text("Measured on what judges")).to_be_visible()
    polled = reverse("adapter_fit", args=[upgrade.pk])
    expect(repair).not_to_have_attribute("hx-get", polled, timeout=30_000)
    repair.get_by_text("How the method was chosen").click()
    expect(repair.get_by_text("orthogonal Procrustes chosen")).to_be_visible()
    expect(repair.get_by_role("cell", name="+0.030")).to_be_visible()
    browsers.screenshot(seen, "repair")
    seen.set_viewport_size(PHONE)
    assert seen.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
