"""What a person calls the place to pull from: a git address, a folder, a static site.

A registry in a subfolder of its repository is written `ADDRESS#folder`; a local path may
simply lead into it. One that is published on another branch than `stable` is written
`ADDRESS#@branch` or `ADDRESS#folder@branch`. An https address may be a repository or a site: `git+https://…`,
`site+https://…` and an ending of `.git` say which, otherwise it is found out when it is
opened. What is recorded of a source never holds a secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from calreg.errors import InputError

__all__ = ["BRANCH", "Source", "SourceKind"]

BRANCH = "stable"
"""Where references are published unless somebody says another branch."""

SourceKind = Literal["git", "site", "web"]
"""`web` is an address that may be either."""

_PREFIXES: dict[str, SourceKind] = {"git+": "git", "site+": "site"}
_WEB = ("https://", "http://")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a registry is read.

    Args:
        url: What git or HTTP is given; may hold a token.
        folder: The registry's folder in the repository; empty if it is to be found.
        shown: What messages say and `calreg.lock` records: no user or password of a web
            address, local paths in full.
        kind: What answers there.
        branch: The branch that its references are published on.
    """

    url: str
    folder: str
    shown: str
    kind: SourceKind = "git"
    branch: str = BRANCH

    @classmethod
    def parse(cls, text: str) -> Source:
        """The source that a person typed.

        Raises:
            InputError: An address git must not be given, or a folder that is in no repository.
        """
        from calreg.git import check_branch, check_url

        # A folder whose name holds a '#' is a folder first.
        if Path(text).expanduser().exists():
            return _local(Path(text).expanduser(), "", BRANCH)
        prefix, address = _prefix(text)
        url, _, fragment = address.partition("#")
        check_url(url)
        kind = _kind(prefix, url, fragment)
        folder, at, branch = fragment.rpartition("@") if "@" in fragment else (fragment, "", "")
        folder, branch = _checked_folder(folder), check_branch(branch) if at else BRANCH
        if _is_local(url):
            return _local(Path(url).expanduser(), folder, branch)
        shown = prefix + _without_secrets(url) + _fragment(folder, branch)
        return cls(url, folder, shown, kind, branch)


def _fragment(folder: str, branch: str) -> str:
    """What is said of a repository beside its address."""
    at = "" if branch == BRANCH else f"@{branch}"
    return f"#{folder}{at}" if folder or at else ""


def _prefix(text: str) -> tuple[str, str]:
    """What a person put in front of an address to say what it is, and the address."""
    for prefix in _PREFIXES:
        if text.lower().startswith(prefix) and "://" in text:
            return prefix, text[len(prefix) :]
    return "", text


def _kind(prefix: str, url: str, fragment: str) -> SourceKind:
    is_web = url.lower().startswith(_WEB)
    if prefix == "site+" and (fragment or not is_web):
        raise InputError(
            "a site has an https address, and no '#folder'",
            hint="Write site+https://host/path.",
            code="source",
        )
    if prefix:
        return _PREFIXES[prefix]
    is_git = not is_web or fragment or urlsplit(url).path.rstrip("/").endswith(".git")
    return "git" if is_git else "web"


def _is_local(url: str) -> bool:
    return "://" not in url and ":" not in url.partition("/")[0]


def _local(path: Path, folder: str, branch: str) -> Source:
    from calreg.git import Repository

    if not path.is_dir():
        raise InputError("there is no such folder", where=str(path), code="source")
    try:
        repository = Repository.find(path)
    except InputError as error:
        if "no git repository" in error.message:  # nobody who pulls wants to make one
            error.hint = "A source is a git address, a folder of a repository, or a static site."
        raise
    root = str(repository.work_tree or repository.git_dir)
    inside = "/".join(step for step in (repository.prefix.strip("/"), folder) if step)
    return Source(root, inside, root + _fragment(inside, branch), branch=branch)


def _checked_folder(folder: str) -> str:
    steps = folder.strip("/").split("/") if folder.strip("/") else []
    if any(step in {"", ".", "..", ".git"} or not step.isprintable() for step in steps):
        raise InputError(
            f"{folder!r} is not a folder of a repository",
            hint="Write ADDRESS#folder/in/the/repository.",
            code="source",
        )
    return "/".join(steps)


def _without_secrets(url: str) -> str:
    if "://" not in url:
        return url  # user@host:path has no place for a password
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if parts.scheme.lower() == "ssh" and at:
        host = f"{user.partition(':')[0]}@{host}"
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
