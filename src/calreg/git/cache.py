"""Fetch what a registry published into a bare cache of our own: never a clone.

The cache holds objects and a few refs. It is nobody's work: one that is broken is made anew,
since nothing in it is worth more than a second fetch. No work tree, no hooks, no template,
every object checked by git on its way in, one pack of limited size.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from calreg.errors import CalregError, InputError, RegistryError, TransportError
from calreg.git.arguments import check_branch, is_commit_id, redact
from calreg.git.process import NETWORK_TIMEOUT_S, Answer, Git
from calreg.git.remotes import address_of, full_ref, network_error, reaching
from calreg.git.repository import Repository
from calreg.git.settings import read_settings
from calreg.git.tree import Tree

__all__ = [
    "MAX_PACK_BYTES",
    "comes_after",
    "drop_cache",
    "fetch_remote",
    "fetch_words",
    "follow_remote",
    "git_in",
    "history_of",
    "is_cache",
    "is_followed",
    "tree_at",
]

MAX_PACK_BYTES = 1024 * 1024 * 1024
_FETCHED = "refs/calreg/fetched"
_MARKER = "calreg-cache"
_OPTIONS = (
    "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head",
    "--no-auto-maintenance",
)  # fmt: skip
# A pack of few objects would be unpacked, and the limit on a file's size would not hold.
_SETTINGS = (("fetch.unpackLimit", "1"),)
# With less than this left, whatever git says is about the disk.
_LEAST_FREE_BYTES = 64 * 1024
# Every fetch that brings something leaves a pack, and nothing else ever tidies them up.
_MAX_PACKS = 50
_OTHER_FORMAT = re.compile(r"mismatched algorithms: client \S+; server (sha1|sha256)")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is fetched: from where, and into which ref of the cache.

    `depth` counts commits of history, None for all of it. With `follows` it is for the first
    time only: later, what came after. `only` is a filter of git's; without one, everything.
    """

    url: str
    ref: str
    into: str
    depth: int | None
    follows: bool
    timeout_s: float
    max_bytes: int
    only: str | None = None

    def options(self, cache: Path) -> list[str]:
        """The options that say how much is fetched."""
        is_here = self.follows and (cache / self.into).is_file()
        depth = [f"--depth={self.depth}"] if self.depth and not is_here else []
        return [*depth, *([f"--filter={self.only}"] if self.only else [])]


def fetch_remote(
    url: str,
    ref: str,
    cache: Path,
    *,
    depth: int | None = 1,
    only: str | None = None,
    timeout_s: float = NETWORK_TIMEOUT_S,
    max_bytes: int = MAX_PACK_BYTES,
) -> tuple[Repository, str]:
    """The cache and the commit that a remote's branch is at, fetched into that cache.

    Args:
        url: https, ssh, `user@host:path`, file or a local folder.
        ref: A branch, a full ref, HEAD, or a commit id.
        cache: The folder to keep objects in; made if it is not there.
        depth: How many commits of history; None for all.
        only: Leave objects out, as git's `--filter` says; a server that cannot sends all. What
            is left out is for `calreg.git.partial` to bring.
        timeout_s: For the whole of it.
        max_bytes: The largest pack that is accepted.

    Raises:
        InputError: An address or name that git must not be given; a cache that is not one.
        RegistryError: The remote has no such branch.
        TransportError: The remote cannot be reached or read, or its answer is broken.
    """
    return _fetch(
        _Wanted(
            url, ref, _FETCHED, depth,
            follows=False, timeout_s=timeout_s, max_bytes=max_bytes, only=only,
        ),
        cache,
    )  # fmt: skip


def follow_remote(
    url: str,
    branch: str,
    cache: Path,
    *,
    only: str | None = None,
    timeout_s: float = NETWORK_TIMEOUT_S,
    max_bytes: int = MAX_PACK_BYTES,
) -> tuple[Repository, str]:
    """The cache and the commit that a remote's branch is at, as `fetch_remote`.

    The first time without history, later with all that came after what is here: so that
    `comes_after` can tell whether the one is in the history of the other.
    """
    return _fetch(
        _Wanted(
            url, branch, _followed(url, branch), 1,
            follows=True, timeout_s=timeout_s, max_bytes=max_bytes, only=only,
        ),
        cache,
    )  # fmt: skip


def is_followed(url: str, branch: str, cache: Path) -> bool:
    """Whether `follow_remote` has been here for that branch."""
    return is_cache(cache) and (cache / _followed(url, branch)).is_file()


def _followed(url: str, branch: str) -> str:
    what = f"{address_of(url)[0]} {check_branch(branch)}"
    return f"refs/calreg/branch-{hashlib.sha256(os.fsencode(what)).hexdigest()[:16]}"


