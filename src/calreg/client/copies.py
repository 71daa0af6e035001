"""Where the plain copies of references lie, and what bytes they have.

A snapshot always holds the exact documents; programs that know nothing of calreg read plain
copies, and may want them under other names or in another system's format. A path that a
template makes, and every path that a `calreg.lock` names, is of one grammar, so that nothing
outside of the folder, and nothing of calreg's own in it, can be meant.

A new format is one line in `_WRITERS`, a new field of templates one line in `_fields`.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

from calreg import documents
from calreg.documents import Lock, LockEntry, LockFormat
from calreg.errors import InputError
from calreg.names import HeadName, nearest

__all__ = ["NOMARR_TEMPLATE", "check_path", "check_template", "copy_digest", "layout", "placed"]

LOCK_FILE = "calreg.lock"
NOMARR_TEMPLATE = "{model_name}/heads/softmax/{head}-calibration.json"
"""Where the reader of nomarr's format looks, below its folder of models."""

_MAX_PATH = 1000
_MAX_TEMPLATE = 500
_MAX_STEP = 200
_STEP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+@=, -]*")
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)}
)
_EXAMPLE = "models/{model_name}/heads/{head}-calibration.json"
_FORMATS: tuple[LockFormat, ...] = ("calreg", "nomarr")


def check_path(path: str, *, where: str | None = None) -> str:
    """The path itself, if a plain copy may lie there: relative, inside, and no file of ours.

    Raises:
        InputError: It is not of the grammar, with what is wrong about it.

    >>> check_path("models/effnet/heads/mood_happy-calibration.json")
    'models/effnet/heads/mood_happy-calibration.json'
    """
    problem = _path_problem(path)
    if problem is not None:
        raise InputError(
            f"{path[:200]!r} is no place for a reference: {problem}",
            where=where,
            hint="Use a relative path of letters, digits, '.', '_' and '-' inside DEST.",
            code="path",
        )
    return path


def _path_problem(path: str) -> str | None:
    if len(path) > _MAX_PATH:
        return f"it has {len(path):,} characters, at most {_MAX_PATH:,} are allowed"
    if path.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", path):
        return "it is absolute"
    if path.casefold() == LOCK_FILE:
        return f"{LOCK_FILE} is calreg's own"
    return next(filter(None, map(_step_problem, path.split("/"))), None)


@lru_cache(maxsize=4096)
def _step_problem(step: str) -> str | None:
    if step == "":
        return "a step of it is empty"
    if ".." in step:
        return "it holds '..'"
    if "\\" in step:
        return "it holds a backslash"
    if step.casefold() == ".calreg":
        return ".calreg is calreg's own"
    if len(step) > _MAX_STEP:
        return f"a step of it has {len(step)} characters, at most {_MAX_STEP} are allowed"
    if not _STEP.fullmatch(step):
        return f"{step!r} holds more than letters, digits and '._+@=, -', or begins otherwise"
    if step.endswith((".", " ")):
        return f"{step!r} ends in a dot or a space"
    if step.partition(".")[0].strip().casefold() in _DEVICES:
        return f"{step!r} is a device name on Windows"
    return None


def check_template(template: str) -> str:
    """The template itself, if every head's path can be made of it.

    Raises:
        InputError: An unknown field, a brace too many, or a path that is refused.

    >>> check_template("models/{model_name}/{head}.json")
    'models/{model_name}/{head}.json'
    """
    if len(template) > _MAX_TEMPLATE:
        raise _refused(f"--template: at most {_MAX_TEMPLATE} characters, got {len(template):,}")
    known = _fields("reg", HeadName("model/path", "name"), 1)
    for name in _names_in(template):
        if name not in known:
            listed = ", ".join(f"{{{field}}}" for field in known)
            raise _refused(f"--template: no field {{{name}}}; there are {listed}", name, known)
    check_path(_filled(template, known), where=f"--template {template!r}")
    return template


def _names_in(template: str) -> Iterator[str]:
    try:
        for _, name, spec, conversion in string.Formatter().parse(template):
            if name is not None:
                yield f"{name}{'!' * bool(conversion)}{':' * bool(spec)}"
    except ValueError as error:
        raise _refused(f"--template {template!r}: {error}") from error


