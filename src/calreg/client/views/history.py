"""What the references were at a date or a commit: an older publication of a git source.

Older indexes are found by following the digests of the indexes before, from the newest one,
which was verified: a history that was changed does not fit. What is withdrawn now is
withdrawn then, too: the newest list judges.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from calreg import documents
from calreg.client.trust import MAX_INDEX_BYTES
from calreg.client.views import View, apart
from calreg.client.views.stable import StableView, WholeFiles
from calreg.documents import Entry, Index, LockSource, Withdrawn
from calreg.errors import InputError, RegistryError
from calreg.names import INDEX_PATH

if TYPE_CHECKING:
    from calreg.git import Repository

__all__ = ["as_of_all"]

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_DAY = timedelta(days=1)
_NOTHING_PUBLISHED = "nothing-published"


def as_of_all(views: Sequence[View], asked: str | None) -> list[View]:
    """The views as they were at a date or commit; as they are for None.

    Raises:
        InputError: Neither a date nor a commit, a source without a history of publications,
            or nothing was published by then.
        RegistryError: The history does not fit the newest index.
        TransportError: The history cannot be fetched.
    """
    if asked is None:
        return list(views)
    found: list[View] = []
    missing: InputError | None = None
    for view in views:
        try:
            found.append(_as_of(view, asked))
        except InputError as error:
            if error.code != _NOTHING_PUBLISHED:
                raise
            found.append(_Nothing(view))
            missing = error
    if missing is not None and all(isinstance(view, _Nothing) for view in found):
        raise missing
    return found


class _Nothing:
    """A source that had not published anything yet, where another had."""

    def __init__(self, view: View) -> None:
        self.origin: LockSource = view.origin
        self.withdrawn: Withdrawn = view.withdrawn

    def models(self) -> Collection[str]:
        """None."""
        return ()

    def entries(self, model: str) -> Mapping[str, Entry]:
        """None."""
        raise _no_reference(self.origin, model)

    def read(self, wanted: Mapping[str, Entry]) -> dict[str, bytes]:
        """None."""
        raise _no_reference(self.origin, min(wanted))

    def version(self, head: str, version: int) -> tuple[Entry, bytes]:
        """None."""
        raise _no_reference(self.origin, f"{head} v{version}")


def _no_reference(origin: LockSource, what: str) -> InputError:
    return InputError(f"{origin.registry} had not published {what} yet", code=_NOTHING_PUBLISHED)


def _as_of(view: View, asked: str) -> View:
    moment = _moment(asked)
    if moment is None and not _COMMIT.fullmatch(asked):
        raise InputError(
            f"as of {asked!r}: expected a date or a commit",
            hint="Write 2026-11-01, 2026-11-01T12:00:00Z, or a commit of the registry.",
            code="as-of",
        )
    if not isinstance(view, StableView):
        problem = (
            "history needs a git source, and this is a site"
            if view.origin.read == "site"
            else "nothing was published yet, so there is no history of publications"
        )
        raise InputError(
            f"as of {asked}: {view.origin.source}: {problem}",
            hint="Name versions instead: HEAD@v3.",
            code="history",
        )
    return _Past(view, asked).view_when(moment)


def _moment(asked: str) -> datetime | None:
    """The end of a day, or the time itself; None if it is no date."""
    try:
        moment = datetime.fromisoformat(asked)
    except ValueError:
        return None
    if moment.time() == time() and "T" not in asked and " " not in asked:
        moment += _DAY - timedelta(microseconds=1)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class _Past:
    """The publications before the one of a view."""

    def __init__(self, view: StableView, asked: str) -> None:
        self._view, self._asked = view, asked

    @cached_property
    def _repository(self) -> Repository:
        from calreg.git import fetch_remote

        source, asking = self._view.source, self._view.asking
        repository, _ = fetch_remote(
            source.url,
            asking.branch,
            apart(asking.cache),
            depth=None,
            timeout_s=asking.deadline.left_s(),
        )
        return repository

    @cached_property
    def _commits(self) -> list[str]:
        from calreg.git import history_of

        cache = self._repository.git_dir
        return history_of(cache, str(self._view.origin.tip), is_first_parent=True)

    def _history_before(self) -> frozenset[str]:
        """The asked commit of the working branch and all before it."""
        from calreg.git import fetch_remote, history_of

        source, asking = self._view.source, self._view.asking
        repository, newest = fetch_remote(
            source.url,
            self._view.origin.commit,
            apart(asking.cache),
            depth=None,
            timeout_s=asking.deadline.left_s(),
        )
        known = history_of(repository.git_dir, newest)
        meant = [commit for commit in known if commit.startswith(self._asked)]
        if len(meant) != 1:
            raise InputError(
                f"as of {self._asked}: {len(meant) or 'no'} commits before {newest[:12]}, the last "
                "that was published, begin like that",
                hint="Write a commit of the registry's working branch, or a date.",
                code="as-of",
            )
        return frozenset(history_of(repository.git_dir, meant[0]))

    def view_when(self, moment: datetime | None) -> StableView:
        """The newest publication at or before a moment; None for the asked commit."""
        if moment is None:
            return self._view_at(self._by_commit())
        return self._view_at(lambda index: datetime.fromisoformat(index.issued) <= moment)

    def _by_commit(self) -> Callable[[Index], bool]:
        exact = {i.commit for _, i in self._publications() if i.commit.startswith(self._asked)}
        if len(exact) == 1:
            return lambda index: index.commit in exact
        before = self._history_before()
        return lambda index: index.commit in before

    def _view_at(self, is_meant: Callable[[Index], bool]) -> StableView:
        from calreg.git import tree_at

        for commit, index in self._publications():
            if is_meant(index):
                origin = replace(self._view.origin, commit=index.commit)
                files = WholeFiles(tree_at(self._repository.git_dir, commit))
                return self._view.before(files, index, origin)
        raise InputError(
            f"as of {self._asked}: {self._view.origin.registry} had published nothing",
            code=_NOTHING_PUBLISHED,
        )

    def _publications(self) -> Iterator[tuple[str, Index]]:
        """Commit and index of every publication, from the newest back.

        Raises:
            RegistryError: One is not the index that the one after it names.
        """
        from calreg.git import tree_at

        commits = self._commits
        tree = tree_at(self._repository.git_dir, commits[0])
        raw = tree.read_at(commits, INDEX_PATH, max_bytes=MAX_INDEX_BYTES)
        expected, last = self._view.origin.index, None
        for commit in commits:
            digest = documents.digest_of(raw[commit]) if commit in raw else None
            if digest is not None and digest == last:
                continue  # a commit that published nothing
            if digest is None or digest != expected:
                raise RegistryError(
                    f"the history of publications is broken at {commit[:12]}: expected index "
                    f"{(expected or 'none')[:12]}, got {(digest or 'none')[:12]}",
                    hint="Ask who keeps the registry.",
                    code="history-rewritten",
                )
            index = documents.load_index(raw[commit], where=f"{commit[:12]}:{INDEX_PATH}")
            yield commit, index
            expected, last = index.previous, digest
            if expected is None:
                return
