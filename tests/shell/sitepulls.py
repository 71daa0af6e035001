"""Pulls of a site that has something wrong: where the files are, and what a refusal must be."""

from __future__ import annotations

from pathlib import Path

from editions import installed_files
from killing import Ended, Warm
from staticsite import StaticSite

__all__ = [
    "ALL_FILES",
    "DEADLINE_S",
    "INDEX",
    "MODEL",
    "PACKED",
    "SIGNATURE",
    "SINGLE",
    "check_refused",
    "pulled",
]

INDEX, SIGNATURE = "/index.json", "/index.json.sig"
MODEL, PACKED, SINGLE = "/m/index.json", "/m/references.json", "/n/tone-calibration.json"
ALL_FILES = (INDEX, SIGNATURE, MODEL, PACKED, SINGLE)
DEADLINE_S = 1.0


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
