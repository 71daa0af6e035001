"""Write one commit as a stream for `git fast-import`.

The stream names only the files that change: git takes the rest of the tree over from the
parent, so that a commit costs what is new in it, whatever the history. Pure bytes; nothing
here starts git.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from calreg.errors import InputError
from calreg.git.arguments import check_path
from calreg.git.settings import Identity

__all__ = ["commit_stream"]


def commit_stream(
    *,
    ref: str,
    parent: str | None,
    files: Mapping[str, bytes],
    delete: Collection[str],
    message: str,
    identity: Identity,
    when: datetime,
) -> bytes:
    """The input of `git fast-import --done` that makes one commit and prints its id.

    Args:
        ref: Set to the commit; one that nobody else uses.
        parent: The commit whose tree the files are laid over; None for a first commit.
        files: Path to bytes; each becomes a plain file, mode 100644.
        delete: Paths the commit no longer has.
        message: Any text.
        identity: Author and committer.
        when: The time of both; with a time zone.

    Raises:
        InputError: A path is not one, or the time has no zone.
    """
    return b"".join(_parts(ref, parent, files, delete, message, identity, when))


def _parts(
    ref: str,
    parent: str | None,
    files: Mapping[str, bytes],
    delete: Collection[str],
    message: str,
    identity: Identity,
    when: datetime,
) -> Iterator[bytes]:
    stamp = _stamp(when)
    committer = f"{identity.committer_name} <{identity.committer_email}>"
    yield f"feature done\ncommit {ref}\nmark :1\n".encode()
    yield f"author {identity.name} <{identity.email}> {stamp}\n".encode()
    yield f"committer {committer} {stamp}\n".encode()
    yield from _data(message.encode())
    if parent is not None:
        yield f"from {parent}\n".encode()
    for path in sorted(delete):
        yield b"D " + _quoted(path) + b"\n"
    for path in sorted(files):
        yield b"M 100644 inline " + _quoted(path) + b"\n"
        yield from _data(files[path])
    yield b"\nget-mark :1\ndone\n"


def _data(content: bytes) -> Iterator[bytes]:
    yield b"data %d\n" % len(content)
    yield content
    yield b"\n"


def _stamp(when: datetime) -> str:
    if when.tzinfo is None:
        raise InputError(f"the time of a commit needs a time zone, got {when.isoformat()!r}")
    return f"{int(when.timestamp())} +0000"


def _quoted(path: str) -> bytes:
    """The path as git quotes it; control characters have been refused before."""
    return b'"' + check_path(path).encode().replace(b'"', b'\\"') + b'"'
