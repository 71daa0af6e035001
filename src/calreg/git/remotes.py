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
from collections.abc import Iterator
from dataclasses import replace
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

__all__ = ["address_of", "fetch", "full_ref", "network_error", "push", "reaching", "remote_tip"]

_RACE = re.compile(
    r"stale info|fetch first|non-fast-forward|incorrect old value|reference already exists"
)
# What a server prints when two pushes meet inside it; a hook's words are not looked at.
_LOCK_RACE = re.compile(r"cannot lock ref .*(but expected|File exists|already exists)")
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


def network_error(action: str, shown: str, answer: Answer) -> TransportError:
    """The error for a remote that could not be reached or read: why, and what to look at."""
    words = last_words(answer.err) or f"git ended with code {answer.code}"
    found = ((hint, code) for pattern, hint, code in _HINTS if pattern.search(answer.err))
    hint, code = next(found, (None, None))
    return TransportError(f"cannot {action} {shown}: {words}", hint=hint, code=code)


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
    check_branch(branch)
    tracking = f"refs/remotes/{remote.name}/{branch}"
    options = (
        "--quiet", "--no-tags", "--no-recurse-submodules", "--no-auto-maintenance",
        "--no-write-fetch-head",
    )  # fmt: skip
    refspec = f"+refs/heads/{branch}:{tracking}"
    with reaching(git, remote.url) as there:
        answer = there.attempt("fetch", *options, "--", remote.name, refspec, timeout_s=timeout_s)
    if answer.code == 0:
        return git.run("rev-parse", "--verify", "--quiet", tracking).text
    if "couldn't find remote ref" in answer.err:
        return None
    raise network_error("fetch from", remote.shown, answer)


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
    ref = f"refs/heads/{check_branch(branch)}"
    options = ("--porcelain", "--no-follow-tags", "--no-verify", "--recurse-submodules=no")
    lease = f"--force-with-lease={ref}:{expected or ''}"
    with reaching(git, remote.url) as there:
        answer = there.attempt(
            "push", *options, lease, "--", remote.name, f"{new}:{ref}", timeout_s=timeout_s
        )
    if answer.code != 0:
        raise _push_error(remote, branch, answer)
    failpoints.reach("pushed")


def _push_error(remote: Remote, branch: str, answer: Answer) -> CalregError:
    refused = [line for line in answer.text.splitlines() if line.startswith("!")]
    if not refused:
        return network_error("push to", remote.shown, answer)
    reason = refused[0].split("\t")[-1]
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
    address, settings = address_of(url)
    wanted = full_ref(ref)
    with tempfile.TemporaryDirectory(prefix="calreg-") as empty:
        # An empty folder: a repository around the current one has settings of its own.
        folder = Path(os.path.realpath(empty))
        git = Git(folder, variables={"GIT_CEILING_DIRECTORIES": str(folder.parent)})
        users = read_settings(replace(git, as_user=True)).taken_over()
        with reaching(replace(git, settings=(*users, *settings)), url) as there:
            answer = there.attempt(
                "ls-remote", "--quiet", "--", address, wanted, timeout_s=timeout_s
            )
    if answer.code != 0:
        raise network_error("read", redact(url), answer)
    for line in answer.text.splitlines():
        commit, _, name = line.partition("\t")
        if name == wanted:
            return commit
    return None


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
