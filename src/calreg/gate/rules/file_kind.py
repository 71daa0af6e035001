"""Blocks links, submodules, programs and other files that are not plain.

A link in a registry makes a checkout or a client read somewhere else; a submodule fetches from
wherever it says; nothing in a registry is ever run. Documents are plain files, mode 100644.
"""

from __future__ import annotations

from collections.abc import Iterator

from calreg.gate.case import Case
from calreg.gate.files import PLAIN
from calreg.gate.rule import Rule
from calreg.gate.said import Said

__all__ = ["RULE", "check"]

_WORDS = {
    "120000": "a symbolic link",
    "160000": "a submodule",
    "100755": "executable",
    "040000": "a folder without files",
}


def check(case: Case) -> Iterator[Said]:
    """Every touched file that is there and not plain."""
    for path, touch in case.files.touches.items():
        if touch.new is not None and touch.new.mode != PLAIN:
            what = _WORDS.get(touch.new.mode, "no plain file")
            yield Said(
                f"is {what}: expected mode {PLAIN}, got {touch.new.mode!r}",
                path,
                hint="git update-index --chmod=-x, or replace it by a plain file.",
            )


RULE = Rule("file-kind", "plain files only", "error", "error", check)
