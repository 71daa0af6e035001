"""The working branch of a repository: every version there is, which no gate has passed.

Production reads it only where nothing was published yet; a view of it says so (`read` is
"main"). It is also where older versions are found, at the commit that a verified index names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from calreg import documents
from calreg.client.offers import MAX_REFERENCE_BYTES, Offers, read_announced, read_offers
from calreg.client.sources import Source
from calreg.client.trust import MAX_WITHDRAWN_BYTES, all_withdrawn, check_registry
from calreg.client.views import Asking, apart
from calreg.documents import Entry, LockEntry, LockSource, Retention, Withdrawn
from calreg.errors import InputError, RegistryError
from calreg.names import RETENTION_PATH, WITHDRAWN_PATH, HeadName

if TYPE_CHECKING:
    from calreg.git import Entry as TreeEntry

__all__ = ["MainView", "open_commit", "open_main"]

# All references of a model are read to know what they are, wanted or not.
_LEAST_TOTAL_BYTES = 64 * 2**20
_NO_COPY = 0
"""The version of a reference that is a copy of none; it is refused when it is read."""


def open_main(source: Source, asking: Asking) -> MainView:
    """The working branch as it is now.

    Raises:
        InputError: There is no registry.
        RegistryError: Another registry, or one that lost or changed what is installed.
        TransportError: It cannot be fetched.
    """
    from calreg.git import fetch_remote, tree_at

    repository, commit = fetch_remote(
        source.url, "HEAD", asking.cache, timeout_s=asking.deadline.left_s()
    )
    offers = read_offers(tree_at(repository.git_dir, commit), commit, source.folder)
    check_registry(asking.known, offers.registry)
    view = MainView(offers, source, asking)
    view.check_installed(asking.installed)
    return view


def open_commit(source: Source, asking: Asking, origin: LockSource) -> MainView:
    """The working branch at the commit that a verified index was made from.

    Of its many versions only those that are read are fetched, if the server can.

    Raises:
        RegistryError: The commit is gone, or is another registry's.
        TransportError: It cannot be fetched.
    """
    from calreg.git import Bringing, fetch_remote, partial_tree

    cache, clock = apart(asking.cache), asking.deadline
    _, commit = fetch_remote(
        source.url, origin.commit, cache, only="blob:none", timeout_s=clock.left_s()
    )
    tree = partial_tree(commit, Bringing(source.url, origin.commit, cache, clock))
    offers = read_offers(tree, commit, source.folder)
    check_registry(origin, offers.registry)
    return MainView(offers, source, asking)


class MainView:
    """One commit of the working branch."""

    def __init__(self, offers: Offers, source: Source, asking: Asking) -> None:
        self._offers, self._asking = offers, asking
        self.withdrawn: Withdrawn = all_withdrawn(asking.known, _listed(offers))
        self.origin = LockSource(
            source.shown,
            offers.registry,
            offers.commit,
            tip=offers.commit,
            withdrawn=self.withdrawn,
        )
        self._by_model: dict[str, list[str]] = {}
        for head in sorted(offers.references):
            self._by_model.setdefault(HeadName.parse(head).model, []).append(head)
        self._entries: dict[str, Mapping[str, Entry]] = {}
        self._bytes: dict[str, bytes] = {}

    def models(self) -> Collection[str]:
        """The models that have references."""
        return self._by_model.keys()

    def entries(self, model: str) -> Mapping[str, Entry]:
        """A model's references, made of their bytes: nothing lists them here."""
        if model not in self._entries:
            heads = {head: self._offers.references[head] for head in self._by_model[model]}
            found = self._read(heads)
            self._bytes |= found
            self._entries[model] = {
                head: _entry(raw, self._offers.copied_version(head) or _NO_COPY)
                for head, raw in found.items()
            }
        return self._entries[model]

    def read(self, wanted: Mapping[str, Entry]) -> dict[str, bytes]:
        """The documents of some references, each a copy of the version it says it is."""
        for head, entry in wanted.items():
            if entry.version == _NO_COPY:
                self._refuse_no_copy(head)
        return {head: self._bytes[head] for head in wanted}

    def _refuse_no_copy(self, head: str) -> None:
        where = self._offers.path_of(head)
        self._offers.check_copy(
            head, documents.load_calibration(self._bytes[head], where=where).version
        )

    def version(self, head: str, version: int) -> tuple[Entry, bytes]:
        """One version of a head."""
        return self.versions({head: version})[head]

    def versions(self, wanted: Mapping[str, int]) -> dict[str, tuple[Entry, bytes]]:
        """Some versions by head.

        Raises:
            InputError: There is no such version, with the newest there is.
        """
        entries = {}
        for head, version in wanted.items():
            entry = self._offers.version_entry(head, version)
            if entry is None or not entry.is_plain_file:
                raise self._no_such(head, version)
            entries[head] = entry
        found = self._read(entries)
        return {head: (_entry(raw, wanted[head]), raw) for head, raw in found.items()}

    def _no_such(self, head: str, version: int) -> InputError:
        if self._is_collected(head, version):
            return InputError(
                f"{head} v{version} was collected: {self._offers.registry} no longer keeps it",
                hint="It is in the history: name a day on which it was in use, with --as-of.",
                code="no-such-version",
            )
        return InputError(
            f"{self._offers.registry} has no {head} v{version}",
            hint=self._newest_of(head),
            code="no-such-version",
        )

    def _is_collected(self, head: str, version: int) -> bool:
        return self._retention.has(HeadName.parse(head).model, version)

    @cached_property
    def _retention(self) -> Retention:
        """What the registry itself took off its tip; everything else that is gone was lost."""
        path = self._offers.prefix + RETENTION_PATH
        if path not in self._offers.entries:
            return Retention()
        listed = {path: self._offers.plain(path)}
        raw = read_announced(self._offers.tree, listed, max_bytes=MAX_WITHDRAWN_BYTES)[path]
        return documents.load_retention(raw, where=path)

    def _newest_of(self, head: str) -> str:
        versions = self._offers.versions_of(head)
        return f"The newest is v{versions[-1]}." if versions else "It has no version at all."

    def check_installed(self, installed: Mapping[str, LockEntry]) -> None:
        """Refuse a history that lost or changed a version that is installed here.

        Raises:
            RegistryError: It did.
        """
        entries = {
            head: self._offers.version_entry(head, entry.version)
            for head, entry in installed.items()
        }
        here = {head: entry for head, entry in entries.items() if entry is not None}
        raw = self._read(here)
        for head, entry in installed.items():
            if head in here and documents.digest_of(raw[head]) == entry.digest:
                continue
            if head not in here and self._is_collected(head, entry.version):
                continue
            lost = "has other bytes for" if head in here else "no longer has"
            raise RegistryError(
                f"{self._offers.registry}@{self._offers.commit[:12]} {lost} {head} "
                f"v{entry.version}, which is installed: its history was rewound or rewritten",
                hint="Ask who keeps the registry; if it is meant so, pull into a new folder.",
                code="history-rewritten",
            )

    def _read(self, entries: Mapping[str, TreeEntry]) -> dict[str, bytes]:
        self._asking.deadline.left_s()
        if not entries:
            return {}
        return read_announced(
            self._offers.tree,
            entries,
            max_bytes=MAX_REFERENCE_BYTES,
            max_total_bytes=max(self._asking.max_bytes, _LEAST_TOTAL_BYTES),
        )


def _entry(raw: bytes, version: int) -> Entry:
    return Entry(version, documents.digest_of(raw), len(raw))


def _listed(offers: Offers) -> Withdrawn:
    path = offers.prefix + WITHDRAWN_PATH
    if path not in offers.entries:
        return Withdrawn({})
    listed = {path: offers.plain(path)}
    raw = read_announced(offers.tree, listed, max_bytes=MAX_WITHDRAWN_BYTES)[path]
    return documents.load_withdrawn(raw, where=path)
