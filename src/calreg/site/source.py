"""What the branch that production reads holds, checked file by file before it is shown.

A site is built from a publication, never from a work tree. Whatever a client would refuse is
refused here: a signature that is missing or wrong, a file that is not the one the index names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from calreg.documents import (
    Entry,
    Index,
    Withdrawn,
    digest_of,
    load_run,
    load_withdrawn,
)
from calreg.errors import DigestMismatchError, InputError, RegistryError
from calreg.git import Repository, Tree
from calreg.names import (
    INDEX_PATH,
    INDEX_SIGNATURE_PATH,
    WITHDRAWN_PATH,
    HeadName,
    classify,
    model_index_path,
    run_path,
)
from calreg.plan.keys import SignedKeys, checked_lists
from calreg.registry.stable import Stable, read_stable, signers_of
from calreg.signatures import PublicKey

__all__ = ["Reference", "SiteSource"]

_MAX_BYTES = 16 * 2**20
_AT_ONCE = 500
_KEY_KINDS = frozenset({"keys", "keys-signature"})


@dataclass(frozen=True, slots=True)
class Reference:
    """One head's reference as it is published: its entry in the index, and its bytes."""

    head: HeadName
    entry: Entry
    raw: bytes


@dataclass(frozen=True, slots=True)
class SiteSource:
    """One publication, verified.

    Args:
        stable: The commit of the branch.
        tree: Its files.
        branch: For messages.
        lists: The lists of keys in it.
        signed_by: The keys that signed the index.
        withdrawn: The versions unfit for use.
        dates: When each run was made, by its number, as far as that is known here.
    """

    stable: Stable
    tree: Tree
    branch: str
    lists: tuple[SignedKeys, ...]
    signed_by: tuple[PublicKey, ...]
    withdrawn: Withdrawn
    dates: Mapping[int, str]

    @classmethod
    def open(
        cls, repository: Repository, prefix: str, *, branch: str, is_offline: bool = False
    ) -> SiteSource:
        """The newest publication on a branch, at its remote or here.

        Args:
            repository: The registry's repository.
            prefix: The registry's folder in it.
            branch: The branch that production reads.
            is_offline: Ask no remote: what was fetched before must do.

        Raises:
            InputError: There is no such branch, or a document in it is invalid.
            RegistryError: It is not what a client would accept.
            TransportError: The remote cannot be reached.
        """
        stable = _newest(repository, branch, is_offline=is_offline)
        tree = repository.read(stable.commit)
        lists = checked_lists(
            stable.index.registry,
            _read(tree, stable, [path for path in stable.entries if _is_of_keys(path)]),
            where=f"{branch}:",
        )
        names = signers_of(stable, lists, branch=branch)
        public = [
            key for one in lists if one.keys.number == stable.index.keys for key in one.public
        ]
        found = cls(
            stable, tree, branch, lists,
            tuple(key for key in public if key.fingerprint in names),
            _withdrawn(tree, stable, branch),
            _dates(repository, prefix, stable),
        )  # fmt: skip
        found.check_models()
        return found

    @property
    def index(self) -> Index:
        """The top of it."""
        return self.stable.index

    @property
    def threshold(self) -> int:
        """How many keys must sign; 0 for a registry without keys."""
        rules = (one.keys.threshold for one in self.lists if one.keys.number == self.index.keys)
        return next(rules, 0)

    def check_models(self) -> None:
        """Refuse a model whose index is not the one that the index of all names.

        Raises:
            DigestMismatchError: There is one.
        """
        for path, raw in self.model_indexes():
            expected = self.index.models[path.rpartition("/")[0]].digest
            if digest_of(raw) != expected:
                raise DigestMismatchError(
                    f"{self.branch}:{path}", expected=expected, actual=digest_of(raw)
                )

    def model_indexes(self) -> Iterator[tuple[str, bytes]]:
        """The indexes of all models, each with its path."""
        paths = [model_index_path(model) for model in self.index.models]
        for start in range(0, len(paths), _AT_ONCE):
            yield from _read(self.tree, self.stable, paths[start : start + _AT_ONCE]).items()

    def references(self) -> Iterator[Reference]:
        """All references by name, a few hundred in memory at a time.

        Raises:
            DigestMismatchError: One has other bytes than the index says.
            RegistryError: One is not there.
        """
        heads = sorted(
            (HeadName.parse(full), entry) for full, entry in self.stable.before.heads.items()
        )
        for start in range(0, len(heads), _AT_ONCE):
            part = heads[start : start + _AT_ONCE]
            files = _read(self.tree, self.stable, [head.reference_path for head, _ in part])
            for head, entry in part:
                raw = files[head.reference_path]
                if digest_of(raw) != entry.digest:
                    raise DigestMismatchError(
                        f"{self.branch}:{head.reference_path}",
                        expected=entry.digest,
                        actual=digest_of(raw),
                    )
                yield Reference(head, entry, raw)

    def top(self) -> dict[str, bytes]:
        """The files that are about all models, by path: in the order to be written."""
        paths = sorted(path for path in self.stable.entries if _is_of_keys(path))
        if self.index.withdrawn is not None:
            paths.append(WITHDRAWN_PATH)
        files = _read(self.tree, self.stable, paths)
        if self.stable.signature is not None:
            files[INDEX_SIGNATURE_PATH] = self.stable.signature
        return {**files, INDEX_PATH: self.stable.before.raw}


