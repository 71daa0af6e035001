"""What a terminal shows while something is published."""

from __future__ import annotations

import sys
from collections.abc import Callable

from calreg.cli.terminal import note

__all__ = ["progress_steps"]


def progress_steps() -> Callable[[str], None] | None:
    """Says on a terminal what a push waits for; in a pipe nobody needs to know."""
    if not sys.stderr.isatty():
        return None
    return lambda step: note([f"{step} …"])
