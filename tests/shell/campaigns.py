"""Campaigns: commands that are killed, raced and starved, over and over, and what must hold.

A campaign counts and collects; the test says what the counts must be. The short ones are
`test_faults_*.py` beside this file, the long ones are in tests/faults (`make test-faults`).
"""

from __future__ import annotations

import json
import random
import shutil
import statistics
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from finalhistory import Bare, fsck_findings, history_findings
from githttp import GitServer
from killing import Ended, Warm
from published import HAPPY, RELAXED, TIMBRE, Published

from calreg.errors import InputError
from calreg.names import HeadName

__all__ = [
    "ALL",
    "HEADS",
    "Bench",
    "Race",
    "Tally",
    "damage",
    "git",
    "kill_commands",
    "kill_publishers",
    "kill_pullers",
    "kill_replaced",
    "old_or_new",
    "race",
    "table",
]

ALL = (HAPPY, RELAXED, TIMBRE)
HEADS = ("m/genre", "m/mood", "m/tempo", "m/voice", "n/tone")
_SHOWN = 600


@dataclass
class Tally:
    """What a campaign came to: how many were killed, how many lived, and what was wrong."""

    kills: int = 0
    done: int = 0
    findings: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.kills} kills, {self.done} done, {len(self.findings)} findings"


def table(path: Path, number: int, *, heads: Sequence[str] = HEADS) -> Path:
    """120 scores of each head; another number is another distribution."""
    chance = random.Random(number)
    power = 1 + number % 5
    lines = [",".join(f"{head}:yes" for head in heads)]
    lines += [",".join(repr(chance.random() ** power) for _ in heads) for _ in range(120)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@dataclass
class Bench:
    """A registry, its bare remote, and people with clones of it.

    Args:
        folder: A new folder for all of them.
        warm: What runs the commands.
    """

    folder: Path
    warm: Warm

    def __post_init__(self) -> None:
        self.folder.mkdir()
        first = self.folder / "first"
        made = self.warm.run("init", first, "--name", "reg", cwd=self.folder)
        assert made.code == 0, made.err
        git("clone", "--quiet", "--bare", str(first), str(self.remote), cwd=self.folder)
        # One run for all of them to be compared with.
        self.clone("seed")
        ended = self.publish("seed", 0)
        assert ended.code == 0, ended.err

    @classmethod
    def copy_of(cls, other: Bench, folder: Path) -> Bench:
        """The same, somewhere else: a fifth of the time."""
        shutil.copytree(other.folder, folder)
        copied = cls.of(folder, other.warm)
        git("remote", "set-url", "origin", copied.remote.as_uri(), cwd=folder / "seed")
        return copied

    @classmethod
    def of(cls, folder: Path, warm: Warm) -> Bench:
        """One that is there already."""
        found = object.__new__(cls)
        found.folder, found.warm = folder, warm
        return found

    @property
    def remote(self) -> Path:
        """The bare repository."""
        return self.folder / "remote.git"

    def clone(self, name: str, url: str | None = None) -> Path:
        """Another person's clone, allowed to publish."""
        folder = self.folder / name
        git("clone", "--quiet", url or self.remote.as_uri(), str(folder), cwd=self.folder)
        shutil.copy(self.folder / "first" / "calreg.yaml", folder)
        return folder

    def table(self, number: int) -> Path:
        """The scores of a number."""
        return self.table_at(self.folder, number)

    @staticmethod
    def table_at(folder: Path, number: int) -> Path:
        """The scores of a number, in a folder."""
        file = folder / f"scores-{number}.csv"
        return file if file.exists() else table(file, number)

    def words(self, number: int) -> tuple[object, ...]:
        """The command that publishes the scores of a number."""
        return ("run", self.table(number), "--push", "--json")

    def publish(self, name: str, number: int) -> Ended:
        """Publish the scores of a number from somebody's clone."""
        return self.warm.run(*self.words(number), cwd=self.folder / name)

    def published(self) -> list[str]:
        """The digests of the input of all runs that the remote has, by their order."""
        bare = Bare(self.remote)
        blobs = {path: oid for path, oid in bare.blobs("main").items() if path[:5] == "runs/"}
        runs = [json.loads(raw) for raw in bare.contents(blobs).values()]
        return [run["inputs"]["digest"] for run in sorted(runs, key=lambda run: run["version"])]


def git(*words: str, cwd: Path) -> str:
    """The git of the person at the keyboard."""
    done = subprocess.run(["git", *words], cwd=cwd, check=True, capture_output=True, text=True)
    return done.stdout.strip()


# --- kills --------------------------------------------------------------------------------


class _Patience:
    """When to kill: at any moment of a command's usual time, or shortly after it."""

    def __init__(self, seed: int, first_s: float) -> None:
        self._chance, self._usual_s = random.Random(seed), first_s

    def after_s(self) -> float:
        return self._chance.uniform(0, 1.1 * self._usual_s)

    def is_one_in(self, count: int) -> bool:
        return self._chance.randrange(count) == 0

    def killed(self) -> None:
        """Machines are busier at times: a command must not always be too late."""
        self._usual_s *= 1.1

    def learn(self, seconds: float) -> None:
        """How long it took when it was let."""
        self._usual_s = seconds


def kill_publishers(
    bench: Bench,
    *,
    kills: int,
    seed: int,
    url: str | None = None,
    rest: Callable[[], object] = lambda: None,
) -> Tally:
    """Publish run after run, killed at random; each is tried until it says that it is done.

    Now and then only the command is killed, and its git goes on by itself.

    Args:
        bench: Where.
        kills: How many, at least.
        seed: Of the moments, and of the scores.
        url: What the clone pushes to, if not the remote's folder.
        rest: Waits until the server has nothing to do.
    """
    clone = bench.clone(f"killed-{seed}", url)
    before = len(bench.published())
    tally = kill_commands(
        bench,
        lambda number: [bench.words(1000 * (seed + 1) + number)],
        kills=kills,
        seed=seed,
        clone=clone,
        rest=rest,
    )
    if len(bench.published()) != before + tally.done:
        found = len(bench.published()) - before
        tally.findings.append(f"{tally.done} commands said that they published, {found} did")
    return tally


def kill_until_done(
    warm: Warm,
    words: Sequence[object],
    patience: _Patience,
    tally: Tally,
    check: Callable[[], Iterable[str]],
    cwd: Path,
    *,
    is_done: Callable[[Ended], bool] = lambda ended: ended.code == 0,
) -> Ended:
    """Run a command, killed at random again and again, until it once is let to its end.

    At times its git goes on by itself, and at times the next command does not wait for it.
    """
    while True:
        whole, settled = not patience.is_one_in(4), not patience.is_one_in(2)
        ended = warm.run_killed(
            *words, after_s=patience.after_s(), cwd=cwd, whole=whole, settled=whole or settled
        )
        if not ended.was_killed:
            break
        tally.kills += 1
        patience.killed()
        if whole or settled:
            tally.findings += check()
    tally.done += 1
    patience.learn(ended.seconds)
    if not is_done(ended):
        said = f"{ended.out[:_SHOWN]}{ended.err[:_SHOWN]}"
        tally.findings.append(f"a person is needed: {ended.code}: {said}")
    return ended


def kill_commands(
    bench: Bench,
    cycle: Callable[[int], Iterable[Sequence[object]]],
    *,
    kills: int,
    seed: int,
    clone: Path | None = None,
    rest: Callable[[], object] = lambda: None,
    usual_s: float = 0.4,
) -> Tally:
    """Run cycles of commands in a clone, each killed at random until it is done.

    Args:
        bench: Where.
        cycle: The commands of the cycle of a number, one after the other.
        kills: How many, at least.
        seed: Of the moments.
        clone: The folder of the commands.
        rest: Waits until the server has nothing to do.
        usual_s: What one of them usually takes.
    """
    tally, patience, number = Tally(), _Patience(seed, usual_s), 0

    def check() -> list[str]:
        rest()
        return fsck_findings(bench.remote)

    folder = clone or bench.folder / "seed"
    while tally.kills < kills and not tally.findings:
        number += 1
        for words in cycle(number):
            kill_until_done(
                bench.warm, words, patience, tally, check, folder, is_done=_is_done_or_was_before
            )
    tally.findings += history_findings(bench.remote)
    if git("status", "--porcelain", cwd=folder):
        tally.findings.append(f"left over in the work tree: {git('status', '-s', cwd=folder)}")
    return tally


def _is_done_or_was_before(ended: Ended) -> bool:
    """A withdrawal that was killed after it had happened is refused when it is repeated."""
    return ended.code == 0 or (ended.code == 4 and "Nothing is left to do" in ended.err)


def kill_pullers(
    folder: Path, warm: Warm, *, kills: int, seed: int, source_of: Callable[[Path], str] = str
) -> Tally:
    """Pull version after version, killed at random, sometimes into a new folder.

    After every kill what is installed must be the old set or the new one, and every plain
    copy whole; and the next pull must need nobody.
    """
    from calreg.client import verify

    tally = Tally()
    folder.mkdir()
    registry, dest = Published(folder / "registry"), folder / "models"
    registry.publish(1)
    source, version = source_of(registry.root), 1
    patience = _Patience(seed, warm.run("pull", source, dest, cwd=folder).seconds)
    while tally.kills < kills and not tally.findings:
        old, version = version, version + 1
        registry.publish(version, p5=version / 10**6)
        if patience.is_one_in(10):
            shutil.rmtree(dest)
            old = 0
        allowed = {old, version} - {0}
        kill_until_done(
            warm,
            ("pull", source, dest),
            patience,
            tally,
            lambda allowed=allowed, old=old: old_or_new(  # type: ignore[misc]
                dest, allowed, may_be_nothing=old == 0
            ),
            folder,
        )
        tally.findings += [f"verify: {finding.to_json()}" for finding in verify(dest)]
        tally.findings += old_or_new(dest, {version}, may_be_nothing=False)
    return tally


def old_or_new(
    dest: Path,
    allowed: set[int],
    *,
    may_be_nothing: bool,
    may_be_mixed: bool = False,
    heads: Sequence[str] = ALL,
) -> Iterator[str]:
    """What is wrong with what two readers find: one through calreg, one file by file.

    Args:
        dest: Where it is installed.
        allowed: The versions of the old set and of the new one.
        may_be_nothing: There was no old set.
        may_be_mixed: Heads of one set are of several versions.
        heads: What should be there.
    """
    from calreg.client import Installed

    try:
        installed = Installed.open(dest)
    except InputError as error:
        if not may_be_nothing:
            yield f"nothing is installed: {error}"
        installed = None
    if installed is not None:
        # Each is checked by its digest while it is read.
        found = {installed.reference(head).version for head in heads}
        if (len(found) != 1 and not may_be_mixed) or not found <= allowed:
            yield f"expected one version of {sorted(allowed)}, installed are {sorted(found)}"
    for head in heads:
        file = dest / HeadName.parse(head).reference_path
        if file.exists():
            version = json.loads(file.read_bytes())["version"]
            if version not in allowed:
                yield f"{file}: expected one of {sorted(allowed)}, got {version}"
        elif not may_be_nothing:
            yield f"{file} is lost"


def kill_replaced(
    folder: Path,
    warm: Warm,
    words: Sequence[object],
    *,
    old: Path,
    versions: tuple[int, int],
    kills: int,
    seed: int,
) -> Tally:
    """Install a new set over an old one again and again, killed at random.

    Args:
        folder: A new folder.
        warm: What runs the commands.
        words: The command; the folder that it installs in is put after its second word.
        old: A folder with the old set, which is copied.
        versions: Of all references of the old set and of the new.
        kills: How many, at least.
        seed: Of the moments.
    """
    from calreg.client import verify

    tally, patience, dest = Tally(), _Patience(seed, 0.1), folder / "models"
    folder.mkdir()
    while tally.kills < kills and not tally.findings:
        shutil.rmtree(dest, ignore_errors=True)
        shutil.copytree(old, dest, symlinks=True)
        kill_until_done(
            warm,
            (*words[:2], dest, *words[2:]),
            patience,
            tally,
            lambda: old_or_new(dest, set(versions), may_be_nothing=False, heads=HEADS),
            folder,
        )
        tally.findings += [f"verify: {finding.to_json()}" for finding in verify(dest)]
        tally.findings += old_or_new(dest, {versions[1]}, may_be_nothing=False, heads=HEADS)
    return tally


def damage(folder: Path, *, seed: int) -> str:
    """Do something to one file of a folder, as disks and people do; what it was."""
    chance = random.Random(seed)
    # Without its marker a folder is no cache of ours, and nobody deletes it: that is no fault.
    found = (path for path in folder.rglob("*") if path.is_file())
    files = sorted(path for path in found if path.name != "calreg-cache")
    file = chance.choice(files)
    raw = file.read_bytes()
    place = chance.randrange(len(raw) + 1)
    acts = {
        "deleted": None,
        "emptied": b"",
        "cut": raw[:place],
        "zeroed": bytes(len(raw)),
        "turned": raw[:place] + bytes(b ^ 0xFF for b in raw[place : place + 1]) + raw[place + 1 :],
        "grown": raw + b"\0" * 512,
    }
    act = chance.choice(sorted(acts))
    new = acts[act]
    file.chmod(0o644)
    if new is None:
        file.unlink()
    else:
        file.write_bytes(new)
    return f"{file.relative_to(folder)} {act}"


# --- races --------------------------------------------------------------------------------


@dataclass
class Race:
    """What a race came to.

    Args:
        seconds: What each publication took, the waiting included.
        tries: How often each was pushed.
        failed: What the commands said that did not publish.
        findings: What is wrong with the history.
    """

    seconds: list[float] = field(default_factory=list)
    tries: list[int] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        quantiles = statistics.quantiles(self.seconds, n=100, method="inclusive")
        return (
            f"{len(self.seconds)} published, {len(self.failed)} failed, "
            f"p50 {quantiles[49]:.2f} s, p99 {quantiles[98]:.2f} s, "
            f"most {max(self.seconds):.2f} s, tries at most {max(self.tries, default=0)}"
        )


def race(bench: Bench, server: GitServer, *, publishers: int, runs: int) -> Race:
    """So many people publish so many runs each, all at once.

    Args:
        bench: Where.
        server: Serves the folder that the bench is in.
        publishers: People, each with a clone.
        runs: Of each, one after the other.
    """
    result, lock = Race(), threading.Lock()
    names = [f"racer-{number}" for number in range(publishers)]
    before = len(bench.published())
    for number, name in enumerate(names):
        # A door of their own for everybody, so that pushes can be counted.
        (server.root / name).symlink_to(bench.folder)
        bench.clone(name, f"{server.url}/{name}/remote.git")
        for turn in range(runs):
            bench.table(10**6 + number * 1000 + turn)
    gate = threading.Barrier(publishers)

    def work(number: int) -> None:
        gate.wait()
        for turn in range(runs):
            pushed = _pushes(server, names[number])
            ended = bench.publish(names[number], 10**6 + number * 1000 + turn)
            with lock:
                if ended.code == 0:
                    result.seconds.append(ended.seconds)
                    result.tries.append(_pushes(server, names[number]) - pushed)
                else:
                    result.failed.append(f"{ended.code}: {ended.err[:_SHOWN]}")

    with ThreadPoolExecutor(publishers) as pool:
        list(pool.map(work, range(publishers)))
    found = len(bench.published()) - before
    if found != len(result.seconds):
        said = f"{len(result.seconds)} commands said that they published, {found} did"
        result.findings.append(said)
    result.findings += history_findings(bench.remote)
    return result


def _pushes(server: GitServer, name: str) -> int:
    """How often somebody has begun to push."""
    begun = f"/{name}/remote.git/info/refs?service=git-receive-pack"
    return sum(path == begun for _, path, _ in list(server.requests))
