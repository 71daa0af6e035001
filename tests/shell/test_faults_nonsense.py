"""Whatever a file of a site is instead of itself: refused, and the last good set stays."""

from __future__ import annotations

import pytest
from campaigns import HEADS
from editions import installed_files
from sitepulls import ALL_FILES, PACKED, check_refused, pulled
from staticsite import (
    appended,
    empty,
    header_flood,
    html,
    instead,
    other_json,
    promising,
    redirect,
    truncated,
    unavailable,
    utf16,
    with_bom,
)  # fmt: skip

NONSENSE = {
    "html": html(),
    "another document": other_json(),
    "empty": empty(),
    "a BOM": with_bom(),
    "UTF-16": utf16(),
    "a space more": appended(b" "),
    "a list": instead(b"[]\n"),
    "deep": instead(b"[" * 100_000 + b"]" * 100_000),
    "a number without end": instead(b'{"seq": ' + b"9" * 10_000 + b"}"),
    "a double key": instead(b'{"schema": "calreg/index/1.0", "schema": "calreg/index/1.0"}'),
    "cut at once": truncated(at=0),
    "cut later": truncated(at=150),
    "promises less": promising(9),
    "promises more": promising(10**6),
    "promises terabytes": promising(10**13),
    "out of order": unavailable(500),
    "busy": unavailable(503, retry_after="3600"),
    "too many": unavailable(429, retry_after="Fri, 31 Dec 9999 23:59:59 GMT"),
    "a file": redirect("file:///etc/passwd"),
    "round and round": redirect("{path}"),
    "headers": header_flood(500, size=1000),
}


@pytest.mark.parametrize("path", ALL_FILES)
def test_nonsense(warm, sited, edited, path):
    """Whatever a file is instead, nothing of it is installed, and the next pull works."""
    before = installed_files(edited)

    for name, fault in NONSENSE.items():
        if (name, path) == ("a space more", PACKED):
            continue  # a packed file is an envelope; each reference in it has its own digest
        sited.faults = {path: fault}
        ended = pulled(warm, sited, edited)
        assert ended.code != 0, f"{name} was installed as {path}"
        assert sited.asked(path)
        check_refused(ended, edited, before)

    sited.faults = {}
    assert pulled(warm, sited, edited).json["updated"] == list(HEADS)
