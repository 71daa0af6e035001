"""The branch `stable` of a git repository: what the gate let through, listed and signed.

The tree is fetched whole and read from the cache. It may hold plain files only; of those,
the ones that the index lists are read, each with the digest and size that it must have.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from calreg.client.offers import MAX_REFERENCE_BYTES, read_announced
from calreg.client.sources import Source
from calreg.client.trust import (
    MAX_INDEX_BYTES,
    MAX_KEYS_BYTES,
    MAX_SIGNATURE_BYTES,
    MAX_WITHDRAWN_BYTES,
    all_withdrawn,
    check_listed,
    load_withdrawn_list,
    model_heads,
    verified,
)
from calreg.client.views import Asking, pieces_of
from calreg.client.views.main import MainView, open_commit
from calreg.documents import Entry, Index, LockSource, Withdrawn
from calreg.errors import InputError, RegistryError
from calreg.names import (
    INDEX_PATH,
    INDEX_SIGNATURE_PATH,
    WITHDRAWN_PATH,
    HeadName,
    case_collision,
    keys_path,
    keys_signature_path,
    model_index_path,
)

if TYPE_CHECKING:
    from calreg.git import Entry as TreeEntry
    from calreg.git import PartialTree, Tree

__all__ = ["Files", "StableView", "WholeFiles", "open_stable"]

# What a pack may have beyond the references: indexes, signatures, the way there.
_PACK_ALLOWANCE = 64 * 2**20
# What does not fit by a little is read, so that it can be called what it is: other bytes.
_SLACK_BYTES = 2**20
_FOLDER = "040000"
_KEYS_FOLDER = keys_path(1).partition("/")[0]
_KINDS = {"120000": "a symbolic link", "160000": "a submodule", "100755": "a program"}


def open_stable(source: Source, asking: Asking) -> StableView:
    """The branch as it is now, verified.

    Args:
        source: A git repository.
        asking: What is known, given and allowed.

    Raises:
        InputError: The branch holds no index.
        RegistryError: There is no such branch (code "no-such-branch"), a tree that is not as
            it must be, or any refusal of `verified`.
        TransportError: It cannot be fetched.
    """
    known = asking.known
    files, cache, commit = _fetched(source, asking)
    index, origin = _verified(files, source, asking, commit)
    _check_ancestry(asking, cache, commit)
    if source.folder and known is None:
        _check_folder(source, asking, origin)
    found = files.read([WITHDRAWN_PATH], max_bytes=MAX_WITHDRAWN_BYTES)
    listed = load_withdrawn_list(found.get(WITHDRAWN_PATH), index)
    origin = replace(origin, withdrawn=all_withdrawn(known, listed))
    return StableView(files, index, origin, source, asking)


def _fetched(source: Source, asking: Asking) -> tuple[Files, Path, str]:
    """The files of the branch, all of them or piece by piece, where they are, and its commit."""
    from calreg.git import Bringing, follow_remote, is_followed, partial_tree, tree_at

    cache, max_bytes = asking.cache, asking.max_bytes + _PACK_ALLOWANCE
    # Over ssh each conversation begins with a handshake, and a local one moves nothing.
    is_web = source.url.lower().startswith(("https://", "http://"))
    in_pieces = bool(asking.few) and is_web and not is_followed(source.url, asking.branch, cache)
    if in_pieces:
        cache = pieces_of(cache)
    _, commit = follow_remote(
        source.url,
        asking.branch,
        cache,
        # What lies at the root and the folders there: index, signature, what is withdrawn.
        only="tree:2" if in_pieces else None,
        timeout_s=asking.deadline.left_s(),
        max_bytes=max_bytes,
    )
    if not in_pieces:
        return WholeFiles(tree_at(cache, commit)), cache, commit
    bringing = Bringing(source.url, asking.branch, cache, asking.deadline, max_bytes)
    files = PiecemealFiles(partial_tree(commit, bringing))
    files.look_into([_KEYS_FOLDER])
    is_new = asking.known is None or asking.known.trust is None
    files.look_into(
        [HeadName.parse(head).model for head in asking.few],
        with_files_of=_KEYS_FOLDER if is_new and not asking.keys else None,
    )
    return files, cache, commit


class Files(Protocol):
    """The files of one commit, all of them plain."""

    def read(
        self, paths: Collection[str], *, max_bytes: int, max_total_bytes: int | None = None
    ) -> dict[str, bytes]:
        """The bytes of those of the paths that exist."""
        ...

    def read_soon(self, paths: Collection[str]) -> None:
        """Prepare to read some of the paths, all at once where that is cheaper."""
        ...

    def together(self, models: Collection[str]) -> Collection[str]:
        """Of some models, those whose indexes may as well be read together."""
        ...


class WholeFiles:
    """The files of a commit that is here as a whole."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._entries = tree.paths()
        _check_plain(self._entries)

    def read(
        self, paths: Collection[str], *, max_bytes: int, max_total_bytes: int | None = None
    ) -> dict[str, bytes]:
        """The bytes of those of the paths that exist."""
        here = {path: self._entries[path] for path in paths if path in self._entries}
        return _read(self._tree, here, max_bytes, max_total_bytes)

    def read_soon(self, paths: Collection[str]) -> None:
        """Nothing: all is here."""

    def together(self, models: Collection[str]) -> Collection[str]:
        """All of them: bytes that are here cost little, and only what is asked for is parsed."""
        return models


