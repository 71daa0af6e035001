"""What a person, a configuration or a document may hand to git as an argument.

Pure checks of text: URLs by an allow-list of transports, refs and paths by git's own rules,
nothing that begins like an option. `redact` is the other direction: what git says, without
the secrets that were in a URL. Nothing here starts git or touches a disk.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from calreg.errors import InputError

__all__ = [
    "check_branch",
    "check_path",
    "check_ref",
    "check_url",
    "is_commit_id",
    "is_local_path",
    "redact",
    "transports_for",
]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_COMMIT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_HELPER = re.compile(r"[A-Za-z0-9+.-]+::")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SCP_LIKE = re.compile(r"([^/:]+):(.*)", re.DOTALL)
# What strangers send is looked through, too: no text takes more than one way through it, so a
# scheme has an end (one that is longer ends in one), and a match takes all up to the next space.
_USERINFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}://)[^/\s'\"]*@")
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s?'\"]*)(\?[^\s'\"]*)?")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_BAD_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")

_URL_HINT = "Use https://, ssh://, user@host:path, file:// or a local folder."


def check_url(url: str) -> str:
    """The URL or path itself, if git may be pointed at it.

    Allowed are https, ssh (also as `user@host:path`), file and local paths; http only to
    this machine.

    Raises:
        InputError: Another transport, a helper (`ext::`), or text that is an option.
    """
    problem = _url_problem(url)
    if problem is not None:
        raise InputError(
            f"git address {redact(url)!r} {problem}", hint=_URL_HINT, code="git-address"
        )
    return url


def _url_problem(url: str) -> str | None:
    if not url.strip():
        return "is empty"
    if _CONTROL.search(url):
        return "holds control characters"
    if url.startswith("-"):
        return "begins like an option"
    if _HELPER.match(url):
        return "names a transport helper, which is refused"
    if scheme := _SCHEME.match(url):
        return _scheme_problem(scheme[1].lower(), url)
    if not is_local_path(url):
        return _scp_problem(url)
    return None


def _scheme_problem(scheme: str, url: str) -> str | None:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "is not a URL"
    if scheme == "file":
        return None if host in {"", "localhost"} else "is a file on another machine"
    if scheme == "http" and host not in _LOOPBACK:
        return "is not encrypted"
    if scheme not in {"https", "ssh", "http"}:
        return f"uses {scheme!r}, which is refused"
    if not host or host.startswith("-") or parts.netloc.startswith("-"):
        return "has no usable host"
    return None


def _scp_problem(url: str) -> str | None:
    found = _SCP_LIKE.match(url)
    host = found[1].rpartition("@")[2] if found else ""
    path = found[2] if found else ""
    if not host or host.startswith("-") or not path or path.startswith("-"):
        return "has no usable host and path"
    return None


def is_local_path(url: str) -> bool:
    """Whether git would read the address as a folder: no scheme, no `host:` in front."""
    return not _SCHEME.match(url) and not _SCP_LIKE.match(url)


def transports_for(url: str) -> str:
    """The value of GIT_ALLOW_PROTOCOL that goes with an address that was checked."""
    return "https:ssh:file:http" if url.lower().startswith("http://") else "https:ssh:file"


def is_commit_id(text: str) -> bool:
    """Whether it is a full commit id, 40 or 64 hex digits."""
    return _COMMIT_ID.fullmatch(text) is not None


def check_branch(name: str) -> str:
    """The branch name itself, if git would accept it (`git check-ref-format --branch`)."""
    check_ref(f"refs/heads/{name}", shown=name)
    if name.startswith("-") or name == "HEAD":
        raise InputError(f"{name!r} cannot be the name of a branch", code="git-ref")
    return name


def check_ref(ref: str, *, shown: str | None = None) -> str:
    """The full name of a ref, if `git check-ref-format` would accept it.

    Raises:
        InputError: It does not begin with `refs/`, or breaks one of git's rules.
    """
    steps = ref.split("/")
    bad = (
        not ref.startswith("refs/")
        or len(steps) < 3
        or _BAD_IN_REF.search(ref) is not None
        or ref.endswith((".", "/"))
        or any(not step or step.startswith(".") or step.endswith(".lock") for step in steps)
        or any(step.startswith("-") for step in steps)
    )
    if bad:
        raise InputError(f"{shown or ref!r} is not the name of a branch or ref", code="git-ref")
    return ref


def check_path(path: str) -> str:
    """The path itself, if a tree may hold it and a work tree may be given it.

    Raises:
        InputError: Empty, absolute, with `.`, `..`, `.git` or control characters in it.
    """
    steps = path.split("/")
    if (
        _CONTROL.search(path)
        or "\\" in path
        or any(step in {"", ".", ".."} or step.lower().rstrip(". ") == ".git" for step in steps)
    ):
        raise InputError(f"{path!r} is not a path inside a repository", code="git-path")
    return path


def redact(text: str) -> str:
    """The text without what a URL in it may keep secret: user, password, query.

    >>> redact("fatal: unable to access 'https://me:s3cret@host/x?token=1'")
    "fatal: unable to access 'https://host/x'"
    """
    return _ADDRESS.sub(r"\1", _USERINFO.sub(r"\1", text))
