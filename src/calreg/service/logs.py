"""The service's log, one entry after the other: nothing in one can pose as another.

Messages hold what others wrote: a receiver of webhooks, a database, whoever sent a request. So
control characters become visible, later lines of an entry are indented, and what a URL may
keep secret is struck out of all of it, tracebacks included.
"""

from __future__ import annotations

import logging

from calreg.git import redact

__all__ = ["EntryFormatter", "log_to_stderr"]


class EntryFormatter(logging.Formatter):
    """Time, level, message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """An entry; its first line alone begins at the margin."""
        lines = redact(super().format(record)).split("\n")
        return "\n    ".join("".join(map(_visible, line)) for line in lines)


def _visible(char: str) -> str:
    return char if char.isprintable() or char == "\t" else ascii(char)[1:-1]


def log_to_stderr() -> None:
    """Have warnings and errors of all parts said on standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(EntryFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
