"""Talk to other repositories: one branch in, one branch out, never a clone.

A push is leased: it replaces exactly the commit that was seen, or says that somebody was
faster. What the server refuses and what never reached a server are different errors, so
that a caller knows whether to try again, to read what the server said, or to look at the
network. Secrets in addresses go to git in its environment, not in its arguments.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from calreg import failpoints
from calreg.errors import CalregError, InputError, RegistryError, StaleRegistryError, TransportError
from calreg.git.arguments import (
    check_branch,
    check_ref,
    check_url,
    is_local_path,
    redact,
    transports_for,
)
from calreg.git.process import NETWORK_TIMEOUT_S, Answer, Git, last_words
from calreg.git.settings import Remote, read_settings

__all__ = [
    "RefUpdate",
    "address_of",
    "fetch",
    "fetch_all",
    "full_ref",
    "network_error",
    "push",
    "push_all",
    "reaching",
    "remote_tip",
    "remote_tips",
]

_RACE = re.compile(
    r"stale info|fetch first|non-fast-forward|incorrect old value|reference already exists"
)
# What a server prints when two pushes meet inside it; a hook's words are not looked at.
_LOCK_RACE = re.compile(r"cannot lock ref .*(but expected|File exists|already exists)")
# What git says of the refs of an atomic push that failed for another one's sake.
_FOR_ANOTHERS_SAKE = re.compile(r"atomic (push failed|push failure|transaction failed)")
_NO_SUCH_REF = re.compile(r"couldn't find remote ref refs/heads/(\S+)")
_FETCH_OPTIONS = (
    "--quiet", "--no-tags", "--no-recurse-submodules", "--no-auto-maintenance",
    "--no-write-fetch-head",
)  # fmt: skip
_PUSH_OPTIONS = ("--porcelain", "--no-follow-tags", "--no-verify", "--recurse-submodules=no")
_HINTS = (
    (
        re.compile(r"Authentication failed|could not read (Username|Password)|terminal prompts|"
                   r"returned error: 40[13]|Permission denied \(|Host key verification"),
        "Check your credentials: a credential helper, an ssh key, or GIT_ASKPASS.",
        "auth",
    ),
    (
        re.compile(r"Could not resolve host|Could not connect|Failed to connect|"
                   r"Connection (refused|timed out|reset)|Network is unreachable"),
        "Check the address and the network.",
        "unreachable",
    ),
    (
        re.compile(r"not found|does not appear to be a git repository|does not exist"),
        "Check the address.",
        "not-a-repository",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """A branch to move: from where it was seen (None: nowhere) to a commit."""

    branch: str
    new: str
    expected: str | None

    @property
    def ref(self) -> str:
        """The branch's full name."""
        return f"refs/heads/{check_branch(self.branch)}"


def network_error(action: str, shown: str, answer: Answer) -> TransportError:
    """The error for a remote that could not be reached or read: why, and what to look at."""
    lines = answer.err.splitlines()
    for pattern, hint, code in _HINTS:
        # ssh says why, and git, which has the last word, only that it was so.
        telling = next((line for line in lines if pattern.search(line)), None)
        if telling is not None:
            words = last_words(telling)
            return TransportError(f"cannot {action} {shown}: {words}", hint=hint, code=code)
    words = last_words(answer.err) or f"git ended with code {answer.code}"
    return TransportError(f"cannot {action} {shown}: {words}")


@contextlib.contextmanager
def reaching(git: Git, url: str) -> Iterator[Git]:
    """The same git, allowed to reach one address by its transport and no other way."""
    variables = {**git.variables, "GIT_ALLOW_PROTOCOL": transports_for(url)}
    trusted = [value for key, value in git.settings if key == "safe.directory"]
    if not trusted or not (is_local_path(url) or url.lower().startswith("file:")):
        yield replace(git, variables=variables)
        return
    # The other side of a local transport is a git process of its own. It checks who owns the
    # repository, and takes the user's word for it from a configuration file only.
    with tempfile.NamedTemporaryFile("w", prefix="calreg-", encoding="utf-8") as file:
        quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for value in trusted)
        file.write("[safe]\n" + "".join(f'\tdirectory = "{value}"\n' for value in quoted))
        file.flush()
        yield replace(git, variables={**variables, "GIT_CONFIG_GLOBAL": file.name})


