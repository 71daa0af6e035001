"""What a person calls the place to pull from: a git address, or a folder on this machine.

A registry in a subfolder of its repository is written `ADDRESS#folder`; a local path may
simply lead into it. What is recorded of a source never holds a secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from calreg.errors import InputError

__all__ = ["Source"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a registry is read.

    Args:
        url: What git is given; may hold a token.
        folder: The registry's folder in the repository; empty if it is to be found.
        shown: What messages say and `calreg.lock` records: no user or password of a web
            address, local paths in full.
    """

    url: str
    folder: str
    shown: str

    @classmethod
    def parse(cls, text: str) -> Source:
        """The source that a person typed.

        Raises:
            InputError: An address git must not be given, or a folder that is in no repository.
        """
        from calreg.git import check_url

        # A folder whose name holds a '#' is a folder first.
        if Path(text).expanduser().exists():
            return _local(Path(text).expanduser(), "")
        url, _, folder = text.partition("#")
        check_url(url)
        if _is_local(url):
            return _local(Path(url).expanduser(), _checked_folder(folder))
        shown = _without_secrets(url)
        folder = _checked_folder(folder)
        return cls(url, folder, f"{shown}#{folder}" if folder else shown)


def _is_local(url: str) -> bool:
    return "://" not in url and ":" not in url.partition("/")[0]


def _local(path: Path, folder: str) -> Source:
    from calreg.git import Repository

    if not path.is_dir():
        raise InputError("there is no such folder", where=str(path), code="source")
    repository = Repository.find(path)
    root = str(repository.work_tree or repository.git_dir)
    inside = "/".join(step for step in (repository.prefix.strip("/"), folder) if step)
    return Source(root, inside, f"{root}#{inside}" if inside else root)


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