def _newest(repository: Repository, branch: str, *, is_offline: bool) -> Stable:
    """The newest publication: at the remote, or here, if that one was not pushed yet."""
    remote = repository.remote(branch)
    there = None
    if remote is not None:
        tracked = repository.tip(remote.tracking_ref)
        there = tracked if is_offline else repository.fetch(remote, branch)
    commits = {there, repository.tip(branch)} - {None}
    if not commits:
        where = f" at {remote.shown}" if remote is not None else ""
        raise InputError(
            f"there is no branch {branch!r} here{f' or{where}' if where else ''}, "
            "so nothing is published yet",
            hint="calreg stable publish first.",
            code="no-such-branch",
        )
    found = [read_stable(repository, commit, branch=branch) for commit in commits if commit]
    return max(found, key=lambda stable: stable.index.seq)


def _is_of_keys(path: str) -> bool:
    place = classify(path)
    return place is not None and place.kind in _KEY_KINDS


def _read(tree: Tree, stable: Stable, paths: list[str]) -> dict[str, bytes]:
    missing = [path for path in paths if path not in stable.entries]
    if missing:
        raise RegistryError(
            "the index names this file, which is not there", where=missing[0], code="missing-file"
        )
    if not paths:
        return {}
    entries = [(path, stable.entries[path]) for path in paths]
    return tree.read_entries(entries, max_bytes=_MAX_BYTES)


def _withdrawn(tree: Tree, stable: Stable, branch: str) -> Withdrawn:
    announced = stable.index.withdrawn
    if announced is None:
        return Withdrawn({})
    raw = _read(tree, stable, [WITHDRAWN_PATH])[WITHDRAWN_PATH]
    where = f"{branch}:{WITHDRAWN_PATH}"
    if digest_of(raw) != announced.digest:
        raise DigestMismatchError(where, expected=announced.digest, actual=digest_of(raw))
    return load_withdrawn(raw, where=where)


def _dates(repository: Repository, prefix: str, stable: Stable) -> dict[int, str]:
    """When the runs were made that the references are of; of those that this clone has."""
    commit = stable.index.commit
    if repository.tip(commit) is None:
        return {}  # a shallow clone, or one of this branch alone
    folder = f"{prefix}/" if prefix else ""
    versions = sorted({entry.version for entry in stable.before.heads.values()})
    paths = {f"{folder}{run_path(version)}": version for version in versions}
    found = repository.read(commit).read_many(paths, max_bytes=_MAX_BYTES)
    return {paths[path]: load_run(raw, where=path).timestamp for path, raw in found.items()}
