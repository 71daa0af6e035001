"""`calreg.Client`: the small public face of pulling and applying.

One client may be used by any number of threads, and by processes that are forked from the one
that made it. What it hands out is always of one whole set, the newest that is installed in
its folder, whoever installed it there.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from calreg.client.destination import LOCK_FILE, Destination, is_held, open_folder
from calreg.client.following import Following, Pace, Wait
from calreg.client.installed import Installed, InstalledReference, Stamp
from calreg.client.serving import Serving
from calreg.errors import CalregError, InputError, UsageError

if TYPE_CHECKING:
    from calreg.client.pulling import Limits, Progress, Pulled
    from calreg.documents import Lock, LockFormat
    from calreg.signatures import PublicKey

__all__ = ["Client", "KeyLike", "OnChange"]

DEADLINE_S = 60.0
MAX_BYTES = 256 * 2**20

KeyLike = "PublicKey | Path | str"
"""A key: its line as OpenSSH writes it, a file that holds such lines, or the key itself."""

OnChange = Callable[["Pulled"], object]
"""Told what a pull changed."""


def _chance() -> float:
    # The system's: forked processes would all draw the same from a generator of our own.
    return random.SystemRandom().random()


class Client:
    """A registry as production sees it: pull its references, apply them.

    Args:
        source: A git address (`https://…`, `ssh://…`, `user@host:path`, `file://…`), with
            `#folder` if the registry is in a subfolder, a local folder, or a static site.
            Several are asked in their order; a head is taken from the first that has it.
        dest: The folder to install in; one of the user's cache if not said.
        heads: What `pull` installs if nothing is named there: names, models, patterns,
            `head@v3`; all if none.
        keys: Whose signatures are believed: lines as OpenSSH writes them, or files of such;
            for several sources by address. Without any, the keys seen first are pinned.
        threshold: How many of them must have signed.
        template: Where plain copies go; as before if not said.
        format: What plain copies are written in; as before if not said.
        require_fresh: Fail on an index past its time, instead of serving on with a warning.
        cache: Where fetched objects are kept; beside what is installed if not said.
        deadline_s: Seconds that one pull may take as a whole.
        max_bytes: Bytes that the references of one pull may have together.
        now: The clock that expiry and age are judged by.

    To use what is installed and nothing else, `Client.open(dest)`.
    """

    def __init__(  # noqa: PLR0913 - each is one thing that a person may say
        self,
        source: str | Sequence[str],
        dest: Path | str | None = None,
        *,
        heads: Sequence[str] = (),
        keys: Sequence[PublicKey | Path | str]
        | Mapping[str, Sequence[PublicKey | Path | str]] = (),
        threshold: int = 1,
        template: str | None = None,
        format: LockFormat | None = None,  # noqa: A002 - what the command line calls it
        require_fresh: bool = False,
        cache: Path | None = None,
        deadline_s: float = DEADLINE_S,
        max_bytes: int = MAX_BYTES,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.sources = (source,) if isinstance(source, str) else tuple(source)
        # Absolute: a daemon changes its folder.
        self.dest = Path(dest).absolute() if dest is not None else None
        self._heads = tuple(heads)
        self._keys, self._threshold = keys, threshold
        self._template, self._format = template, format
        self._require_fresh = require_fresh
        self._cache = cache
        self._deadline_s, self._max_bytes = deadline_s, max_bytes
        self._now = now
        self._shown: tuple[str, ...] | None = None
        self._serving = Serving(self._folder(), self._is_ours, self._keep_error)
        self._confirmed: datetime | None = None
        self._callbacks: list[OnChange] = []
        self._follow: Callable[[], Following] | None = None
        self._following: Following | None = None
        self.last_error: Exception | None = None
        """What the last look, or a callback after it, failed with; None if nothing did."""
        self._forget_locks()
        _CLIENTS.add(self)

    @property
    def source(self) -> str:
        """The first source, as it was typed."""
        return self.sources[0]

    @staticmethod
    def open(dest: Path | str) -> Installed:
        """What is installed in a folder, without any network."""
        return Installed.open(dest)

    # Pulling

    def pull(  # noqa: PLR0913 - each is one thing that a person may say
        self,
        dest: Path | str | None = None,
        heads: Sequence[str] | None = None,
        *,
        offline: bool = False,
        locked: bool = False,
        as_of: str | None = None,
        template: str | None = None,
        format: LockFormat | None = None,  # noqa: A002 - as above
        require_fresh: bool | None = None,
        progress: Progress | None = None,
    ) -> Pulled:
        """Install the references that were asked for, all or nothing; see `pull_into`.

        Args:
            dest: The folder; the client's if not said.
            heads: Names, models, patterns, `head@v3`; the client's if not said.
            offline: Ask nobody: check what is installed, and repair its plain copies.
            locked: Install exactly what `calreg.lock` says.
            as_of: What the references were at a date or commit.
            template: Where plain copies go; the client's, or as before, if not said.
            format: What they are written in; as `template`.
            require_fresh: As the client's, if not said.
            progress: Told now and then.
        """
        if (locked or offline) and (template or format):
            raise UsageError(
                "a template or format is changed by a pull that is neither --locked nor --offline"
            )
        if offline and as_of:
            raise UsageError("--offline uses what is installed; it has no other time")
        if heads is None:
            heads = () if locked or offline else self._heads
        pulled = self._pull(
            Path(dest) if dest is not None else self._folder(),
            heads,
            offline=offline,
            locked=locked,
            as_of=as_of,
            template=template or self._template,
            format=format or self._format,
            require_fresh=self._require_fresh if require_fresh is None else require_fresh,
            progress=progress,
        )
        return self._told(pulled)

    def refresh(self) -> Pulled:
        """Look once for something new, and install it: the same heads, as of the same time.

        A folder that was rolled back is left as it is until a `pull`.

        Raises:
            CalregError: As `pull`; kept as `last_error`, and what is installed goes on serving.
        """
        folder = self._folder()
        try:
            with self._pulling:
                lock = _lock_in(folder)
                is_held_back = lock is not None and _is_held(folder)
                pulled = self._pull(
                    folder,
                    lock.selection if lock else self._heads,
                    as_of=lock.as_of if lock and not is_held_back else None,
                    offline=is_held_back,
                    template=None if lock else self._template,
                    format=None if lock else self._format,
                    require_fresh=self._require_fresh,
                )
        except CalregError as error:
            self.last_error = error
            raise
        return self._told(pulled)

    def _pull(self, folder: Path, heads: Sequence[str], **how: Any) -> Pulled:
        from calreg.client.pulling import pull_into

        with self._pulling:
            pulled = pull_into(
                folder,
                self.sources,
                heads,
                limits=self._limits(),
                cache=self._cache,
                keys=self._public_keys(),
                threshold=self._threshold,
                now=self._now(),
                **how,
            )
            if not (how.get("offline") or how.get("locked")):
                self._confirm(folder)
        return pulled

    def _told(self, pulled: Pulled) -> Pulled:
        """Tell whoever wants to know what was pulled; with no lock held, whatever they do."""
        self.last_error = None
        for callback in tuple(self._callbacks) if pulled.updated or pulled.removed else ():
            try:
                callback(pulled)
            except Exception as error:  # noqa: BLE001 - somebody else's code, told and survived
                self._report(error)
        return pulled

    def rollback_local(self, dest: Path | str | None = None) -> Lock:
        """Go back to the set that was installed before; until the next `pull`.

        Returns:
            The lock of the set that is installed now.

        Raises:
            InputError: There is none.
            RegistryError: It is damaged, or has a version that was withdrawn.
        """
        from calreg.client.deadline import Deadline

        folder = Path(dest) if dest is not None else self._folder()
        with (
            self._pulling,
            Destination.exclusively(folder, Deadline(self._deadline_s)) as destination,
        ):
            destination.recover()
            return destination.roll_back()

    # Handing out

    def reference(self, head: str) -> InstalledReference:
        """One head's reference: the installed one, or pulled if it is not there yet.

        To follow a registry as it moves, `start` or call `refresh`.

        Raises:
            InputError: The registry has no such head, with the nearest that it has.
            RegistryError: Its version was withdrawn.
        """
        installed = self._installed()
        if installed is None or head not in installed.lock.heads:
            installed = self._pulled_with(head)
        return installed.reference(head)

    def references(self, model: str) -> dict[str, InstalledReference]:
        """The references of all heads of a model, by full head name; pulled if none is there.

        Raises:
            InputError: The registry has no such model.
            RegistryError: A version was withdrawn.
        """
        installed = self._installed()
        below = f"{model.rstrip('/')}/"
        if installed is None or not any(head.startswith(below) for head in installed.lock.heads):
            installed = self._pulled_with(model)
        return installed.references(model)

    def at(self, stamp: Stamp | str) -> InstalledReference:
        """The very numbers that a stamp was made with; see `replayed`.

        Raises:
            InputError: It is no stamp, or no source has what it names.
            RegistryError: Its version was withdrawn.
            DigestMismatchError: The source has other bytes for it.
        """
        from calreg.client.pulling import places_of
        from calreg.client.replaying import replayed

        return replayed(
            Stamp.parse(stamp) if isinstance(stamp, str) else stamp,
            self._folder(),
            places_of(self.sources, self._public_keys(), self._threshold),
            limits=self._limits(),
            now=self._now(),
        )

    @property
    def age(self) -> float | None:
        """Seconds since what is installed was last confirmed as current; None if nothing is.

        A look that finds nothing new confirms it, one that fails does not.
        """
        installed = self._installed()
        if installed is None:
            return None
        now = self._now()
        ages = [(now - moment).total_seconds() for moment in (self._confirmed,) if moment]
        return max(0.0, min([installed.age_s(now), *ages]))

    # Following

    def start(
        self,
        interval_s: float = 300.0,
        *,
        chance: Callable[[], float] = _chance,
        wait: Wait = threading.Event.wait,
    ) -> Self:
        """Look for something new in the background, until `stop`.

        Looks that fail are repeated, later and later; what is installed goes on serving, and
        `last_error` says what went wrong. A process that is forked goes on looking by itself
        from its first question on.

        Args:
            interval_s: Seconds between two looks, a tenth more or less by chance.
            chance: A number from 0 to 1, another one each time.
            wait: Waits between two looks.
        """
        if not interval_s > 0:
            raise UsageError(f"interval_s: expected more than 0 s, got {interval_s}")
        self.stop()
        pace = Pace(interval_s)
        with self._guard:
            self._follow = lambda: Following(
                self._look, self._report, pace=pace, chance=chance, wait=wait
            )
            self._following = self._follow()
        return self

    def stop(self) -> None:
        """Look no more; a look that is under way is waited for, no longer than a pull may take."""
        with self._guard:
            following, self._following, self._follow = self._following, None, None
        if following is not None:
            following.end(self._deadline_s)

    def on_change(self, callback: OnChange) -> OnChange:
        """Call a function with what was pulled, whenever that changed what is installed.

        It is called in the thread that pulled. What it raises is reported and harms nobody.
        """
        self._callbacks.append(callback)
        return callback

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _look(self) -> None:
        self.refresh()

    def _keep_error(self, error: CalregError) -> None:
        self.last_error = error

    def _report(self, error: Exception) -> None:
        from logging import getLogger

        self.last_error = error
        expected = isinstance(error, CalregError)
        getLogger("calreg.client").warning(
            "%s", error if expected else repr(error), exc_info=None if expected else error
        )

    def _keep_following(self) -> None:
        """Start the thread again in a process that was forked."""
        with self._guard:
            if self._follow is not None and not (self._following and self._following.is_alive):
                self._following = self._follow()

    # What is served

    def _installed(self) -> Installed | None:
        """What is installed now and from our sources; None if nothing is."""
        if self._follow is not None and not (self._following and self._following.is_alive):
            self._keep_following()
        return self._serving.now()

    def _is_ours(self, lock: Lock) -> bool:
        """Whether what is installed is from the sources of this client."""
        if self._shown is None:
            from calreg.client.sources import Source

            self._shown = tuple(Source.parse(source).shown for source in self.sources)
        return {*self._shown} <= {source.source for source in lock.sources}

    def _pulled_with(self, wanted: str) -> Installed:
        """What is installed after a pull of what is installed and one more head or model."""
        folder = self._folder()
        with self._pulling:
            lock = _lock_in(folder)
            if lock is not None and _is_held(folder):
                return Installed.open(folder)
            heads = (*lock.selection, wanted) if lock and lock.selection else ()
            pulled = self._pull(
                folder,
                heads if lock else self._heads or (wanted,),
                as_of=lock.as_of if lock else None,
                template=None if lock else self._template,
                format=None if lock else self._format,
                require_fresh=self._require_fresh,
            )
        self._told(pulled)
        return self._installed() or Installed.open(folder)

    def _limits(self) -> Limits:
        from calreg.client.pulling import Limits

        return Limits(self._deadline_s, self._max_bytes)

    def _public_keys(self) -> Sequence[PublicKey] | Mapping[str, Sequence[PublicKey]]:
        from calreg.client.keyfiles import public_keys

        if isinstance(self._keys, Mapping):
            return {
                source: public_keys(keys, threshold=self._threshold)
                for source, keys in self._keys.items()
            }
        return public_keys(self._keys, threshold=self._threshold)

    def _confirm(self, folder: Path) -> None:
        """Record that what is installed is current: for this process, and on disk for others."""
        if folder == self._folder():
            self._confirmed = self._now()
        # Only for the age: a folder whose files are another user's says less of it.
        with contextlib.suppress(OSError, InputError), open_folder(folder) as opened:
            opened.touch(LOCK_FILE, at=self._now().timestamp())

    def _forget_locks(self) -> None:
        """New locks: a forked process has copies of those that another thread held just then."""
        self._guard = threading.RLock()
        self._pulling = threading.RLock()
        self._serving.forget_locks()

    def _folder(self) -> Path:
        return self.dest if self.dest is not None else _cache_home() / _folder_name(self.sources)


_CLIENTS: weakref.WeakSet[Client] = weakref.WeakSet()


def _after_fork() -> None:
    for client in _CLIENTS:
        client._forget_locks()  # noqa: SLF001 - this module's own


os.register_at_fork(after_in_child=_after_fork)


def _lock_in(folder: Path) -> Lock | None:
    from calreg.client.destination import read_lock

    if not folder.is_dir():
        return None
    with open_folder(folder) as opened:
        return read_lock(opened)


def _is_held(folder: Path) -> bool:
    with open_folder(folder) as opened:
        return is_held(opened)


def _cache_home() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "calreg" / "installed"


def _folder_name(sources: Sequence[str]) -> str:
    text = "\n".join(sources)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