def comes_after(cache: Path, old: str, new: str) -> bool | None:
    """Whether a commit is another one or in its history; None if the cache cannot tell.

    It cannot tell if it lacks the old one, or where the history of the new one is cut off.
    """
    git = git_in(cache)
    answer = git.attempt("merge-base", "--is-ancestor", old, new)
    if answer.code != 1:
        return True if answer.code == 0 else None
    shallow = cache / "shallow"
    cut_off = set(shallow.read_text("ascii").split()) if shallow.is_file() else set()
    roots = git.run("log", "--max-parents=0", "--format=%H", new, "--").text.split()
    return None if cut_off & set(roots) else False


def history_of(cache: Path, commit: str, *, is_first_parent: bool = False) -> list[str]:
    """A commit and all before it that the cache has, the newest first."""
    options = ["--first-parent"] if is_first_parent else []
    return git_in(cache).run("log", *options, "--format=%H", commit, "--").text.split()


def _fetch(wanted: _Wanted, cache: Path) -> tuple[Repository, str]:
    address, secrets = address_of(wanted.url)
    ref = wanted.ref if is_commit_id(wanted.ref) else full_ref(wanted.ref)
    cache = cache.absolute()
    is_new = _prepare(cache)

    def fetched() -> Answer:
        words = (*wanted.options(cache), "--", address, f"+{ref}:{wanted.into}")
        return fetch_words(wanted.url, cache, words, secrets, wanted.timeout_s, wanted.max_bytes)

    answer = fetched()
    if other := _OTHER_FORMAT.search(answer.err):
        _make_anew(cache, other[1])
        answer, is_new = fetched(), True
    if answer.code == 0:
        return Repository(cache, cache, None), _commit_at(cache, wanted.into)
    error = _fetch_error(wanted.url, wanted.ref, answer)
    if _is_disk_full(cache):
        error = _disk_full(cache)
    if _drop_partial(cache) >= wanted.max_bytes:
        error = _too_large(wanted.url, wanted.max_bytes)
    if is_new or error.code != TransportError.default_code:
        raise error
    # Nothing that is known of networks and servers: the cache itself may be damaged.
    drop_cache(cache)
    return _fetch(wanted, cache)


def fetch_words(
    url: str,
    cache: Path,
    words: Sequence[str],
    secrets: tuple[tuple[str, str], ...],
    timeout_s: float,
    max_bytes: int,
    stdin: bytes = b"",
) -> Answer:
    """What one `git fetch` into a cache says; the cache's configuration stays as it is."""
    users = read_settings(replace(git_in(cache), as_user=True)).taken_over()
    git = replace(git_in(cache), settings=(*users, *secrets, *_SETTINGS))
    # A filter makes git write down that it may ask there for whatever is missing, whenever it
    # is missed. Here nothing is fetched behind anybody's back.
    config = cache / "config"
    before = config.read_bytes()
    try:
        with reaching(git, url) as there:
            return there.attempt(
                "fetch", *_OPTIONS, *words,
                stdin=stdin, timeout_s=timeout_s, max_file_bytes=max_bytes,
            )  # fmt: skip
    finally:
        if config.is_file() and config.read_bytes() != before:
            config.write_bytes(before)


def tree_at(cache: Path, commit: str) -> Tree:
    """The files of a commit that the cache has."""
    if not is_commit_id(commit):
        raise InputError(f"{commit!r} is not the id of a commit", code="git-ref")
    return Tree(git_in(cache), commit)


def _commit_at(cache: Path, ref: str) -> str:
    if is_commit_id(found := (cache / ref).read_text("ascii").strip()):
        return found
    return git_in(cache).run("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").text


def _drop_partial(cache: Path) -> int:
    """Remove the packs that git left where it was interrupted; the size of the largest."""
    largest = 0
    for pack in (cache / "objects" / "pack").glob("tmp_*"):
        largest = max(largest, pack.stat().st_size)
        pack.unlink()
    return largest


def _is_disk_full(cache: Path) -> bool:
    about = os.statvfs(cache)
    return about.f_bavail * about.f_frsize < _LEAST_FREE_BYTES or (
        about.f_files > 0 >= about.f_favail
    )


def _disk_full(cache: Path) -> TransportError:
    return TransportError(
        "no space left on the disk for what is fetched",
        where=str(cache),
        hint="Make room there, or keep fetched objects elsewhere.",
        code="disk-full",
    )


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


def git_in(cache: Path) -> Git:
    """Git for what a cache holds: it reads, and reaches no network."""
    return Git(
        cache,
        ("--git-dir", str(cache)),
        # Reading what is not here must not turn into fetching it.
        variables={"GIT_ALLOW_PROTOCOL": "none"},
        is_light=True,
    )


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
    config = cache / "config"
    if packs > _MAX_PACKS or not config.is_file() or b"promisor" in config.read_bytes():
        return False
    return git_in(cache).attempt("rev-parse", "--is-bare-repository").text == "true"


def _make_anew(cache: Path, object_format: str) -> None:
    drop_cache(cache)
    cache.mkdir(parents=True, exist_ok=True)
    (cache / _MARKER).touch()
    git_in(cache).run(
        "init", "--quiet", "--bare", "--template=", f"--object-format={object_format}"
    )
