"""What the branch that production reads holds now, and what a commit of `main` has for it.

Both are read from git's objects and checked before anything is built on them: the branch
must be one that this program made, of the same registry, and signed by the keys that were
in force. Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from calreg.documents import Entry as HeadEntry
from calreg.documents import (
    Index,
    Withdrawn,
    digest_of,
    load_index,
    load_model_index,
    load_withdrawn,
)
from calreg.errors import InputError, RegistryError
from calreg.git import Entry, Repository
from calreg.names import (
    INDEX_PATH,
    INDEX_SIGNATURE_PATH,
    WITHDRAWN_PATH,
    HeadName,
    keys_path,
    model_index_path,
)
from calreg.plan.keys import SignedKeys
from calreg.plan.publication import Before, Content, Served, content_of
from calreg.registry.snapshot import Snapshot
from calreg.signatures import INDEX_NAMESPACE, check_signed

__all__ = ["Stable", "check_signed_by", "content_at", "read_stable", "signers_of"]

_MAX_BYTES = 16 * 2**20
_TOPS = (INDEX_PATH, INDEX_SIGNATURE_PATH, WITHDRAWN_PATH)
_KINDS = {"120000": "a symbolic link", "160000": "a submodule", "100755": "a program"}


@dataclass(frozen=True, slots=True)
class Stable:
    """One commit of the branch that production reads.

    `before` is what the next publication follows, `entries` are its files by path,
    `signature` the bytes beside the index, if it has any, and `withdrawn` the versions that
    it says are unfit for use.
    """

    commit: str
    before: Before
    signature: bytes | None
    entries: Mapping[str, Entry]
    withdrawn: Withdrawn

    @property
    def index(self) -> Index:
        """The top of it."""
        return self.before.index


# What is published


def read_stable(repository: Repository, commit: str, *, branch: str) -> Stable:
    """The branch as a commit holds it, every file a plain one and the index a valid one.

    Whose it is and who signed it is not asked here.

    Raises:
        RegistryError: It is no branch of this program's making, or holds a link or the like.
        InputError: Its index is not valid.
    """
    tree = repository.read(commit)
    entries = tree.paths()
    for path, entry in entries.items():
        if not entry.is_plain_file:
            raise RegistryError(
                f"{branch} holds {_KINDS.get(entry.mode, f'mode {entry.mode}')}, and only plain "
                "files may be there",
                where=f"{branch}:{path}",
                hint=f"Look who put it there (git log {branch}), and undo it.",
                code="not-plain",
            )
    if INDEX_PATH not in entries:
        raise RegistryError(
            f"branch {branch} has no {INDEX_PATH}: it was not made by calreg stable publish",
            hint="Publish to another: --branch NAME.",
            code="not-stable",
        )
    tops = [path for path in _TOPS if path in entries]
    found = tree.read_entries([(path, entries[path]) for path in tops], max_bytes=_MAX_BYTES)
    index = _index(found[INDEX_PATH], branch)
    paths = [path for model in index.models if (path := model_index_path(model)) in entries]
    models = tree.read_entries([(path, entries[path]) for path in paths], max_bytes=_MAX_BYTES)
    before = Before(index, found[INDEX_PATH], _heads(index, models, branch))
    withdrawn = _withdrawn(index, found.get(WITHDRAWN_PATH, b""), branch)
    return Stable(commit, before, found.get(INDEX_SIGNATURE_PATH), entries, withdrawn)


def _index(raw: bytes, branch: str) -> Index:
    try:
        return load_index(raw, where=f"{branch}:{INDEX_PATH}")
    except InputError as error:
        error.hint = error.hint or f"Look who changed it (git log {branch}), and undo it."
        raise


def _withdrawn(index: Index, raw: bytes, branch: str) -> Withdrawn:
    """The list that the index vouches for; of one with other bytes nothing."""
    if index.withdrawn is None or digest_of(raw) != index.withdrawn.digest:
        return Withdrawn({})
    return load_withdrawn(raw, where=f"{branch}:{WITHDRAWN_PATH}")


def _heads(index: Index, models: Mapping[str, bytes], branch: str) -> dict[str, HeadEntry]:
    """Every head that the index vouches for; of a model index with other bytes none."""
    heads: dict[str, HeadEntry] = {}
    for model, entry in index.models.items():
        path = model_index_path(model)
        raw = models.get(path, b"")
        if digest_of(raw) == entry.digest:
            listed = load_model_index(raw, where=f"{branch}:{path}").heads
            heads |= {f"{model}/{head}": found for head, found in listed.items()}
    return heads


def signers_of(stable: Stable, lists: Sequence[SignedKeys], *, branch: str) -> frozenset[str]:
    """Who signed what is published, by fingerprint; nobody, if it was never signed.

    Args:
        stable: What is published.
        lists: The lists of keys as `main` has them.
        branch: For messages.

    Raises:
        RegistryError: The signatures are not those that its list of keys demands.
    """
    number = stable.index.keys
    if number is None:
        return frozenset()
    where = f"{branch}:{INDEX_PATH}"
    return check_signed_by(lists, number, stable.before.raw, stable.signature, where=where)


def check_signed_by(
    lists: Sequence[SignedKeys], number: int, raw: bytes, signature: bytes | None, *, where: str
) -> frozenset[str]:
    """Who signed an index, by fingerprint: enough of the keys of a list.

    Raises:
        RegistryError: There is no such list, or too few of its keys signed.
    """
    listed = next((one for one in lists if one.keys.number == number), None)
    if listed is None:
        raise RegistryError(
            f"it is signed by list {number} of the keys, which is not on the branch that it is "
            "published from",
            where=where,
            hint=f"Restore {keys_path(number)}: once signed, always signed.",
            code="unsigned",
        )
    try:
        return check_signed(
            raw,
            signature,
            listed.public,
            threshold=listed.keys.threshold,
            namespace=INDEX_NAMESPACE,
            where=where,
        )
    except RegistryError as error:
        # Here the reader is the publisher, who can do something about it.
        error.hint = "Put that branch back to its last good commit (docs/stable.md), then again."
        raise


# What there is to publish


def content_at(
    snapshot: Snapshot, keys: Sequence[SignedKeys], stable: Stable | None = None
) -> Content:
    """What readers are to get of a commit of the registry.

    Args:
        snapshot: The registry as the commit holds it.
        keys: Its lists of keys, see `registry.keys`.
        stable: What is published now. A reference that is published with the same bytes was
            validated then; it is only checked again that it is a copy of its version.

    Raises:
        InputError: A document is not valid; there is no reference.
        RegistryError: A reference was withdrawn.
    """
    withdrawn = _read(snapshot, [WITHDRAWN_PATH]).get(WITHDRAWN_PATH)
    known = {} if stable is None else _published(snapshot, stable)
    snapshot.check_copies({name: served.version for name, served in known.items()})
    others = snapshot.references_of(name for name in snapshot.heads if name not in known)
    new = {name: Served(found.version, found.raw) for name, found in others.items()}
    return content_of(
        snapshot.settings.name,
        known | new,
        withdrawn=withdrawn,
        withdrawn_versions=snapshot.withdrawn,
        keys=keys,
    )


def _published(snapshot: Snapshot, stable: Stable) -> dict[HeadName, Served]:
    """The references that are published with the bytes that they have here."""
    listed = stable.before.heads
    same = [
        name
        for name in snapshot.heads
        if name.full in listed
        and name.reference_path in stable.entries
        and stable.entries[name.reference_path].oid == snapshot.reference_id(name)
    ]
    return {
        name: Served(listed[name.full].version, raw)
        for name, raw in snapshot.reference_bytes(same).items()
        if digest_of(raw) == listed[name.full].digest
    }


def _read(snapshot: Snapshot, paths: Iterable[str]) -> dict[str, bytes]:
    """Those of the registry's files that exist, each a plain one, by registry path."""
    entries = snapshot.tree.entries(map(snapshot.full, paths))
    for path, entry in entries.items():
        if not entry.is_plain_file:
            raise InputError(
                f"expected a plain file, mode 100644, got mode {entry.mode}",
                where=path,
                code="document",
            )
    if not entries:
        return {}
    found = snapshot.tree.read_entries(list(entries.items()), max_bytes=_MAX_BYTES)
    start = len(snapshot.full(""))
    return {path[start:]: raw for path, raw in found.items()}
