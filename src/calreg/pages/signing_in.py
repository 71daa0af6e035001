"""The form in which a person shows a key."""

from __future__ import annotations

from calreg.pages.html import tag
from calreg.pages.plain import plain_page

__all__ = ["sign_in_page"]


def sign_in_page(target: str, *, owner: str | None, problem: str = "") -> bytes:
    """The page with the form.

    Args:
        target: The path to go to afterwards.
        owner: Whose session there is already.
        problem: What was wrong with the key that was shown.
    """
    field = tag(
        "input", type="password", id="key", name="key", required=True,
        autocomplete="current-password", aria_describedby="problem" if problem else None,
    )  # fmt: skip
    form = tag(
        "form",
        tag("input", type="hidden", name="next", value=target),
        tag("p", tag("label", "Key ", for_="key"), field),
        tag("p", problem, id="problem", role="alert") if problem else None,
        tag("p", tag("button", "Sign in", type="submit")),
        method="post",
        action="/sign-in",
    )
    said = tag("p", "A key of this service, as whoever runs it gave it to you.", class_="soft")
    return plain_page("Sign in", tag("h1", "Sign in"), said, form, _out(owner))


def _out(owner: str | None) -> str | None:
    if owner is None:
        return None
    button = tag("button", "Sign out", type="submit")
    return tag(
        "form", tag("p", f"Signed in as {owner}. ", button), method="post", action="/sign-out"
    )
