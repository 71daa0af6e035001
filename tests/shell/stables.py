"""Registries that are published for production: keys, signers, and what is on the branch."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from published import Published

from calreg.documents import Keys, digest_of
from calreg.git import Repository
from calreg.registry import Retry
from calreg.registry.stable import NothingNew, Order, PublishedStable, Signer, publish
from calreg.signatures import INDEX_NAMESPACE, KEYS_NAMESPACE
from calreg.signing import new_key, public_key_of, sign

__all__ = [
    "NOW",
    "NO_WAIT",
    "git",
    "index_on",
    "listed",
    "made_keys",
    "published_by",
    "seqs",
    "signer",
    "trust",
]

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
NO_WAIT = Retry(attempts=4, pause=lambda _seconds: None)


def git(folder: Path, *words: str) -> str:
    """What the user's own git says."""
    done = subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def made_keys(folder: Path, count: int) -> list[Path]:
    """New private keys."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"key{number}" for number in range(1, count + 1)]
    for path in paths:
        new_key(path, path.name)
    return paths


def signer(key: Path) -> Signer:
    """Signs an index by a key."""
    return partial(sign, key=key, namespace=INDEX_NAMESPACE)


def trust(
    registry: Published, keys: Sequence[Path], *, threshold: int = 1, signing: Sequence[Path] = ()
) -> str:
    """The next list of keys, signed by all of its own and by others, as a commit."""
    number = len(list((registry.folder / "keys").glob("*.json"))) + 1
    before = registry.folder / "keys" / f"{number - 1}.json"
    lines = [public_key_of(key) for key in keys]
    raw = Keys(
        registry="nom-cal",
        number=number,
        threshold=threshold,
        keys={line.fingerprint: line.line for line in lines},
        previous=digest_of(before.read_bytes()) if number > 1 else None,
    ).to_bytes()
    blocks = [sign(raw, key, namespace=KEYS_NAMESPACE) for key in dict.fromkeys([*keys, *signing])]
    registry.write(f"keys/{number}.json", raw)
    registry.write(f"keys/{number}.json.sig", b"".join(blocks))
    return registry.commit(f"Trust {len(keys)} keys")


def published_by(
    folder: Path, *, push: bool = False, prefix: str = "", **order: Any
) -> PublishedStable | NothingNew:
    """Publish from a checkout as `calreg stable publish` would."""
    wanted = Order(**{"now": NOW, **order})
    return publish(Repository.find(folder), prefix, wanted, push=push, retry=NO_WAIT)


def index_on(folder: Path, branch: str = "stable") -> dict[str, Any]:
    """The index on a branch."""
    return json.loads(git(folder, "show", f"{branch}:index.json"))


def listed(folder: Path, branch: str = "stable") -> list[str]:
    """The files on a branch, with their modes."""
    rows = git(folder, "ls-tree", "-r", branch).splitlines()
    assert all(row.startswith("100644 blob") for row in rows)
    return [row.split("\t")[1] for row in rows]


def seqs(folder: Path, branch: str = "stable") -> list[int]:
    """The numbers of all publications on a branch, the first one first."""
    commits = git(folder, "rev-list", "--reverse", branch).split()
    return [index_on(folder, commit)["seq"] for commit in commits]
