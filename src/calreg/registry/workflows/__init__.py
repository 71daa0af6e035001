"""The workflows of a new registry: what CI does with a proposal, and with what is merged.

They lie beside this file as they are, with places to fill in: what runs, where the registry
lies, and the branch that it is kept on. They are made once and belong to the registry from
then on; nothing here changes them later.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from calreg import __version__
from calreg.documents import load_json
from calreg.errors import InputError

__all__ = ["WORKFLOWS", "requirements", "tool", "workflow"]

WORKFLOWS = ("gate.yml", "comment.yml", "promote.yml")

_FOLDER = Path(__file__).parent
# What no place of a workflow gives another meaning: no quotes, globs, expressions or blanks.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ADDRESS = re.compile(r"https://[A-Za-z0-9._~:/%+-]+")


def workflow(name: str, *, prefix: str, branch: str = "main", suffix: str = "") -> str:
    """A workflow for a registry in a folder of a repository.

    Args:
        name: Which of `WORKFLOWS`.
        prefix: The folder; empty for the repository's root.
        branch: The branch that proposals are merged into, and that is published.
        suffix: Tells the workflows of a further registry of the repository, their checks and
            the branch that production reads from those of the first.

    Raises:
        InputError: The name of the folder or branch would mean something else there.
    """
    _check(prefix, branch)
    fillings = {
        "@REQUIREMENTS@": "\n".join(f"    {line}" for line in requirements()),
        "@TOOL@": _quoted(tool()),
        "@REGISTRY@": _quoted(prefix),
        "@BRANCH@": branch,
        "@SUFFIX@": suffix,
    }
    text = (_FOLDER / name).read_text("utf-8")
    return re.sub("@[A-Z]+@", lambda found: fillings[found[0]], text)


def _check(prefix: str, branch: str) -> None:
    hint = "Rename it, or leave the workflows out: --no-workflows."
    if "${{" in prefix or not prefix.isprintable():
        raise InputError(
            f"the folder {prefix!r} cannot be named in a workflow", hint=hint, code="name"
        )
    if not _PLAIN.fullmatch(branch):
        raise InputError(
            f"the branch {branch!r} cannot be named in a workflow", hint=hint, code="name"
        )


def _quoted(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))


def requirements() -> list[str]:
    """All that the tool runs on and is built by, as pip pins it: one package a line, with digests.

    They are those that its own CI runs on, for the Python and the machine of the workflows.
    """
    text = (_FOLDER / "requirements.txt").read_text("utf-8").replace("\\\n", "")
    return [" ".join(line.split()) for line in text.splitlines() if line[:1].isalpha()]


def tool() -> str:
    """This program, as pip installs it elsewhere: from where it was installed here.

    That is an address at a commit or with a digest, if it came from one, else its version at
    the package index. What a folder or file of this machine held nobody else can install, so
    that is the version, too.
    """
    came = _origin()
    url, version = str(came.get("url", "")), f"calreg=={__version__}"
    if not _ADDRESS.fullmatch(url):
        return version
    commit = str(_inside(came, "vcs_info", "commit_id"))
    digest = str(_inside(came, "archive_info", "hashes", "sha256"))
    if _inside(came, "vcs_info", "vcs") == "git" and _COMMIT.fullmatch(commit):
        return f"calreg @ git+{url}@{commit}"
    return f"calreg @ {url}#sha256={digest}" if _SHA256.fullmatch(digest) else version


def _origin() -> dict[str, Any]:
    """What pip wrote down about where it got this program from; nothing for an index."""
    try:
        text = distribution("calreg").read_text("direct_url.json") or "{}"
        return load_json(text.encode(), where="direct_url.json")
    except (PackageNotFoundError, InputError):
        return {}


def _inside(row: Any, *keys: str) -> Any:
    for key in keys:
        row = row.get(key) if isinstance(row, dict) else None
    return row
