"""The service's log: nobody writes entries into it but the service."""

from __future__ import annotations

import logging

from calreg.service.logs import EntryFormatter


def entry(message: str, error: Exception | None = None) -> str:
    """What is logged of a message, and of an error."""
    about = None if error is None else (type(error), error, None)
    record = logging.LogRecord("calreg", logging.ERROR, "x.py", 1, message, (), about)
    return EntryFormatter().format(record)


def test_a_message_is_one_entry():
    """Lines and control characters in what others wrote look like no entry and do nothing."""
    text = entry("gone\n2026-01-01 00:00:00 ERROR forged\r\x1b[2J\u202e", ValueError("a\nb\x07"))

    first, *more = text.splitlines()
    assert first.endswith("ERROR gone")
    assert more
    assert all(line.startswith("    ") for line in more)
    assert text.replace("\n", "").isprintable()


def test_no_secret_of_an_address_is_logged():
    """User, password and query of a URL are struck out, also in a traceback."""
    error = ValueError("https://me:canary@host/x?token=canary")
    text = entry("ssh://canary@host", error)

    assert "canary" not in text
    assert "https://host/x" in text