class PiecemealFiles:
    """The files of a commit of which folders and files are brought when they are wanted."""

    def __init__(self, tree: PartialTree) -> None:
        self._tree = tree
        self._folders: dict[str, dict[str, TreeEntry]] = {"": tree.paths(recursive=False)}
        _check_plain(self._folders[""], with_folders=True)

    def read(
        self, paths: Collection[str], *, max_bytes: int, max_total_bytes: int | None = None
    ) -> dict[str, bytes]:
        """The bytes of those of the paths that exist."""
        return _read(self._tree, self._files(paths), max_bytes, max_total_bytes)

    def read_soon(self, paths: Collection[str]) -> None:
        """Fetch what is missing of them, all in one."""
        self._tree.bring([entry.oid for entry in self._files(paths).values()])

    def _files(self, paths: Collection[str]) -> dict[str, TreeEntry]:
        self.look_into({path.rpartition("/")[0] for path in paths})
        found = {path: self._entry(path) for path in paths}
        return {path: entry for path, entry in found.items() if entry and entry.is_plain_file}

    def together(self, models: Collection[str]) -> Collection[str]:
        """None of them: each may have to be fetched."""
        return models if len(models) == 1 else ()

    def look_into(self, folders: Iterable[str], *, with_files_of: str | None = None) -> None:
        """List folders and those above them, one fetch for each step down.

        Args:
            folders: From the root.
            with_files_of: A folder that was listed, whose files come along.
        """
        also = [entry.oid for entry in self._folders.get(with_files_of or "-", {}).values()]
        steps = {folder: folder.split("/") for folder in folders if folder}
        deepest = max(map(len, steps.values()), default=0)
        for depth in range(1, deepest + 1):
            above = {"/".join(step[:depth]) for step in steps.values() if len(step) >= depth}
            wanted = {
                path: entry.oid
                for path in sorted(above - self._folders.keys())
                if (entry := self._entry(path)) is not None and entry.mode == _FOLDER
            }
            self._tree.bring([*wanted.values(), *(also if depth == deepest else ())])
            for path, oid in wanted.items():
                self._folders[path] = found = self._tree.folder(oid)
                whole = {f"{path}/{name}": entry for name, entry in found.items()}
                _check_plain(whole, with_folders=True)

    def _entry(self, path: str) -> TreeEntry | None:
        folder, _, name = path.rpartition("/")
        return self._folders.get(folder, {}).get(name)


def _read(
    tree: Tree, here: Mapping[str, TreeEntry], max_bytes: int, max_total_bytes: int | None
) -> dict[str, bytes]:
    if not here:
        return {}
    return read_announced(tree, here, max_bytes=max_bytes, max_total_bytes=max_total_bytes)


def _check_plain(entries: Mapping[str, TreeEntry], *, with_folders: bool = False) -> None:
    """Refuse anything but plain files, and names that some disks cannot keep apart."""
    for path, entry in entries.items():
        if not entry.is_plain_file and not (with_folders and entry.mode == _FOLDER):
            raise RegistryError(
                f"expected a plain file, got {_KINDS.get(entry.mode, f'mode {entry.mode}')}",
                where=path,
                code="not-a-plain-file",
            )
    if len({path.casefold() for path in entries}) < len(entries):
        twins = case_collision(entries) or ("", "")
        raise RegistryError(
            f"differs only in case from {twins[0]}", where=twins[1], code="case-collision"
        )


def _verified(
    files: Files, source: Source, asking: Asking, commit: str
) -> tuple[Index, LockSource]:
    raw = files.read([INDEX_PATH], max_bytes=MAX_INDEX_BYTES).get(INDEX_PATH)
    if raw is None:
        raise InputError(
            f"not a registry: no {INDEX_PATH} on the branch {asking.branch!r} of {source.shown}",
            hint="calreg stable publish writes that branch.",
            code="not-a-registry",
        )
    signature = files.read([INDEX_SIGNATURE_PATH], max_bytes=MAX_SIGNATURE_BYTES)
    return verified(
        raw,
        signature.get(INDEX_SIGNATURE_PATH),
        lambda number: _keys_at(files, number),
        asking,
        source=source.shown,
        read="stable",
        tip=commit,
    )


