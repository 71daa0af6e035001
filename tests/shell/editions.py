"""A registry as production meets it: signed, published several times, as a branch and a site.

editions.site(2)      # the folder of the site as of publication 2
editions.remote       # the bare repository; stable is at the last publication
editions.commits[2]   # of stable, as of publication 2
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from campaigns import Bench, git
from finalhistory import Bare

__all__ = ["Editions", "installed_files", "make_editions"]


@dataclass
class Editions:
    """What was published, edition by edition, counted from 1."""

    bench: Bench
    commits: dict[int, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where all of it lies."""
        return self.bench.folder

    @property
    def remote(self) -> Path:
        """The bare repository."""
        return self.bench.remote

    @property
    def key(self) -> Path:
        """The private key that signs."""
        return self.folder / "key"

    def site(self, number: int) -> Path:
        """The site of an edition."""
        return self.folder / f"site-{number}"

    def publish(self, *more: str) -> None:
        """Make the next edition of what is on main."""
        seed = self.folder / "seed"
        self._do("stable", "publish", "--sign", self.key, *more)
        number = len(self.commits) + 1
        self.commits[number] = git("rev-parse", "stable", cwd=self.remote)
        self._do("site", "build", self.site(number))
        assert git("status", "--porcelain", cwd=seed) == ""

    def run(self, number: int) -> None:
        """A run on main: other scores, other references."""
        self._do(*self.bench.words(number))

    def copy(self, folder: Path) -> Editions:
        """The same, somewhere else."""
        copied = Editions(Bench.copy_of(self.bench, folder), dict(self.commits))
        shutil.copymode(self.key, copied.key)
        return copied

    def cycle(self, number: int) -> Iterator[tuple[object, ...]]:
        """The commands of a next edition: a run, its publication, its site, at times more."""
        yield self.bench.words(10_000 + number)
        yield ("stable", "publish", "--sign", self.key)
        yield ("site", "build", self.folder / "site")
        if number % 2 == 0:
            version = f"v{len(self.commits) + number}"
            signed = ("--stable", "--sign", self.key)
            yield ("withdraw", "n/tone", version, "--reason", "unfit", *signed)
        if number % 3 == 0:
            yield ("gc", "--keep-runs", "2", "--push")
            yield ("push",)

    def _do(self, *words: object) -> None:
        ended = self.bench.warm.run(*words, cwd=self.folder / "seed")
        assert ended.code == 0, ended.err + ended.out


def make_editions(bench: Bench, count: int) -> Editions:
    """A registry with so many editions, each with other references."""
    editions = Editions(bench)
    editions._do("keys", "new", editions.key)
    trusted = ("keys", "trust", f"{editions.key}.pub", "--sign", editions.key, "--push")
    editions._do(*trusted)
    for number in range(1, count + 1):
        if number > 1:
            editions.run(number)
        editions.publish()
    assert len(Bare(editions.remote).commits("stable")) == count
    return editions


def installed_files(dest: Path) -> dict[str, bytes]:
    """All that a reader of the folder could see: plain copies, lock and snapshots."""
    return {
        str(path.relative_to(dest)): path.read_bytes()
        for path in sorted(dest.rglob("*"))
        if path.is_file() and "cache" not in str(path.relative_to(dest)) and path.name != "lock"
    }
