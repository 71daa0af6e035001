"""Eight publishers at once, 25 runs each, against one git server on loopback HTTP.

Run it by hand: `python tests/benchmarks/bench_race.py [--publishers 8] [--runs 25]
[--peer-runs 25]`. Each publisher is a process with a clone of its own that publishes one run
after the other. It prints the seconds that a run took, how often it was tried, and whether
the registry at the end has every run once, numbered without a gap; beside it the same with
plain git: write a file, add, commit, push, and on a rejected push fetch, rebase and again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "shell"))

_REACH_P99_S = 10.0
_REACH_TRIES = 10


def git(folder: Path, *words: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
    """Plain git, as a person's script runs it."""
    return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=ok)


# --- a publisher is a process of its own ------------------------------------------------------


def ours(folder: Path, number: int, runs: int) -> None:
    """Publish runs one after the other; prints seconds and tries of each as a line of JSON."""
    from computing import HAPPY, at, computed

    from calreg.plan import RegistryState, RunPlan, plan_run
    from calreg.registry import Published, Registry

    registry = Registry.open(folder)
    for run in range(runs):
        brings = computed({HAPPY: 0.5 + 0.01 * (run % 3)}, digest=1000 * (number + 1) + run)

        def planner(state: RegistryState, brings=brings) -> RunPlan:
            return plan_run(state, brings, timestamp=at(9), tool="calreg 0")

        start = time.perf_counter()
        done = registry.publish(planner, push=True)
        took = time.perf_counter() - start
        tries = done.tries if isinstance(done, Published) else 0
        print(json.dumps([took, tries]), flush=True)


def naive(folder: Path, number: int, runs: int) -> None:
    """The same with plain git and a loop."""
    for run in range(runs):
        start = time.perf_counter()
        (folder / f"run-{number}-{run}.json").write_text(f'{{"run": {run}}}\n' * 100)
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message", f"run {number} {run}")
        tries = 1
        while git(folder, "push", "--quiet", "origin", "main", ok=False).returncode != 0:
            git(folder, "pull", "--quiet", "--rebase", "origin", "main", ok=False)
            tries += 1
        print(json.dumps([time.perf_counter() - start, tries]), flush=True)


def serve(root: Path) -> None:
    """The git server, in a process of its own so that nobody waits for its interpreter."""
    from githttp import GitServer

    with GitServer(root) as server:
        print(server.url, flush=True)
        sys.stdin.read()


# --- the race -----------------------------------------------------------------------------------


def race(kind: str, clones: Sequence[Path], runs: int) -> tuple[list[float], list[int], float]:
    """Seconds and tries of every run, and the seconds of it all."""
    start = time.perf_counter()
    publishers = [
        subprocess.Popen(
            [sys.executable, __file__, "--worker", kind, str(clone), str(number), str(runs)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, clone in enumerate(clones)
    ]
    lines = [line for one in publishers for line in one.communicate()[0].splitlines()]
    took = time.perf_counter() - start
    failed = [one.returncode for one in publishers if one.returncode]
    if failed:
        print(f"{kind}: {len(failed)} of {len(clones)} publishers gave up")
    found = [json.loads(line) for line in lines]
    return [seconds for seconds, _ in found], [tries for _, tries in found], took


def report(kind: str, seconds: list[float], tries: list[int], took: float, wanted: int) -> None:
    """One line of figures."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    print(
        f"{kind:<6} {len(seconds)} of {wanted} runs in {took:.0f} s: p50 {cuts[49]:.2f} s, "
        f"p99 {cuts[98]:.2f} s, longest {max(seconds):.2f} s; tries: mean "
        f"{statistics.mean(tries):.1f}, most {max(tries)}"
    )


def check(folder: Path, publishers: int, runs: int) -> None:
    """Every run once, numbered without a gap."""
    from calreg.registry import Registry

    found = Registry.open(folder).runs()
    numbers = [run.version for run in found]
    digests = {int(run.inputs.digest, 16) for run in found}
    wanted = {1000 * (number + 1) + run for number in range(publishers) for run in range(runs)}
    lost = wanted - digests
    gapless = numbers == list(range(1, len(numbers) + 1))
    print(f"       {len(lost)} lost, {len(found) - len(digests)} doubled, gapless: {gapless}")


def prepare(root: Path) -> None:
    """A remote with an empty registry, and one for plain git."""
    from computing import WHEN

    from calreg.registry import initialise

    home = root / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\n\tname = Bench\n\temail = b@example.org\n")
    os.environ["HOME"] = str(home)
    initialise(root / "first", when=WHEN)
    for name in ("ours.git", "naive.git"):
        git(root, "init", "--quiet", "--bare", "--initial-branch=main", name)
        git(root / name, "config", "http.receivepack", "true")
    git(root / "first", "push", "--quiet", str(root / "ours.git"), "main")
    git(root / "first", "push", "--quiet", str(root / "naive.git"), "main")


def main() -> None:
    """Print the figures of both, with versions."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--publishers", type=int, default=8)
    asked.add_argument("--runs", type=int, default=25)
    asked.add_argument("--peer-runs", type=int, default=25)
    options = asked.parse_args()
    print(f"Python {platform.python_version()}, {git(HERE, 'version').stdout.strip()}")
    print(f"reach: 0 lost, gapless, p99 under {_REACH_P99_S:g} s, at most {_REACH_TRIES} tries")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        prepare(root)
        server = subprocess.Popen(
            [sys.executable, __file__, "--worker", "serve", str(root), "0", "0"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        for kind, runs in (("ours", options.runs), ("naive", options.peer_runs)):
            if not runs:
                continue
            clones = [root / f"{kind}-{number}" for number in range(options.publishers)]
            for clone in clones:
                git(root, "clone", "--quiet", f"{url}/{kind}.git", clone.name)
            report(kind, *race(kind, clones, runs), options.publishers * runs)
        git(root, "clone", "--quiet", str(root / "ours.git"), "last")
        if options.runs:
            check(root / "last", options.publishers, options.runs)
        server.communicate("")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        _, _, kind, folder, number, runs = sys.argv
        workers = {"ours": ours, "naive": naive}
        if kind == "serve":
            serve(Path(folder))
        else:
            workers[kind](Path(folder), int(number), int(runs))
    else:
        main()