def fetch(git: Git, remote: Remote, branch: str, *, timeout_s: float) -> str | None:
    """The tip of a remote's branch, now in the repository; None if it has no such branch.

    A shallow repository stays as shallow as it is.

    Raises:
        TransportError: The remote cannot be reached or read.
    """
    return fetch_all(git, remote, [branch], timeout_s=timeout_s)[branch]


def fetch_all(
    git: Git, remote: Remote, branches: Iterable[str], *, timeout_s: float
) -> dict[str, str | None]:
    """The tips of a remote's branches, now in the repository; None for those it does not have.

    One round trip if it has them all.

    Raises:
        TransportError: The remote cannot be reached or read.
    """
    found: dict[str, str | None] = dict.fromkeys(map(check_branch, branches))
    wanted = list(found)
    while wanted:
        refspecs = [f"+refs/heads/{name}:{_tracking(remote, name)}" for name in wanted]
        with reaching(_without_secrets(git, remote), remote.url) as there:
            answer = there.attempt(
                "fetch", *_FETCH_OPTIONS, "--", remote.name, *refspecs, timeout_s=timeout_s
            )
        if answer.code == 0:
            tips = git.run("rev-parse", *(_tracking(remote, name) for name in wanted)).text
            return {**found, **dict(zip(wanted, tips.split("\n"), strict=True))}
        missing = _NO_SUCH_REF.search(answer.err)
        if missing is None or missing[1] not in wanted:
            raise network_error("fetch from", remote.shown, answer)
        wanted.remove(missing[1])
    return found


def _without_secrets(git: Git, remote: Remote) -> Git:
    """The same git, which hands the remote's password to no child as an argument.

    By its name git would take the configured address, password and all, and start its
    helpers with it. It is rewritten before that; the name, and what follows from it, stays.
    """
    if not remote.url.lower().startswith(("https://", "http://")):
        return git
    address, secrets = address_of(remote.url)
    if not secrets:
        return git
    rewritten = (f"url.{address}.insteadOf", remote.url)
    return replace(git, settings=(*git.settings, rewritten, *secrets))


def _tracking(remote: Remote, branch: str) -> str:
    return f"refs/remotes/{remote.name}/{branch}"


def push(
    git: Git, remote: Remote, *, branch: str, new: str, expected: str | None, timeout_s: float
) -> None:
    """Move a remote's branch from `expected` to `new`, or not at all.

    Raises:
        StaleRegistryError: The branch over there is not at `expected` (any more).
        RegistryError: The server refuses: a hook, a protected branch; with its words.
        TransportError: It could not be reached, or broke off. Whether it took the commit is
            then unknown: fetch and look.
    """
    push_all(git, remote, [RefUpdate(branch, new, expected)], timeout_s=timeout_s)


def push_all(git: Git, remote: Remote, updates: Sequence[RefUpdate], *, timeout_s: float) -> None:
    """Move several branches of a remote, each from where it was seen, all of them or none.

    Raises:
        StaleRegistryError: One of them is not where it was seen (any more).
        RegistryError: The server refuses one of them, in its words.
        TransportError: It could not be reached, or broke off. Whether it took the commits is
            then unknown: fetch and look.
    """
    leases = [f"--force-with-lease={update.ref}:{update.expected or ''}" for update in updates]
    # Not every server can do it, and one branch does not need it.
    atomic = ["--atomic"] if len(updates) > 1 else []
    refspecs = [f"{update.new}:{update.ref}" for update in updates]
    with reaching(_without_secrets(git, remote), remote.url) as there:
        answer = there.attempt(
            "push", *_PUSH_OPTIONS, *atomic, *leases, "--", remote.name, *refspecs,
            timeout_s=timeout_s,
        )  # fmt: skip
    if answer.code != 0:
        raise _push_error(remote, " and ".join(update.branch for update in updates), answer)
    failpoints.reach("pushed")


