"""A tab of a browser that notes what a page must not do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

__all__ = ["FLAGS", "IS_CI", "PHONE", "SCREENSHOTS", "WIDE", "Tab", "watched_tab"]

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
# Read before any fixture cleans the environment.
IS_CI = bool(os.environ.get("CALREG_REQUIRE") or os.environ.get("CI"))

# A busy machine is no failure: nothing here is about how long a page takes.
_LIMIT_MS = 30_000
expect.set_options(timeout=_LIMIT_MS)

WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@dataclass
class Tab:
    """A page, what its console said, and where it sent requests."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def open(self, address: str) -> Page:
        """Go there, and wait until it has loaded."""
        self.page.goto(address)
        return self.page

    def note(self, message: ConsoleMessage) -> None:
        """Keep what is no mere log."""
        if message.type in {"error", "warning"}:
            self.said.append(f"{message.type}: {message.text}")

    def picture(self, name: str) -> None:
        """Keep a picture of the whole page where CI keeps it: it costs as much as the page."""
        if IS_CI:
            self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    def forget(self) -> None:
        """Be as a fresh tab is: nothing kept, nothing said, nowhere."""
        if urlsplit(self.page.url).scheme == "http":
            self.page.evaluate("sessionStorage.clear(), localStorage.clear()")
        self.page.context.clear_cookies()
        self.page.emulate_media(media="null", color_scheme="null")
        self.page.goto("about:blank")
        self.said.clear()
        self.asked.clear()

    def hosts(self) -> set[str]:
        """Where it sent requests; files and data are no hosts."""
        places = (urlsplit(address) for address in self.asked)
        return {place.netloc for place in places if place.scheme not in {"data", "file"}}


@contextmanager
def watched_tab(browser: Browser, **options: Any) -> Iterator[Tab]:
    """A fresh tab, with storage of its own."""
    options.setdefault("viewport", WIDE)
    context = browser.new_context(**options)
    context.set_default_timeout(_LIMIT_MS)
    page = context.new_page()
    tab = Tab(page)

    def asked(request: Request) -> None:
        tab.asked.append(request.url)

    page.on("console", tab.note)
    page.on("pageerror", lambda error: tab.said.append(f"error: {error}"))
    page.on("request", asked)
    yield tab
    context.close()
