"""The branch `stable`, built by hand beside a registry: right by default, wrong on request.

`Stable.publish` writes what a gate would publish of `Published`'s references; every field of
the index, every file and every signature can be made another on the way.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from published import Published

from calreg.documents import (
    Entry,
    FileEntry,
    Index,
    Keys,
    ModelEntry,
    ModelIndex,
    Withdrawal,
    Withdrawn,
    digest_of,
    load_calibration,
    timestamp_text,
)
from calreg.names import (
    INDEX_PATH,
    INDEX_SIGNATURE_PATH,
    WITHDRAWN_PATH,
    keys_path,
    keys_signature_path,
    model_index_path,
)
from calreg.signatures import INDEX_NAMESPACE, KEYS_NAMESPACE, PublicKey

__all__ = ["NOW", "Key", "Stable", "new_key", "withdrawal"]

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
"""When the tests of the branch take place."""

Files = dict[str, bytes]


@dataclass(frozen=True)
class Key:
    """A pair of keys that ssh-keygen made."""

    file: Path
    line: str

    @property
    def public(self) -> PublicKey:
        """The half that everyone may know."""
        return PublicKey.parse(self.line)

    def sign(self, message: bytes, namespace: str) -> bytes:
        """An armoured signature, by ssh-keygen."""
        done = subprocess.run(
            ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(self.file)],
            input=message, capture_output=True, check=True,
        )  # fmt: skip
        return done.stdout


def new_key(folder: Path, name: str = "ci@nom-cal") -> Key:
    """A new pair of keys in a folder."""
    file = folder / name
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(file)], check=True
    )
    return Key(file, Path(f"{file}.pub").read_text().strip())


def withdrawal(why: str = "trained on the wrong labels") -> Withdrawal:
    return Withdrawal("Ada", why, "2026-05-30T00:00:00Z")


class Stable:
    """The publications of a registry, one after another."""

    def __init__(self, registry: Published) -> None:
        self.registry = registry
        self.signers: list[Key] = []
        self.lists: Files = {}
        self.number: int | None = None
        self.withdrawn = Withdrawn({})
        self.indexes: list[Index] = []

    def trust(self, keys: Sequence[Key], *, threshold: int = 1, by: Sequence[Key] = ()) -> None:
        """Put the next list of keys in force, signed by itself and by keys of the one before."""
        before = self.lists.get(keys_path(self.number)) if self.number else None
        self.number = (self.number or 0) + 1
        listed = Keys(
            self.registry_name,
            self.number,
            threshold,
            {key.public.fingerprint: key.line for key in keys},
            digest_of(before) if before else None,
        )
        raw = listed.to_bytes()
        signed = b"".join(key.sign(raw, KEYS_NAMESPACE) for key in dict.fromkeys([*keys, *by]))
        self.lists |= {keys_path(self.number): raw, keys_signature_path(self.number): signed}
        self.signers = list(keys)[:threshold]

    registry_name = "nom-cal"

    def copied(self, root: Path) -> Stable:
        """The same publications of a copy of the registry, somewhere else."""
        copy = deepcopy(self)
        shutil.copytree(self.registry.root, root)
        inside = self.registry.folder.relative_to(self.registry.root)
        copy.registry.root, copy.registry.folder = root, root / inside
        return copy

    def references(self) -> Files:
        """The references of the work tree, by their paths."""
        folder = self.registry.folder
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*-calibration.json"))
        }

    def files(self, references: Files | None = None, **changes: object) -> Files:
        """The whole tree for some references; changes are of the index."""
        references = self.references() if references is None else references
        models: dict[str, dict[str, Entry]] = {}
        for path, raw in references.items():
            name = load_calibration(raw, where=path)
            entry = Entry(name.version, digest_of(raw), len(raw))
            models.setdefault(path.rpartition("/")[0], {})[
                path.rpartition("/")[2].removesuffix("-calibration.json")
            ] = entry
        listed = {
            model: ModelIndex(model, heads).to_bytes() for model, heads in sorted(models.items())
        }
        withdrawn = self.withdrawn.to_bytes() if self.withdrawn.heads else None
        last = self.indexes[-1] if self.indexes else None
        index = Index(
            registry=self.registry_name,
            seq=last.seq + 1 if last else 1,
            issued=timestamp_text(NOW - timedelta(days=1)),
            expires=timestamp_text(NOW + timedelta(days=89)),
            commit=self.registry.git("rev-parse", "HEAD"),
            previous=last.digest if last else None,
            keys=self.number,
            withdrawn=FileEntry(digest_of(withdrawn), len(withdrawn)) if withdrawn else None,
            models={
                model: ModelEntry(digest_of(raw), len(raw), len(models[model]))
                for model, raw in listed.items()
            },
        )
        index = replace(index, **changes)
        self.indexes.append(index)
        files = {**references, **self.lists, INDEX_PATH: index.to_bytes()}
        files |= {model_index_path(model): raw for model, raw in listed.items()}
        if withdrawn:
            files[WITHDRAWN_PATH] = withdrawn
        if self.signers:
            files[INDEX_SIGNATURE_PATH] = self.signature(files[INDEX_PATH])
        return files

    def signature(self, raw: bytes) -> bytes:
        """The signatures of all signers over an index."""
        return b"".join(key.sign(raw, INDEX_NAMESPACE) for key in self.signers)

    def publish(
        self,
        references: Files | None = None,
        *,
        altered: Callable[[Files], Files] = lambda files: files,
        modes: Mapping[str, str] | None = None,
        parent: str | None = "stable",
        **changes: object,
    ) -> str:
        """One more commit on the branch.

        Args:
            references: By path; those of the work tree if not said.
            altered: Another tree made of the right one.
            modes: Other modes than a plain file's, by path.
            parent: The commit before; None for a new beginning.
            changes: Of the index, before it is signed.
        """
        return self.commit(
            altered(self.files(references, **changes)), modes=modes or {}, parent=parent
        )

    def commit(
        self, files: Files, *, modes: Mapping[str, str] | None = None, parent: str | None = "stable"
    ) -> str:
        """A commit of just these files."""
        known = self.tip() if parent == "stable" else parent
        stream = [b"feature done\ncommit refs/calreg/hand\n"]
        stream.append(b"committer Ada <ada@example.org> 1780000000 +0000\ndata 7\npublish\n")
        if known:
            stream.append(f"from {known}\ndeleteall\n".encode())
        for path, raw in files.items():
            mode = (modes or {}).get(path, "100644")
            if mode == "160000":
                stream.append(f"M {mode} {'1' * 40} {path}\n".encode())
            else:
                stream.append(f"M {mode} inline {path}\ndata {len(raw)}\n".encode() + raw + b"\n")
        stream.append(b"done\n")
        self._run("fast-import", "--quiet", "--done", "--force", stdin=b"".join(stream))
        commit = self.registry.git("rev-parse", "refs/calreg/hand")
        self.registry.git("update-ref", "-d", "refs/calreg/hand")
        self.move(commit)
        return commit

    def tip(self) -> str | None:
        """Where the branch is; None if there is none."""
        return (
            self.registry.git("for-each-ref", "--format=%(objectname)", "refs/heads/stable") or None
        )

    def move(self, commit: str) -> None:
        """Let the branch be at a commit, whatever that does to its history."""
        self.registry.git("update-ref", "refs/heads/stable", commit)

    def _run(self, *arguments: str, stdin: bytes) -> None:
        subprocess.run(
            ["git", *arguments], cwd=self.registry.root, input=stdin, check=True,
            capture_output=True,
        )  # fmt: skip
