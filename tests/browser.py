"""A real Chromium, driven by Playwright, that fails a test on every error of its console."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
SCREENSHOTS = Path(__file__).resolve().parent.parent / "var" / "screenshots"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the Chromium found on PATH; its absence is an error, never a skip."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise RuntimeError("browser tests need chromium on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def watched_page(browser: Browser, base_url: str) -> Iterator[Page]:
    """Open a fresh page; after the block fail on console errors and uncaught exceptions."""
    errors: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        address = message.location.get("url", "")
        # Chromium asks for this by itself where an answer, such as JSON, can name no icon.
        if message.type == "error" and not address.endswith("/favicon.ico"):
            errors.append(f"{message.text} ({address})")

    context = browser.new_context(base_url=base_url, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.on("console", listen)
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        yield page
    finally:
        context.close()
    assert errors == [], "the browser's console shows errors"


def screenshot(page: Page, name: str) -> Path:
    """Save what the page shows, in full length, for a person to look at."""
    path = Path(os.environ.get("SCREENSHOT_DIR", SCREENSHOTS)) / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path, full_page=True)
    return path
