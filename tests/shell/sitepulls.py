"""Pulls of a site that has something wrong: where the files are, and what a refusal must be."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from editions import installed_files
from killing import Ended, Warm
from staticsite import (
    StaticSite,
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

__all__ = [
    "ALL_FILES",
    "DEADLINE_S",
    "INDEX",
    "MODEL",
    "NONSENSE",
    "PACKED",
    "SIGNATURE",
    "SINGLE",
    "check_nonsense",
    "check_refused",
    "pulled",
]

INDEX, SIGNATURE = "/index.json", "/index.json.sig"
MODEL, PACKED, SINGLE = "/m/index.json", "/m/references.json", "/n/tone-calibration.json"
ALL_FILES = (INDEX, SIGNATURE, MODEL, PACKED, SINGLE)
DEADLINE_S = 1.0

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


def pulled(warm: Warm, site: StaticSite, dest: Path, *more: str) -> Ended:
    """What a pull came to."""
    words = ("pull", site.url, dest, "--json", "--deadline", str(DEADLINE_S), *more)
    return warm.run(*words, cwd=dest.parent)


def check_refused(ended: Ended, dest: Path, before: dict[str, bytes]) -> None:
    """One line, a right exit code, in time, and everything as it was."""
    assert ended.code in (3, 4, 5), (ended.code, ended.out, ended.err)
    error = ended.json["error"]
    assert error["message"].isprintable(), error
    assert len(error["message"]) < 500
    assert "keeps what was installed" in error["hint"], error
    assert installed_files(dest) == before
    assert ended.seconds < DEADLINE_S + 1


def check_nonsense(
    warm: Warm, site: StaticSite, dest: Path, path: str, names: Iterable[str]
) -> None:
    """Serve a file of a site as something else, thing after thing: each pull is refused."""
    before = installed_files(dest)
    for name in names:
        if (name, path) == ("a space more", PACKED):
            continue  # a packed file is an envelope; each reference in it has its own digest
        site.faults = {path: NONSENSE[name]}
        ended = pulled(warm, site, dest)
        assert ended.code != 0, f"{name} was installed as {path}"
        assert site.asked(path)
        check_refused(ended, dest, before)
