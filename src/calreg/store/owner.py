"""Which process a run belongs to, and whether that is still there."""

from __future__ import annotations

import os
import platform
from pathlib import Path

__all__ = ["is_gone", "this_process"]


def this_process() -> str:
    """Host, number and start of this process: no other one is called that."""
    return f"{platform.node()} {os.getpid()} {_start_of(os.getpid())}"


def is_gone(owner: str) -> bool | None:
    """Whether a process of this host has ended; None of another host: nobody here knows."""
    host, number, start = owner.rsplit(" ", 2)
    if host != platform.node():
        return None
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it is there, and somebody else's
    return _start_of(int(number)) != start  # the number may have been given out again


def _start_of(number: int) -> str:
    try:
        words = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "?"  # a system without it: the number must do
    return words.rpartition(")")[2].split()[19]
