"""A large registry for benchmarks: real documents, many heads, many runs, a bare repository.

Each run writes a version of every head; the first moves every reference, each later one a
twentieth of them. The same arguments give the same bytes.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import git

from calreg.documents import Calibration, Distribution, Histogram, LabelCalibration
from calreg.git import Repository, init_repository
from calreg.names import HeadName

__all__ = ["add_run", "head_names", "make_registry"]

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_MOVED_EACH_RUN = 20


def head_names(heads: int, *, per_model: int = 100) -> list[HeadName]:
    """The heads of a registry, a hundred to a model unless said."""
    return [
        HeadName(f"maker/model-{n // per_model}", f"head_{n % per_model}") for n in range(heads)
    ]


def calibration(name: HeadName, version: int) -> Calibration:
    """A calibration of two labels as a run makes one, of a thousand items each, about 2.5 kB."""
    chance = random.Random(f"{name.full}@{version}")
    return Calibration(name, version, {label: _label(chance) for label in ("no", "yes")})


def _label(chance: random.Random) -> LabelCalibration:
    counts = [chance.randrange(0, 21) for _ in range(100)]
    steps = sorted(chance.random() for _ in range(9))
    quantiles = dict(zip(("p1", "p5", "p25", "p50", "p75", "p95", "p99"), steps[1:8], strict=True))
    seen = Distribution(
        samples=sum(counts), min=steps[0], max=steps[8], mean=steps[4], std=0.2,
        quantiles=quantiles, histogram=Histogram(0.0, 1.0, tuple(counts), 0, 0),
    )  # fmt: skip
    return LabelCalibration("minmax", {"p5": quantiles["p5"], "p95": quantiles["p95"]}, seen)


def add_run(repository: Repository, names: list[HeadName], version: int) -> str:
    """Commit one run on `main`; the commit."""
    files = {}
    for number, name in enumerate(names):
        raw = calibration(name, version).to_bytes()
        files[name.version_path(version)] = raw
        if version == 1 or number % _MOVED_EACH_RUN == version % _MOVED_EACH_RUN:
            files[name.reference_path] = raw
    if version == 1:
        files["registry.yaml"] = b"schema: calreg/registry/1.0\nname: large\n"
    return _commit(repository, files, version)


def _commit(repository: Repository, files: dict[str, bytes], version: int) -> str:
    old = repository.tip("main")
    new = repository.commit(
        branch="main", parent=old, files=files, message=f"Run {version}",
        identity=repository.identity(), when=BEGIN + timedelta(days=version),
    )  # fmt: skip
    repository.publish("main", old=old, new=new)
    return new


def make_registry(folder: Path, *, heads: int, runs: int, per_model: int = 100) -> Repository:
    """A bare repository with so many runs of so many heads on `main`."""
    repository = init_repository(folder, bare=True)
    with git.Repo(folder).config_writer() as writer:
        writer.set_value("user", "name", "Bench").set_value("user", "email", "b@example.org")
        writer.set_value("uploadpack", "allowFilter", "true")
    repository = Repository.find(folder)
    names = head_names(heads, per_model=per_model)
    for version in range(1, runs + 1):
        add_run(repository, names, version)
    return repository
