"""`calreg.Client`: the small public face of pulling and applying."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from calreg.client.destination import LOCK_FILE
from calreg.client.installed import Installed, InstalledReference
from calreg.client.pulling import DEADLINE_S, MAX_BYTES, Limits, Progress, Pulled, pull_into
from calreg.client.sources import Source

__all__ = ["Client"]


class Client:
    """A registry as production sees it: pull its references, apply them.

    Args:
        source: A git address (`https://…`, `ssh://…`, `user@host:path`, `file://…`), with
            `#folder` if the registry is in a subfolder, or a local folder.
        dest: The folder to install in; one of the user's cache if not said.
        cache: Where fetched objects are kept; beside what is installed if not said.
        deadline_s: Seconds that one pull may take as a whole.
        max_bytes: Bytes that the references of one pull may have together.

    To use what is installed and nothing else, `Client.open(dest)`.
    """

    def __init__(
        self,
        source: str,
        dest: Path | str | None = None,
        *,
        cache: Path | None = None,
        deadline_s: float = DEADLINE_S,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.source = source
        self.dest = Path(dest) if dest is not None else None
        self._cache = cache
        self._limits = Limits(deadline_s, max_bytes)

    @staticmethod
    def open(dest: Path | str) -> Installed:
        """What is installed in a folder, without any network."""
        return Installed.open(dest)

    def pull(
        self,
        dest: Path | str | None = None,
        heads: Sequence[str] = (),
        *,
        offline: bool = False,
        locked: bool = False,
        progress: Progress | None = None,
    ) -> Pulled:
        """Install the references that were asked for, all or nothing; see `pull_into`."""
        return pull_into(
            Path(dest) if dest is not None else self._folder(),
            self.source,
            heads,
            limits=self._limits,
            cache=self._cache,
            offline=offline,
            locked=locked,
            progress=progress,
        )

    def reference(self, head: str) -> InstalledReference:
        """One head's reference: the installed one, or pulled if it is not there yet.

        To follow a registry as it moves, call `pull` first.

        Raises:
            InputError: The registry has no such head, with the nearest that it has.
        """
        folder = self._folder()
        if not (folder / LOCK_FILE).exists():
            self.pull(folder, [head])
        installed = Installed.open(folder)
        if head not in installed.lock.heads or installed.lock.first.source != self._shown():
            self.pull(folder, self._with(installed, head))
            installed = Installed.open(folder)
        return installed.reference(head)

    def _shown(self) -> str:
        """The source as a lock records it."""
        return Source.parse(self.source).shown

    def _with(self, installed: Installed, head: str) -> tuple[str, ...]:
        """The selection that is installed and one more head; all if all were asked for."""
        selection = installed.lock.selection
        if head in installed.lock.heads or not selection:
            return selection
        return (*selection, head)

    def _folder(self) -> Path:
        return self.dest if self.dest is not None else _cache_home() / _folder_name(self.source)


def _cache_home() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "calreg" / "installed"


def _folder_name(source: str) -> str:
    return hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest()[:16]
