"""The one thing that can be done on a page: start a run, and watch it."""

from __future__ import annotations

from calreg.pages.board import Place
from calreg.pages.html import Html, tag

__all__ = ["start_form"]

_RUNS = "admin/calibration/run"


def start_form(place: Place, *, is_signed_in: bool = False) -> Html:
    """A form that starts a run, and the place where its progress is told.

    Args:
        place: Where the page lies.
        is_signed_in: Whether the browser has shown a key already.
    """
    form = tag(
        "form",
        *([] if is_signed_in else _key()),
        tag("button", "Start a run", type="submit"),
        None if is_signed_in else tag(
            "small", "The key is kept in this tab only, until it is closed.", id="key-said",
            class_="soft",
        ),
        class_="run",
        hidden=True,
        data_runs=f"{place.root}{_RUNS}",
    )  # fmt: skip
    return tag(
        "section",
        form,
        tag(
            "noscript",
            tag("p", "Starting a run from here takes a script; a program posts to ",
                tag("code", f"/{_RUNS}"), "."),
        ),
        tag("p", id="run-said", role="status", aria_live="polite"),
        tag("progress", id="run-bar", hidden=True, aria_label="Progress of the run"),
        class_="start",
        aria_label="Start a run",
    )  # fmt: skip


def _key() -> list[Html]:
    return [
        tag("label", "Key", for_="key"),
        tag(
            "input",
            type="password",
            id="key",
            required=True,
            autocomplete="off",
            spellcheck="false",
            aria_describedby="key-said",
        ),
    ]
