"""Publishing 1,000 heads in one run, against GitPython's `index.add` and `index.commit`.

Run it by hand: `python tests/benchmarks/bench_publish.py [HEADS] [RUNS]`. It prints the ratio
of both on the same files, work tree included, and how run 50 compares with run 2.
"""

from __future__ import annotations

import platform
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import git

from calreg.git import Repository, init_repository

WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def documents(heads: int, version: int) -> dict[str, bytes]:
    """A version and a reference of about 2 kB for every head, and the run's own file."""
    files = {f"runs/{version}.json": b'{"version": %d}\n' % version}
    for number in range(heads):
        model, head = f"maker/model{number // 100}", f"head_{number % 100}"
        body = f'{{"version": {version}, "head": "{head}", "x": "'.encode()
        content = body + (f"{number}-{version};".encode() * 300)[: 2000 - len(body)] + b'"}\n'
        files[f"{model}/v{version}/{head}-calibration-v{version}.json"] = content
        files[f"{model}/{head}-calibration.json"] = content
    return files


def publish(repository: Repository, files: dict[str, bytes]) -> float:
    """Seconds of wall clock for one run as a command does it, checks and all."""
    start = time.perf_counter()
    repository = Repository.find(repository.work_tree or repository.git_dir)
    branch = repository.branch()
    with repository.lock():
        repository.recover()
        if repository.dirty(files):
            raise SystemExit("the work tree is dirty")
        old = repository.tip()
        new = repository.commit(
            branch=branch,
            parent=old,
            files=files,
            message="run",
            identity=repository.identity(),
            when=WHEN,
        )
        repository.publish(branch, old=old, new=new)
    return time.perf_counter() - start


def peer(folder: Path, files: dict[str, bytes]) -> float:
    """Seconds of GitPython for the same: write the files, add them, commit."""
    repository = git.Repo.init(folder)
    start = time.perf_counter()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    repository.index.add(list(files))
    repository.index.commit("run")
    return time.perf_counter() - start


def configured(folder: Path, *, bare: bool) -> Repository:
    """An empty repository with somebody to commit in it."""
    repository = init_repository(folder, bare=bare)
    with git.Repo(folder).config_writer() as writer:
        writer.set_value("user", "name", "Bench").set_value("user", "email", "b@example.org")
    return repository


def main(heads: int = 1000, runs: int = 50) -> None:
    """Print both figures, with the versions of what was compared."""
    versions = (git.__version__, ".".join(map(str, git.Git().version_info)))
    print(f"Python {platform.python_version()}, GitPython {versions[0]}, git {versions[1]}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for bare in (False, True):
            kind = "bare repository" if bare else "work tree"
            repository = configured(folder / f"ours{bare}", bare=bare)
            times = [publish(repository, documents(heads, n)) for n in range(1, runs + 1)]
            early, late = statistics.median(times[1:4]), statistics.median(times[-3:])
            print(f"{kind}: run 1 {times[0]:.2f} s")
            print(f"{kind}: around run 2 {early:.2f} s, around run {runs} {late:.2f} s")
            print(f"{kind}: ratio of the two {late / early:.2f} (reach: at most 1.5)")
            theirs = peer(folder / f"peer{bare}", documents(heads, 1))
            ratio = theirs / times[0]
            print(f"{kind}: GitPython {theirs:.2f} s, ratio {ratio:.1f} (reach: at least 10)")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
