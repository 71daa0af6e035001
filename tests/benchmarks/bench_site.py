"""A static site at size: build it, pull everything, nothing new, one head of many; with peers.

    python tests/benchmarks/bench_site.py [--heads 1000] [--many 10000] [--peers PYTHON]

Every figure of `calreg` is of a whole process against a loopback server of static files, bytes
as that server sent them, heads of answers apart. `--peers` is the Python of an environment
with pooch and huggingface_hub.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
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

import requests  # noqa: E402 - a folder of tests is no package
from large_registry import head_names, make_registry  # noqa: E402
from staticsite import StaticSite  # noqa: E402

CALREG = str(Path(sys.executable).with_name("calreg"))
AGAIN = 9


@dataclass(frozen=True)
class Cost:
    """Seconds of wall clock, seconds of the processes' own work, bytes of bodies sent."""

    seconds: float
    cpu: float
    moved: int

    def __str__(self) -> str:
        # The peers run in this process, beside the server: their own work cannot be told apart.
        cpu = f"{self.cpu:6.3f} s of CPU" if self.cpu else " " * 15
        return f"{self.seconds:6.3f} s  {cpu}  {self.moved / 1e3:9.1f} kB"


def run(*words: str) -> None:
    """One `calreg`, which must end well."""
    # As installed: Python's compiled files are there, wherever this one may write.
    compiled = {"PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "bench-compiled")}
    quiet = {
        **os.environ,
        **compiled,
        "PYTHONDONTWRITEBYTECODE": "",
        "CALREG_CALIBRATE_HEADS": "true",
    }
    subprocess.run([CALREG, *words], env=quiet, check=True, capture_output=True)


def cost(
    site: StaticSite, act: Callable[[], None], *, before: Callable[[], None] | None = None
) -> Cost:
    """The median of some repetitions of an act."""
    found = []
    for _ in range(AGAIN):
        if before is not None:
            before()
        sent, begin, cpu = site.bytes_sent, time.perf_counter(), _cpu()
        act()
        found.append(Cost(time.perf_counter() - begin, _cpu() - cpu, site.bytes_sent - sent))
    middle = statistics.median
    return Cost(middle(c.seconds for c in found), middle(c.cpu for c in found), found[-1].moved)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def tell(what: str, found: object, reach: str = "") -> None:
    """One line."""
    print(f"{what:<44} {found}{f'   (reach: {reach})' if reach else ''}", flush=True)


def built(folder: Path, heads: int) -> Path:
    """A site of so many heads; how long that took and what it weighs."""
    registry = folder / f"{heads}.git"
    make_registry(registry, heads=heads, runs=1)
    run("--registry", str(registry), "stable", "publish")
    site = folder / f"site-{heads}"
    begin = time.perf_counter()
    run("--registry", str(registry), "site", "build", str(site), "--dashboard", "none")
    seconds = time.perf_counter() - begin
    begin = time.perf_counter()
    run("--registry", str(registry), "site", "build", str(site), "--dashboard", "none")
    again = time.perf_counter() - begin
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    tell(
        f"site build, {heads} heads", f"{seconds:6.2f} s, again {again:.2f} s, {size / 1e6:.1f} MB"
    )
    return site


def one_by_one(site: StaticSite, paths: Sequence[str]) -> None:
    """All references with requests, one after the other over one connection."""
    with requests.Session() as session:
        for path in paths:
            session.get(f"{site.url}/{path}", timeout=10).raise_for_status()


def packed(site: StaticSite, models: Sequence[str]) -> None:
    """One packed file per model with requests, nothing checked."""
    with requests.Session() as session:
        for model in models:
            session.get(f"{site.url}/{model}/references.json", timeout=10).json()


def everything(folder: Path, heads: int) -> None:
    """A cold pull of all heads, the peers, and pulls with nothing new."""
    root = built(folder, heads)
    names = head_names(heads)
    dest = folder / "models"
    with StaticSite(root) as site:
        tell("calreg --version", cost(site, lambda: run("--version")))

        def clear() -> None:
            shutil.rmtree(dest, ignore_errors=True)

        cold = cost(site, lambda: run("pull", site.url, str(dest)), before=clear)
        tell(f"calreg pull, {heads} references, cold", cold, "0.3 s")
        asked = len(site.requests)
        nothing = cost(site, lambda: run("pull", site.url, str(dest)))
        tell("calreg pull, nothing new", nothing, "0.15 s")
        tell("   requests of it", (len(site.requests) - asked) // AGAIN, "1")
        paths = [name.reference_path for name in names]
        tell(
            f"requests {requests.__version__}, one by one",
            cost(site, lambda: one_by_one(site, paths)),
        )
        models = sorted({name.model for name in names})
        tell(
            f"requests {requests.__version__}, packed, unchecked",
            cost(site, lambda: packed(site, models)),
        )


def one_of_many(folder: Path, heads: int) -> None:
    """One head of many, and one model of many."""
    root = built(folder, heads)
    head = head_names(heads)[heads // 2]
    dest = folder / "one"
    with StaticSite(root) as site:

        def clear() -> None:
            shutil.rmtree(dest, ignore_errors=True)

        one = cost(site, lambda: run("pull", site.url, str(dest), head.full), before=clear)
        tell(f"calreg pull, one head of {heads}", one, "20 kB")
        model = cost(site, lambda: run("pull", site.url, str(dest), head.model), before=clear)
        tell("calreg pull, one model of them", model)


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", type=int, default=1000)
    parser.add_argument("--many", type=int, default=10_000)
    parser.add_argument(
        "--peers", help="the Python of an environment with pooch and huggingface_hub"
    )
    args = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, median of {AGAIN}")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        everything(Path(name), args.heads)
        if args.peers:
            root = str(Path(name) / f"site-{args.heads}")
            subprocess.run([args.peers, str(HERE / "peer_downloads.py"), root], check=True)
        if args.many:
            one_of_many(Path(name), args.many)


if __name__ == "__main__":
    main()