def _keys_at(files: Files, number: int) -> tuple[bytes, bytes] | None:
    paths = keys_path(number), keys_signature_path(number)
    found = files.read(paths, max_bytes=max(MAX_KEYS_BYTES, MAX_SIGNATURE_BYTES))
    return (found[paths[0]], found[paths[1]]) if len(found) == len(paths) else None


def _check_folder(source: Source, asking: Asking, origin: LockSource) -> None:
    """Refuse a branch that another registry of the repository is published on."""
    try:
        open_commit(source, asking, origin)
    except RegistryError as error:
        if error.code != "another-registry":
            raise
        raise RegistryError(
            f"the branch {asking.branch!r} holds the references of {origin.registry!r}, which is "
            f"not the registry in the folder {source.folder!r}",
            hint=f"Say which branch is its own: {source.shown}@BRANCH",
            code="another-registry",
        ) from error


def _check_ancestry(asking: Asking, cache: Path, commit: str) -> None:
    """Refuse a branch that does not hold the commit that was read last; a lost cache forgives."""
    from calreg.git import comes_after

    known = asking.known
    if known is None or known.read != "stable" or known.seen_tip in {None, commit}:
        return
    if comes_after(cache, str(known.seen_tip), commit) is False:
        raise RegistryError(
            f"the history of {asking.branch!r} was rewritten: {commit[:12]} does not come after "
            f"{str(known.seen_tip)[:12]}, which was read here",
            hint="Ask who keeps the registry; if it is meant so, pull into a new folder.",
            code="history-rewritten",
        )


class StableView:
    """One commit of the branch, its index verified."""

    def __init__(
        self,
        files: Files,
        index: Index,
        origin: LockSource,
        source: Source,
        asking: Asking,
    ) -> None:
        self.source, self.asking = source, asking
        self.origin = origin
        self._files, self._index = files, index
        self._indexes: dict[str, bytes | None] = {}
        self._known: dict[str, Mapping[str, Entry]] = {}

    @property
    def withdrawn(self) -> Withdrawn:
        """The versions that are unfit for use."""
        return self.origin.withdrawn

    def before(self, files: Files, index: Index, origin: LockSource) -> StableView:
        """An earlier publication of the same branch, as what is known now judges it."""
        return StableView(files, index, origin, self.source, self.asking)

    def models(self) -> Collection[str]:
        """The models that the index lists."""
        return self._index.models.keys()

    def entries(self, model: str) -> Mapping[str, Entry]:
        """A model's references by full head name, its index checked against the index."""
        if model not in self._known:
            self._known[model] = self._listed(model)
        return self._known[model]

    def _listed(self, model: str) -> Mapping[str, Entry]:
        where = model_index_path(model)
        if where not in self._indexes:
            models = self._files.together(self._index.models.keys()) or [model]
            paths = [model_index_path(each) for each in models]
            few = [HeadName.parse(head).reference_path for head in self.asking.few]
            self._files.read_soon([*paths, *few])
            size = sum(self._index.models[each].size for each in models)
            read = self._files.read(
                paths, max_bytes=MAX_INDEX_BYTES, max_total_bytes=size + _SLACK_BYTES
            )
            self._indexes |= {path: read.get(path) for path in paths}
        return model_heads(self._indexes[where], self._index.models[model], model, where=where)

    def read(self, wanted: Mapping[str, Entry]) -> dict[str, bytes]:
        """The documents of some references, each with its entry's bytes."""
        self.asking.deadline.left_s()
        paths = {head: HeadName.parse(head).reference_path for head in wanted}
        size = sum(entry.size for entry in wanted.values())
        found = self._files.read(
            paths.values(), max_bytes=MAX_REFERENCE_BYTES, max_total_bytes=size + _SLACK_BYTES
        )
        for head, path in paths.items():
            if path not in found:
                raise RegistryError(
                    "the index names this file, which is not there", where=path, code="missing-file"
                )
            entry = wanted[head]
            check_listed(found[path], digest=entry.digest, size=entry.size, where=path)
        return {head: found[path] for head, path in paths.items()}

    def version(self, head: str, version: int) -> tuple[Entry, bytes]:
        """One version of a head, from the commit of the working branch that was published."""
        return self.versions({head: version})[head]

    def versions(self, wanted: Mapping[str, int]) -> dict[str, tuple[Entry, bytes]]:
        """Some versions by head, from the commit of the working branch that was published."""
        return self._working_branch.versions(wanted)

    @cached_property
    def _working_branch(self) -> MainView:
        return open_commit(self.source, self.asking, self.origin)
