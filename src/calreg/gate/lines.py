"""Where in a document's text a value stands, for whoever reads a finding beside the file."""

from __future__ import annotations

import re
from collections.abc import Sequence

from calreg.documents import canonical_bytes

__all__ = ["Lines"]

_MAX_BYTES = 4 * 2**20
_KEY = re.compile(rb'^( *)("(?:[^"\\\n]|\\.)*+"):', re.MULTILINE)


class Lines:
    r"""The lines of a canonical document by the keys that lead to them; read once.

    Of a document of more than 4 MiB no line is known: nobody looks at it beside a finding.

    >>> Lines(b'{\n  "a": {\n    "b": 1\n  }\n}\n').of(["a", "b"])
    3
    """

    def __init__(self, raw: bytes) -> None:
        self._found: dict[tuple[int, bytes], int] = {}
        above = [0]
        line, at = 1, 0
        for key in _KEY.finditer(raw if len(raw) <= _MAX_BYTES else b""):
            line, at = line + raw.count(b"\n", at, key.start()), key.start()
            depth = len(key[1]) // 2
            # What is deeper by more than one lies in a list, where keys lead nowhere.
            above = [*above[:depth], *([-1] * (depth - len(above))), line]
            self._found.setdefault((above[depth - 1] if depth else 0, key[2]), line)

    def of(self, pointer: Sequence[str]) -> int | None:
        """The line, from 1, of the value that keys lead to, as far as they lead."""
        at = 0
        for key in pointer:
            token = canonical_bytes({key: None}).split(b"\n")[1].strip()[: -len(b": null")]
            below = self._found.get((at, token))
            if below is None:
                break
            at = below
        return at or None
