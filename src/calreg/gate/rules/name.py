"""Blocks names that the registry's grammar does not allow, or that only differ in case.

A head is stored under its name, on every file system, by every client: upper case, white space,
`..`, device names of Windows and two names that one disk takes for the same are refused where
they would come in. Other files may be called more, but nothing that some disk takes for another
file, or git for its own folder.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from calreg.errors import InputError
from calreg.gate.case import Case
from calreg.gate.files import MAX_PATH
from calreg.gate.rule import Rule
from calreg.gate.said import Said
from calreg.names import HeadName, is_device_name

__all__ = ["RULE", "check", "is_misnamed"]

_CALIBRATION = re.compile(r"(?:(.*)/)?([^/]*)-calibration(?:-v[^/]*)?\.json", re.DOTALL)
_FOLDER = re.compile(r"/v[0-9]+\Z")
_SIGN = re.compile(r'[<>:"\\|?*]')
_OF_GIT = re.compile(r"(?:\.git|git~[0-9]+)", re.IGNORECASE)


def check(case: Case) -> Iterator[Said]:
    """Every new file whose name is none, and every pair that differs in case alone."""
    new = [path for path, touch in case.files.touches.items() if touch.old is None]
    for path in new:
        problem = _problem(case, path)
        if problem is not None:
            yield Said(
                problem, path, hint="Names: a-z, 0-9, '.', '_' and '-'; see docs/registry.md."
            )
    yield from _collisions(case, new)
    yield from _beside(case)


def is_misnamed(case: Case, path: str) -> bool:
    """Whether this rule speaks of a path, so that no other need."""
    return _problem(case, path) is not None


def _problem(case: Case, path: str) -> str | None:
    if path in case.files.places:
        return None
    if len(path) > MAX_PATH:
        return f"has a name of {len(path):,} characters, at most {MAX_PATH} are allowed"
    if not path.isprintable():
        return "has a name with characters that cannot be printed"
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return "has a name that is no UTF-8"
    if not unicodedata.is_normalized("NFC", path):
        return "has a name that is not in Unicode normal form C"
    found = _CALIBRATION.fullmatch(path)
    if found is None:
        return next(filter(None, map(_unportable, path.split("/"))), None)
    try:
        HeadName(_FOLDER.sub("", found[1] or ""), found[2])
    except InputError as error:
        return error.message
    return "is called like a calibration and lies where none is"


def _unportable(step: str) -> str | None:
    """What some file system, or git itself, takes a step of a path for."""
    if _OF_GIT.fullmatch(step):
        return f"lies in a folder {step!r}, which git takes for its own"
    if is_device_name(step):
        return f"{step!r} is a device name on Windows"
    if (sign := _SIGN.search(step)) is not None:
        return f"{step!r} holds {sign[0]!r}, which means something to some file systems"
    if step.endswith((".", " ")):
        return f"{step!r} ends with '.' or a space, which Windows cuts off"
    return None


def _beside(case: Case) -> Iterator[Said]:
    """New files beside the registry that some disk would put into its folder."""
    folder = case.change.folder
    start = f"{folder}/"
    for touch in case.change.outside if folder else ():
        if touch.new is None or len(touch.path) > MAX_PATH + len(start):
            continue
        # Two forms of one name may differ in length.
        steps = "/".join(touch.path.split("/")[: start.count("/")]) + "/"
        if steps != start and _alike(steps) == _alike(start):
            problem = f"differs from the registry's folder {folder!r} only in case"
            yield Said(problem, f"/{touch.path}")


def _alike(path: str) -> str:
    """What all paths have in common that some disk takes for this one."""
    return path.lower() if path.isascii() else unicodedata.normalize("NFC", path).casefold()


def _collisions(case: Case, new: list[str]) -> Iterator[Said]:
    if not new:
        return
    spelt: dict[str, set[str]] = {}
    new = [path for path in new if len(path) <= MAX_PATH]
    for path in {*case.change.head.listing, *new}:
        for step in _steps(path):
            spelt.setdefault(_alike(step), set()).add(step)
    for path in new:
        for step in _steps(path):
            others = sorted(spelt[_alike(step)] - {step})
            if others:
                form = "" if step.isascii() else " or form"
                yield Said(f"differs from {others[0]!r} only in case{form}", path)
                break


def _steps(path: str) -> Iterator[str]:
    """The folders that lead to a path, and itself."""
    if len(path) > MAX_PATH:
        return
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)
    yield path


RULE = Rule("name", "names that every file system can hold", "error", "error", check)
