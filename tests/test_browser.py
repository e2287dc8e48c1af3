"""The browser of the tests sees real pages and hides no error of their console."""

import pytest

from tests.browser import screenshot, watched_page

pytestmark = pytest.mark.browser

PNG = b"\x89PNG\r\n\x1a\n"


def test_a_page_of_the_live_server_is_seen(page, tmp_path, monkeypatch):
    monkeypatch.setenv("SCREENSHOT_DIR", str(tmp_path))
    answer = page.goto("/health/")
    assert answer is not None
    assert answer.status == 200
    assert "ok" in page.inner_text("body")
    assert screenshot(page, "health").read_bytes().startswith(PNG)


@pytest.mark.parametrize(
    "script",
    ["console.error('broken')", "undefined_name()", "fetch('/missing-page')"],
    ids=["logged", "thrown", "missing"],
)
def test_an_error_of_the_console_fails_the_test(browser, live_server, script):
    with pytest.raises(AssertionError, match="console"):
        run_script(browser, live_server.url, script)


def run_script(browser, url, script):
    with watched_page(browser, url) as page:
        page.goto("/health/")
        page.evaluate(f"setTimeout(() => {{ {script} }})")
        page.wait_for_timeout(50)
        page.wait_for_load_state("networkidle")
