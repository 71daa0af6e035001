"""The workflows of a new registry: what CI does with a proposal, and with what is merged.

They lie beside this file as they are, with two places to fill in: which versions of which
packages run, and where the registry lies. They are made once and belong to the registry from
then on; nothing here changes them later.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from calreg import __version__
from calreg.errors import InputError

__all__ = ["WORKFLOWS", "requirements", "workflow"]

WORKFLOWS = ("gate.yml", "comment.yml", "promote.yml")

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_EXTRA = re.compile(r"""extra\s*==|;.*(?:platform_system|sys_platform)\s*==\s*["'][Ww]in""")


def workflow(name: str, *, prefix: str) -> str:
    """A workflow for the registry in a folder of a repository; empty for its root.

    Raises:
        InputError: The folder's name would mean something else there.
    """
    if "${{" in prefix or not prefix.isprintable():
        raise InputError(
            f"the folder {prefix!r} cannot be named in a workflow",
            hint="Rename it, or leave the workflows out: --no-workflows.",
            code="name",
        )
    text = (Path(__file__).parent / name).read_text("utf-8")
    lines = "\n".join(f"    {line}" for line in requirements())
    quoted = "'{}'".format(prefix.replace("'", "''"))
    return text.replace("@REQUIREMENTS@", lines).replace("@REGISTRY@", quoted)


def requirements() -> list[str]:
    """This version of the tool, and of all that it runs on here, as pip pins them.

    What CI runs on is what made the registry, until somebody decides otherwise.
    """
    found = {"calreg": __version__}
    waiting = ["calreg"]
    while waiting:
        for name in _needs(waiting.pop()):
            if name not in found:
                try:
                    found[name] = distribution(name).version
                except PackageNotFoundError:
                    continue  # not needed on this machine
                waiting.append(name)
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def _needs(name: str) -> list[str]:
    wanted = distribution(name).requires or []
    names = (_NAME.match(text) for text in wanted if not _EXTRA.search(text))
    return [found[0].lower().replace("_", "-").replace(".", "-") for found in names if found]