def _fields(registry: str, head: HeadName, version: int) -> dict[str, str]:
    return {
        "registry": registry,
        "model": head.model,
        "model_name": head.model.rpartition("/")[2],
        "head": head.head,
        "version": str(version),
    }


def _filled(template: str, fields: Mapping[str, str]) -> str:
    # Not str.format: that reads attributes and widths of what is put in.
    parts = string.Formatter().parse(template)
    return "".join(text + (fields[name] if name is not None else "") for text, name, _, _ in parts)


def _refused(message: str, name: str = "", known: Mapping[str, str] | None = None) -> InputError:
    hint = f"{nearest(name, known)} " if known else ""
    return InputError(message, hint=f"{hint}For example: {_EXAMPLE}", code="template")


def layout(
    old: Lock | None, template: str | None, fmt: LockFormat | None
) -> tuple[str | None, LockFormat]:
    """Template and format of a set about to be installed: as asked, else as they were.

    Args:
        old: What is installed; None if nothing is.
        template: As asked; None if nothing was.
        fmt: As asked; None if nothing was.

    Raises:
        InputError: The template is refused.
    """
    chosen = fmt or (old.format if old else "calreg")
    if chosen not in _FORMATS:
        raise InputError(f"no format {chosen!r} of copies", hint=nearest(chosen, _FORMATS))
    if template is not None:
        return check_template(template), chosen
    if old is not None and (old.template is not None or fmt is None):
        return old.template, chosen
    return (NOMARR_TEMPLATE if chosen == "nomarr" else None), chosen


def copy_digest(entry: LockEntry) -> str:
    """The digest that an installed plain copy must have."""
    return entry.copy or entry.digest


def placed(lock: Lock, contents: Mapping[str, bytes]) -> tuple[Lock, dict[str, bytes]]:
    """The lock with the place and digest of every plain copy, and the copies' bytes by head.

    Args:
        lock: Its template and format are followed; its entries' `path` and `copy` are not.
        contents: The exact documents, by head; heads that are missing keep what the lock says.

    Raises:
        InputError: Two heads want one place, or the format cannot hold a head.
    """
    write = _WRITERS[lock.format]
    copies = {head: write(head, raw) for head, raw in contents.items()}
    entries = {
        head: _placed_entry(lock, head, entry, copies.get(head))
        for head, entry in lock.heads.items()
    }
    _check_apart(entries)
    return replace(lock, heads=entries), copies


def _placed_entry(lock: Lock, head: str, entry: LockEntry, copy: bytes | None) -> LockEntry:
    if copy is None:
        return entry
    path = _path_of(lock, head, entry)
    other = None if lock.format == "calreg" else documents.digest_of(copy)
    return entry if (entry.path, entry.copy) == (path, other) else replace(
        entry, path=path, copy=other
    )  # fmt: skip


def _path_of(lock: Lock, head: str, entry: LockEntry) -> str:
    name = HeadName.parse(head)
    if lock.template is None:
        return name.reference_path
    fields = _fields(lock.sources[entry.origin].registry, name, entry.version)
    return check_path(_filled(lock.template, fields), where=name.full)


def _check_apart(entries: Mapping[str, LockEntry]) -> None:
    """Refuse two heads on one path, on a disk without upper case too, or one inside the other."""
    taken: dict[str, str] = {}
    for head, entry in sorted(entries.items()):
        other = taken.setdefault(entry.path.casefold(), head)
        if other != head:
            raise _shared(other, head, entry.path)
    for head, entry in entries.items():
        folder = entry.path.casefold().rpartition("/")[0]
        while folder:
            if folder in taken:
                raise _shared(taken[folder], head, entry.path)
            folder = folder.rpartition("/")[0]


def _shared(one: str, other: str, path: str) -> InputError:
    return InputError(
        f"{one} and {other} would both be installed as {path}",
        hint="Add {model} or {head} to the template.",
        code="template",
    )


def _exact(_head: str, raw: bytes) -> bytes:
    return raw


def _nomarr(head: str, raw: bytes) -> bytes:
    from calreg import formats

    calibration = documents.load_calibration(raw, where=head)
    written = formats.write([calibration], "nomarr-sidecar", formats.Options(versioned=False))
    return next(iter(written.values()))


_WRITERS: Mapping[LockFormat, Callable[[str, bytes], bytes]] = {
    "calreg": _exact,
    "nomarr": _nomarr,
}
