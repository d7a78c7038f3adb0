"""Debian's Chromium under Playwright, and people in front of it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.e2e.product import Person

# It may run as root, and must send no request outside.
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
POLICY_REPORTS = ("Content Security Policy", "Trusted")


@contextmanager
def running_browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        raise RuntimeError("The tests need chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=OPTIONS)
        yield browser
        browser.close()


@contextmanager
def window(browser: Browser, **options: Any) -> Iterator[BrowserContext]:
    """A separate browser profile; when it closes, no script may have failed, and no policy may have
    reported anything."""
    context = browser.new_context(**options)
    faults: list[str] = []

    def note(text: str) -> None:
        if any(mark in text for mark in POLICY_REPORTS):
            faults.append(text)

    context.on("weberror", lambda error: faults.append(str(error.error)))
    context.on("console", lambda message: note(message.text))
    yield context
    context.close()
    assert faults == [], faults


def sign_in(context: BrowserContext, person: Person, path: str = "/") -> Page:
    """A page of somebody who signed in elsewhere; it gets only the cookies."""
    context.add_cookies(
        [
            {"name": name, "value": value, "url": person.product.origin, "httpOnly": True}
            for name, value in person.cookies.items()
        ]
    )
    page = context.new_page()
    page.goto(f"{person.product.origin}{path}")
    return page
