"""What `doctor` looks at in a folder that `pull` installed into, and may put right there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from calreg.cli.checkup import Checked, problem
from calreg.errors import CalregError
from calreg.report.numbers import plural

if TYPE_CHECKING:
    from calreg.client.destination import Destination
    from calreg.client.folder import Folder

__all__ = ["installed_checks", "installed_fixes"]

_WAIT_S = 30.0
_LEFT = ("new", "scratch")
_MAX_BYTES = 16 * 2**20


def installed_checks(dest: Path) -> Iterator[Checked]:
    """A folder that `pull` installed into: every file, what killed pulls left, the caches."""
    from calreg.client import verify

    try:
        findings = verify(dest)
    except CalregError as error:
        yield problem("installed", error)
        return
    for finding in findings:
        can_fix = finding.rule == "missing"
        hint = "calreg doctor --installed DEST --fix restores it." if can_fix else None
        message = f"{finding.path}: {finding.problem}"
        yield Checked("problem", "installed", message, hint, can_fix=can_fix)
    if not findings:
        yield Checked("ok", "installed", f"{dest}: every file is as it was installed")
    for path in _left_behind(dest):
        hint = "calreg doctor --installed DEST --fix removes it."
        message = f"{path}: a pull that was killed left it"
        yield Checked("note", "installed", message, hint, can_fix=True)
    for cache in _broken_caches(dest):
        hint = "calreg doctor --installed DEST --fix drops it; the next pull makes it anew."
        yield Checked("problem", "cache", f"{cache}: is broken", hint, can_fix=True)


def installed_fixes(dest: Path) -> Iterator[Checked]:
    """Put right what is safe, a finding each; what somebody else put there stays."""
    from calreg.client.deadline import Deadline
    from calreg.client.destination import Destination, open_folder, read_lock

    try:
        with open_folder(dest) as folder:
            if read_lock(folder) is None:
                return  # nothing is installed, and nothing is ours
            # Alone: what a pull that is at work has on its way is no leftover.
            with Destination.exclusively(dest, Deadline(_WAIT_S)) as destination:
                destination.recover()
                yield from _restored(folder, destination)
                for path in _left_behind(dest):
                    folder.remove_folder(path)
                    yield _fixed(f"{path}: removed")
                yield from _caches_dropped(dest)
    except CalregError as error:
        yield problem("fixed", error)


def _fixed(message: str) -> Checked:
    return Checked("ok", "fixed", message)


def _restored(folder: Folder, destination: Destination) -> Iterator[Checked]:
    """Write plain copies that are missing, from the documents that are kept beside them."""
    from calreg.client.copies import placed

    lock = destination.lock()
    if lock is None:
        return
    _, copies = placed(lock, destination.contents(lock))
    missing = {
        lock.heads[head].path: copy
        for head, copy in copies.items()
        if _is_missing(folder, lock.heads[head].path)
    }
    if missing:
        folder.write_all(missing)
        yield _fixed(f"{plural(len(missing), 'missing file')} written again")
    lost = sorted(lock.heads.keys() - copies.keys())
    if lost:
        message = f"{plural(len(lost), 'head')} cannot be restored from here: {', '.join(lost[:5])}"
        yield Checked("problem", "fixed", message, "calreg pull brings them.")


def _is_missing(folder: Folder, path: str) -> bool:
    with contextlib.suppress(CalregError):  # something that is not ours is in its place
        return folder.read(path, max_bytes=_MAX_BYTES) is None
    return False


def _left_behind(dest: Path) -> list[str]:
    """Folders below DEST that hold what a killed pull was about to install."""
    from calreg.client.destination import STATE

    found = [f"{STATE}/{name}" for name in _LEFT]
    return [path for path in found if _holds_something(dest / path)]


def _holds_something(folder: Path) -> bool:
    try:
        return not folder.is_symlink() and any(folder.iterdir())
    except OSError:
        return False


def _broken_caches(dest: Path) -> list[Path]:
    from calreg.client.destination import STATE
    from calreg.git import is_cache
    from calreg.git.health import broken_objects

    folders = sorted((dest / STATE).glob("cache*"))
    # What was fetched with less than everything is whole in what it has.
    return [one for one in folders if is_cache(one) and broken_objects(one, is_whole=False)]


def _caches_dropped(dest: Path) -> Iterator[Checked]:
    from calreg.git import drop_cache

    for cache in _broken_caches(dest):
        drop_cache(cache)
        yield _fixed(f"{cache}: dropped, the next pull makes it anew")
