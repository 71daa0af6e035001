"""Headless Chromium, as a Linux distribution ships it, and pages to look at.

Where it must be there (in CI, or with CALREG_REQUIRE) its absence is a failure.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

_TESTS = Path(__file__).parents[1]
sys.path += [str(_TESTS / "service"), str(_TESTS / "shell")]

from browsing import FLAGS, IS_CI, SCREENSHOTS, Tab, watched_tab  # noqa: E402 -- needs the paths above

collect_ignore = ["conftest.py"]


# Read before any fixture cleans the environment.
_WANTED = os.environ.get("CALREG_CHROMIUM", "/usr/bin/chromium")


def _chromium() -> str:
    found = shutil.which(_WANTED)
    if found is not None:
        return found
    message = f"no Chromium at {_WANTED}: apt-get install chromium, or set CALREG_CHROMIUM"
    if IS_CI:
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests."""
    path = _chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def one_tab(chromium: Browser) -> Iterator[Tab]:
    """A tab for all tests that want a usual one: a new one costs more than most pages."""
    with watched_tab(chromium) as found:
        yield found


@pytest.fixture
def tab(one_tab: Tab) -> Iterator[Tab]:
    """A tab as if it were fresh, which must stay without an error or a request to elsewhere."""
    yield one_tab
    one_tab.forget()


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory) -> Iterator[None]:
    """A name and an email for git, and no variables of its or ours."""
    folder = tmp_path_factory.mktemp("home")
    (folder / ".gitconfig").write_text(
        "[user]\n\tname = Ada Lovelace\n\temail = ada@example.org\n", encoding="utf-8"
    )
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("GIT_", "CALREG_"))]:
            patch.delenv(name)
        patch.setenv("HOME", str(folder))
        yield


@pytest.fixture(scope="session", autouse=True)
def screenshots() -> Path:
    """Where pictures of pages go; CI keeps them."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS
