"""Fetch what somebody proposes into a bare repository that is thrown away.

Commits and trees come at once, the contents of files when they are asked for: a registry
grows with every run, and a look at one change must not. Nothing is checked out, no template
or hook is there, and every object is checked by git on its way in.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from calreg.errors import InputError, RegistryError
from calreg.git.arguments import check_url, is_commit_id, is_local_path, redact
from calreg.git.cache import MAX_PACK_BYTES
from calreg.git.process import NETWORK_TIMEOUT_S, Git
from calreg.git.remotes import full_ref, network_error, reaching
from calreg.git.repository import Repository
from calreg.git.stored import check_revision

__all__ = ["Candidate", "candidate"]

_OTHER_FORMAT = re.compile(r"mismatched algorithms: client \S+; server (sha1|sha256)")
_STEM = re.compile(r"[^~^]+")
_NOTHING = re.compile(r"0{40}|0{64}")
_OPTIONS = (
    "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head",
    "--no-auto-maintenance", "--filter=blob:none",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Candidate:
    """What was fetched: where it is, and what stands there for each revision asked for."""

    repository: Repository
    revisions: tuple[str, ...]


@contextmanager
def candidate(
    url: str, revisions: Sequence[str], *, timeout_s: float = NETWORK_TIMEOUT_S
) -> Iterator[Candidate]:
    """Some commits of a repository elsewhere, without the contents of its files.

    Of ids no history is fetched; of an id and its parent (`ID^1 ID`) the two. Of branches all
    of the history is, so that one can tell where they parted.

    Args:
        url: https, ssh, `user@host:path`, file or a local folder; without a password in it.
        revisions: Full ids of commits, branches or full refs, each with `^` or `~` if need be.
        timeout_s: For each look at the remote.

    Raises:
        InputError: An address or name that git must not be given.
        RegistryError: The remote has no such commit or branch.
        TransportError: The remote cannot be reached or read.
    """
    _refuse_secret(url)
    stems = {revision: _stem(revision) for revision in revisions}
    wanted = sorted({stem for stem in stems.values() if not _NOTHING.fullmatch(stem)})
    depth = _depth(revisions)
    with tempfile.TemporaryDirectory(prefix="calreg-") as place:
        repository = _made(Path(place) / "candidate.git", url, "sha1")
        other = _fetch(repository, url, wanted, depth, timeout_s)
        if other is not None:
            repository = _made(Path(place) / "other.git", url, other)
            _fetch(repository, url, wanted, depth, timeout_s)
        # What the fetch wrote down about the remote is read from here on.
        fetched = Repository(repository.git_dir, repository.git_dir, None)
        names = {stem: _kept(number) for number, stem in enumerate(wanted)}
        yield Candidate(
            fetched,
            tuple(
                names.get(stems[text], stems[text]) + text[len(stems[text]) :] for text in revisions
            ),
        )


def _made(folder: Path, url: str, object_format: str) -> Repository:
    """An empty bare repository whose `origin` is the address."""
    folder.mkdir()
    git = Git(Path(os.path.realpath(folder)))
    git.run("init", "--quiet", "--bare", "--template=", f"--object-format={object_format}")
    address = str(Path(url).expanduser().absolute()) if is_local_path(url) else url
    git.run("config", "remote.origin.url", address)
    return Repository(git.cwd, git.cwd, None)


def _stem(revision: str) -> str:
    """The branch or id in front of `^` or `~`."""
    found = _STEM.match(check_revision(revision))
    return found[0] if found else revision


def _kept(number: int) -> str:
    return f"refs/calreg/candidate/{number}"


def _depth(revisions: Sequence[str]) -> list[str]:
    if not all(is_commit_id(_stem(revision)) for revision in revisions):
        return []
    steps = [revision[len(_stem(revision)) :] for revision in revisions]
    if all(step in {"", "^", "^1", "~", "~1"} for step in steps):
        return ["--depth=2" if any(steps) else "--depth=1"]
    return []


def _fetch(
    repository: Repository, url: str, wanted: Sequence[str], depth: list[str], timeout_s: float
) -> str | None:
    """Fetch commits and trees; if the remote's ids are of another kind, that kind instead."""
    if not wanted:
        return None
    refs = [stem if is_commit_id(stem) else full_ref(stem) for stem in wanted]
    refspecs = [f"+{ref}:{_kept(number)}" for number, ref in enumerate(refs)]
    options = ("--git-dir", str(repository.git_dir))
    git = Git(repository.git_dir, options, repository.settings.taken_over())
    with reaching(git, url) as there:
        answer = there.attempt(
            "fetch", *_OPTIONS, *depth, "--", "origin", *refspecs,
            timeout_s=timeout_s, max_file_bytes=MAX_PACK_BYTES,
        )  # fmt: skip
    if answer.code == 0:
        return None
    if other := _OTHER_FORMAT.search(answer.err):
        return other[1]
    if "couldn't find remote ref" in answer.err or "not our ref" in answer.err:
        raise RegistryError(
            f"{redact(url)} does not have all of {', '.join(wanted)}",
            hint="Check the names; a commit must be one that a branch or a proposal there holds.",
            code="no-such-commit",
        )
    raise network_error("fetch from", redact(url), answer)


def _refuse_secret(url: str) -> None:
    check_url(url)
    if url.lower().startswith(("https://", "http://")) and urlsplit(url).password:
        raise InputError(
            f"the address {redact(url)!r} holds a password",
            hint="Leave it out; git asks a credential helper or the program in GIT_ASKPASS.",
            code="git-address",
        )