def _push_error(remote: Remote, branch: str, answer: Answer) -> CalregError:
    refused = [line for line in answer.text.splitlines() if line.startswith("!")]
    if not refused:
        return network_error("push to", remote.shown, answer)
    reasons = [line.split("\t")[-1] for line in refused]
    # Of several branches the one that is at fault, not those that were left with it.
    reason = next((text for text in reasons if not _FOR_ANOTHERS_SAKE.search(text)), reasons[0])
    in_server = "declined" not in reason and _LOCK_RACE.search(answer.err)
    if _RACE.search(reason) or in_server:
        return StaleRegistryError(
            f"somebody else published to {branch} of {remote.shown} meanwhile",
            hint="Fetch, compute again against the new tip, and push again.",
        )
    said = _servers_words(answer.err)
    tail = f"; it says: {said}" if said else ""
    return RegistryError(
        f"{remote.shown} refused the push to {branch}: {reason}{tail}",
        hint="Publish to a branch that you may push to, or ask who keeps the registry.",
        code="push-refused",
    )


def _servers_words(err: str) -> str:
    """What the other side printed, on one line and without control characters."""
    lines = (line.removeprefix("remote:").strip() for line in err.splitlines() if "remote:" in line)
    words = " / ".join(line for line in lines if line)
    return "".join(c if c.isprintable() else "?" for c in words)[:300]


def remote_tip(url: str, ref: str = "HEAD", *, timeout_s: float = NETWORK_TIMEOUT_S) -> str | None:
    """The commit a remote's branch (or full ref, or HEAD) is at; None if there is no such.

    One round trip, nothing is fetched.

    Raises:
        InputError: An address or name that git must not be given.
        TransportError: The remote cannot be reached or read.
    """
    return remote_tips(url, [ref], timeout_s=timeout_s).get(ref)


def remote_tips(
    url: str, refs: Sequence[str], *, timeout_s: float = NETWORK_TIMEOUT_S
) -> dict[str, str]:
    """The commits that those of a remote's branches (or full refs, or HEAD) are at that exist.

    One question to the server for all of them; nothing is fetched.

    Raises:
        InputError: An address or name that git must not be given.
        TransportError: The remote cannot be reached or read.
    """
    address, settings = address_of(url)
    wanted = {full_ref(ref): ref for ref in refs}
    with tempfile.TemporaryDirectory(prefix="calreg-") as empty:
        # An empty folder: a repository around the current one has settings of its own.
        folder = Path(os.path.realpath(empty))
        git = Git(folder, variables={"GIT_CEILING_DIRECTORIES": str(folder.parent)}, is_light=True)
        users = read_settings(replace(git, as_user=True)).taken_over()
        with reaching(replace(git, settings=(*users, *settings)), url) as there:
            answer = there.attempt(
                "ls-remote", "--quiet", "--", address, *wanted, timeout_s=timeout_s
            )
    if answer.code != 0:
        raise network_error("read", redact(url), answer)
    rows = (line.partition("\t") for line in answer.text.splitlines())
    # A pattern of ls-remote also names refs that end like it.
    return {wanted[name]: commit for commit, _, name in rows if name in wanted}


def full_ref(ref: str) -> str:
    """The full name of a branch; HEAD and full names stay as they are."""
    if ref == "HEAD":
        return ref
    return check_ref(ref) if ref.startswith("refs/") else f"refs/heads/{check_branch(ref)}"


def address_of(url: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The address as git's argument, and the settings that carry its secrets."""
    check_url(url)
    if is_local_path(url):
        folder = Path(url).expanduser().absolute()
        if not folder.is_dir():
            raise InputError("there is no such folder", where=str(folder), code="git-address")
        return str(folder), ()
    if not url.lower().startswith(("https://", "http://")):
        return url, ()
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    bare = urlunsplit(parts._replace(netloc=host))
    if not at or ":" not in userinfo:
        return url, ()
    token = base64.b64encode(unquote(userinfo).encode()).decode("ascii")
    return bare, ((f"http.{bare}.extraHeader", f"Authorization: Basic {token}"),)
