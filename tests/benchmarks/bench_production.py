"""Production at size: publish, pull everything, pull again, pull one head; with plain git beside.

    python tests/benchmarks/bench_production.py [--heads 1000] [--runs 50] [--peers PYTHON]

Every figure is of a whole process against a loopback server of git's smart HTTP, bytes as that
server sent them. `--peers` is the Python of an environment with mlflow and gto.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "shell")]

from githttp import GitServer  # noqa: E402 - a folder of tests is no package
from large_registry import add_run, head_names, make_registry  # noqa: E402

from calreg.git import Repository  # noqa: E402

CALREG = str(Path(sys.executable).with_name("calreg"))
AGAIN = 7


@dataclass(frozen=True)
class Cost:
    """Seconds of a whole process, and bytes that a server sent it."""

    seconds: float
    moved: int

    def __str__(self) -> str:
        return f"{self.seconds:6.2f} s {self.moved / 1e6:7.3f} MB"


def run(line: Sequence[str], cwd: Path | None = None) -> None:
    """One process, which must end well."""
    quiet = {**os.environ, "CALREG_CALIBRATE_HEADS": "true", "GIT_TERMINAL_PROMPT": "0"}
    quiet.pop("PYTHONDONTWRITEBYTECODE", None)  # as it is installed, compiled once
    subprocess.run(line, cwd=cwd, env=quiet, check=True, capture_output=True)


def cost(server: GitServer, act: Callable[[], None]) -> Cost:
    """What an act costs."""
    sent, begin = server.sent, time.perf_counter()
    act()
    return Cost(time.perf_counter() - begin, server.sent - sent)


def median(costs: list[Cost]) -> Cost:
    """The median of seconds, and of bytes."""
    return Cost(statistics.median(c.seconds for c in costs), costs[0].moved)


class Peers:
    """Plain git in the ways that people use it for this."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder

    def clone(self) -> None:
        """All of main, without its history."""
        run(["git", "clone", "--quiet", "--depth=1", self.url, str(self.folder / "clone")])

    def sparse(self) -> None:
        """The references of main: no blobs but those of a sparse checkout."""
        place = self.folder / "sparse"
        run(["git", "clone", "--quiet", "--depth=1", "--filter=blob:none", "--no-checkout",
             self.url, str(place)])  # fmt: skip
        patterns = ("/registry.yaml", "*-calibration.json", "!v[0-9]*/")
        run(["git", "sparse-checkout", "set", "--no-cone", *patterns], place)
        run(["git", "checkout", "--quiet", "main"], place)

    def branch(self) -> None:
        """The branch of references, shallow, with its work tree."""
        run(["git", "clone", "--quiet", "--depth=1", "--branch=stable", self.url,
             str(self.folder / "branch")])  # fmt: skip

    def branch_again(self) -> None:
        """The same, one publication later."""
        place = self.folder / "branch"
        run(["git", "fetch", "--quiet", "--depth=1", "origin", "stable"], place)
        run(["git", "reset", "--quiet", "--hard", "FETCH_HEAD"], place)


def publish(registry: Path) -> float:
    """Seconds of `calreg stable publish`."""
    begin = time.perf_counter()
    run([CALREG, "--registry", str(registry), "stable", "publish"])
    return time.perf_counter() - begin


def pulls(args: argparse.Namespace, folder: Path) -> None:
    """Everything over git, then one run later, then nothing new."""
    registry = folder / "large.git"
    repository = make_registry(registry, heads=args.heads, runs=args.runs)
    print(f"stable publish, {args.heads} heads: {publish(registry):.2f} s (reach: 1 s)")
    with GitServer(folder) as server:
        url = f"{server.url}/large.git"
        peers, dest = Peers(url, folder), folder / "models"
        pull = [CALREG, "pull", url, str(dest)]
        for act in (peers.clone, peers.sparse, peers.branch):
            print(f"{(act.__doc__ or '')[:60]:<62} {cost(server, act)}")
        cold = []
        for _ in range(3):
            shutil.rmtree(dest, ignore_errors=True)
            cold.append(cost(server, lambda: run(pull)))
        print(f"{'calreg pull, everything (reach: 0.5 s, 0.7 MB)':<62} {median(cold)}")
        nothing = median([cost(server, lambda: run(pull)) for _ in range(AGAIN)])
        print(f"{'calreg pull, nothing new (reach: 0.25 s)':<62} {nothing}")
        asked = len(server.requests)
        run(pull)
        print(f"   requests of a pull with nothing new: {len(server.requests) - asked}")
        start = median([cost(server, lambda: run([CALREG, "--version"])) for _ in range(AGAIN)])
        print(f"{'calreg --version':<62} {start}")
        ls_remote = ["git", "ls-remote", url, "refs/heads/stable"]
        asking = median([cost(server, lambda: run(ls_remote)) for _ in range(AGAIN)])
        print(f"{'git ls-remote':<62} {asking}")
        later(args, server, repository, peers, pull)


def later(
    args: argparse.Namespace,
    server: GitServer,
    repository: Repository,
    peers: Peers,
    pull: Sequence[str],
) -> None:
    """One run more, pulled by calreg and by git."""
    names = head_names(args.heads)
    found: list[Cost] = []
    theirs: list[Cost] = []
    for version in range(args.runs + 1, args.runs + 4):
        add_run(repository, names, version)
        publish(repository.git_dir)
        found.append(cost(server, lambda: run(pull)))
        theirs.append(cost(server, peers.branch_again))
    print(f"{'calreg pull, one run later (reach: 0.2 s beyond start-up)':<62} {median(found)}")
    print(f"{'git pull of the branch, one run later':<62} {median(theirs)}")


def one_of_many(folder: Path) -> None:
    """One head of 10,000, over git."""
    make_registry(folder / "many.git", heads=10_000, runs=1)
    publish(folder / "many.git")
    with GitServer(folder) as server:
        url = f"{server.url}/many.git"
        head = head_names(10_000)[4242].full
        one = cost(server, lambda: run([CALREG, "pull", url, str(folder / "one"), head]))
        print(f"{'calreg pull, one head of 10,000 (reach: 20 kB)':<62} {one}")
        every = cost(server, lambda: run([CALREG, "pull", url, str(folder / "every")]))
        print(f"{'calreg pull, all 10,000':<62} {every}")


def main() -> None:
    """Print every figure with the versions of what was compared."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--peers", help="the Python of an environment with mlflow and gto")
    args = parser.parse_args()
    version = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True)
    print(f"Python {platform.python_version()}, {version.stdout.strip()}")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        pulls(args, Path(name))
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        one_of_many(Path(name))
    if args.peers:
        subprocess.run([args.peers, str(HERE / "peer_registries.py"), "1000", "1000"], check=True)


if __name__ == "__main__":
    main()
