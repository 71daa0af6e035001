"""Fetch what a registry published into a bare cache of our own: never a clone.

The cache holds objects and one ref. It is nobody's work: one that is broken is made anew,
since nothing in it is worth more than a second fetch. No work tree, no hooks, no template,
every object checked by git on its way in, one pack of limited size.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

from calreg.errors import CalregError, InputError, RegistryError, TransportError
from calreg.git.arguments import is_commit_id, redact
from calreg.git.process import NETWORK_TIMEOUT_S, Answer, Git
from calreg.git.remotes import address_of, full_ref, network_error, reaching
from calreg.git.repository import Repository
from calreg.git.settings import read_settings

__all__ = ["MAX_PACK_BYTES", "drop_cache", "fetch_remote", "is_cache"]

MAX_PACK_BYTES = 1024 * 1024 * 1024
_FETCHED = "refs/calreg/fetched"
_MARKER = "calreg-cache"
_OPTIONS = (
    "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head",
    "--no-auto-maintenance",
)  # fmt: skip
# A pack of few objects would be unpacked, and the limit on a file's size would not hold.
_SETTINGS = (("fetch.unpackLimit", "1"),)
# Every fetch that brings something leaves a pack, and nothing else ever tidies them up.
_MAX_PACKS = 50
_OTHER_FORMAT = re.compile(r"mismatched algorithms: client \S+; server (sha1|sha256)")


def fetch_remote(
    url: str,
    ref: str,
    cache: Path,
    *,
    depth: int | None = 1,
    timeout_s: float = NETWORK_TIMEOUT_S,
    max_bytes: int = MAX_PACK_BYTES,
) -> tuple[Repository, str]:
    """The cache and the commit that a remote's branch is at, fetched into that cache.

    Args:
        url: https, ssh, `user@host:path`, file or a local folder.
        ref: A branch, a full ref, HEAD, or a commit id.
        cache: The folder to keep objects in; made if it is not there.
        depth: How many commits of history; None for all.
        timeout_s: For the whole of it.
        max_bytes: The largest pack that is accepted.

    Raises:
        InputError: An address or name that git must not be given; a cache that is not one.
        RegistryError: The remote has no such branch.
        TransportError: The remote cannot be reached or read, or its answer is broken.
    """
    address, secrets = address_of(url)
    wanted = ref if is_commit_id(ref) else full_ref(ref)
    cache = cache.absolute()
    is_new = _prepare(cache)
    words = (*([f"--depth={depth}"] if depth else []), "--", address, f"+{wanted}:{_FETCHED}")

    def fetched() -> Answer:
        users = read_settings(replace(_git(cache), as_user=True)).taken_over()
        git = replace(_git(cache), settings=(*users, *secrets, *_SETTINGS))
        with reaching(git, url) as there:
            return there.attempt(
                "fetch", *_OPTIONS, *words, timeout_s=timeout_s, max_file_bytes=max_bytes
            )

    answer = fetched()
    if other := _OTHER_FORMAT.search(answer.err):
        _make_anew(cache, other[1])
        answer, is_new = fetched(), True
    if answer.code == 0:
        return _at_fetched(cache)
    error = _fetch_error(url, ref, answer)
    if _drop_partial(cache) >= max_bytes:
        error = _too_large(url, max_bytes)
    if is_new or error.code != TransportError.default_code:
        raise error
    # Nothing that is known of networks and servers: the cache itself may be damaged.
    drop_cache(cache)
    return fetch_remote(url, ref, cache, depth=depth, timeout_s=timeout_s, max_bytes=max_bytes)


def _at_fetched(cache: Path) -> tuple[Repository, str]:
    commit = _git(cache).run("rev-parse", "--verify", "--quiet", f"{_FETCHED}^{{commit}}").text
    return Repository(cache, cache, None), commit


def _drop_partial(cache: Path) -> int:
    """Remove the packs that git left where it was interrupted; the size of the largest."""
    largest = 0
    for pack in (cache / "objects" / "pack").glob("tmp_*"):
        largest = max(largest, pack.stat().st_size)
        pack.unlink()
    return largest


def _too_large(url: str, max_bytes: int) -> TransportError:
    return TransportError(
        f"{redact(url)} sends more than the {max_bytes} bytes that are allowed",
        hint="Check the address: a registry is small.",
        code="too-large",
    )


def _fetch_error(url: str, ref: str, answer: Answer) -> CalregError:
    if "couldn't find remote ref" in answer.err or "not our ref" in answer.err:
        return RegistryError(
            f"{redact(url)} has no {'commits yet' if ref == 'HEAD' else repr(ref)}",
            hint="Check the name of the branch; a new registry needs its first run.",
            code="no-such-branch",
        )
    return network_error("fetch from", redact(url), answer)


def _git(cache: Path) -> Git:
    return Git(cache, ("--git-dir", str(cache)))


def _prepare(cache: Path) -> bool:
    """Make the cache, or make it anew if it is broken; say whether it is new.

    Raises:
        InputError: The folder holds something else.
    """
    if not is_cache(cache) and _is_in_the_way(cache):
        raise InputError(
            "this is not a cache of ours",
            where=str(cache),
            hint="Move it away, then try again.",
            code="cache",
        )
    if is_cache(cache) and _is_usable(cache):
        return False
    _make_anew(cache, "sha1")
    return True


def is_cache(cache: Path) -> bool:
    """Whether a folder was made by `fetch_remote`, so that it may be deleted."""
    return not cache.is_symlink() and (cache / _MARKER).is_file()


def drop_cache(cache: Path) -> None:
    """Delete a cache of ours; nothing in it is worth more than another fetch."""
    if not is_cache(cache):
        return
    # The marker goes last: half-deleted by a process that died, it is still ours.
    for entry in cache.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != _MARKER:
            entry.unlink()
    (cache / _MARKER).unlink()
    cache.rmdir()


def _is_in_the_way(place: Path) -> bool:
    if place.is_symlink() or not place.is_dir():
        return os.path.lexists(place)
    return any(place.iterdir())


def _is_usable(cache: Path) -> bool:
    packs = sum(1 for _ in (cache / "objects" / "pack").glob("*.pack"))
    if packs > _MAX_PACKS:
        return False
    return _git(cache).attempt("rev-parse", "--is-bare-repository").text == "true"


def _make_anew(cache: Path, object_format: str) -> None:
    drop_cache(cache)
    cache.mkdir(parents=True, exist_ok=True)
    (cache / _MARKER).touch()
    _git(cache).run("init", "--quiet", "--bare", "--template=", f"--object-format={object_format}")
