"""Make `registry/`: three runs on real scores, by the tool itself.

    python tests/registry/make_registry.py [FOLDER] [--runs N]

The registry is made in a temporary git repository with the commands a person would type,
then its files are copied to FOLDER. Times are fixed, so the same scores give the same bytes;
`--runs 2` stops after the second run, which is how the history of this repository was made.
The scores come from `train.py`.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import os
import shutil
import tempfile
from contextlib import chdir
from itertools import islice
from pathlib import Path

from calreg.cli import call
from calreg.git import Repository, init_repository

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FOLDERS = (ROOT / "src" / "calreg" / "demo_data", HERE / "scores")

# Score table: how many of its items were scored by each run. A library that grew.
ITEMS = {
    "digits": (600, 1200, 1797),
    "digits-logistic": (600, 1200, 1797),
    "breast-cancer": (200, 380, 569),
    "wine": (100, 140, 178),
}
TIMES = ("2026-01-12T09:00:00Z", "2026-02-09T09:00:00Z", "2026-03-09T09:00:00Z")
FIXED = ("registry.yaml", "README.md", ".gitattributes")
ENVIRONMENT = {
    "CALREG_CALIBRATE_HEADS": "true",
    "GIT_AUTHOR_NAME": "calreg",
    "GIT_AUTHOR_EMAIL": "registry@example.org",
    "GIT_COMMITTER_NAME": "calreg",
    "GIT_COMMITTER_EMAIL": "registry@example.org",
}


def table(name: str) -> Path:
    """Where the scores of that name lie."""
    return next(path for folder in FOLDERS if (path := folder / f"{name}.csv.gz").is_file())


def cut(name: str, rows: int, target: Path) -> None:
    """Write the first rows of one score table."""
    lines = gzip.decompress(table(name).read_bytes()).decode().splitlines()
    with target.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows(islice(csv.reader(lines), rows + 1))


def start(folder: Path) -> None:
    """A new repository with the files that people write: rules, explanation, attributes."""
    from datetime import datetime

    repository = init_repository(folder)
    new = repository.commit(
        branch="main",
        parent=None,
        files={name: (HERE / "template" / name).read_bytes() for name in FIXED},
        message="Begin a registry",
        identity=repository.identity(),
        when=datetime.fromisoformat(TIMES[0]),
    )
    with repository.lock():
        Repository.find(folder).publish("main", old=None, new=new)


def calibrate(folder: Path, run: int) -> None:
    """One run on what every library held at the time."""
    for name, items in ITEMS.items():
        cut(name, items[run], folder.parent / f"{name}.csv")
    words = ["--registry", folder.name, "run", *(f"{name}.csv" for name in ITEMS)]
    code = call([*words, "--timestamp", TIMES[run]])
    if code != 0:
        raise SystemExit(f"run {run + 1} exited with {code}")


def make(target: Path, *, runs: int = len(TIMES)) -> None:
    """Replace the files in `target` by those of a registry with so many runs."""
    if target.exists() and not (target / "registry.yaml").is_file():
        raise SystemExit(f"{target} is there and is no registry; it would be replaced")
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    os.environ.update(ENVIRONMENT)
    try:
        with tempfile.TemporaryDirectory() as place, chdir(place):
            made = Path("registry").absolute()
            start(made)
            for run in range(runs):
                calibrate(made, run)
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(made, target, ignore=shutil.ignore_patterns(".git"))
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def main() -> None:
    """Make the registry where the command line says."""
    parser = argparse.ArgumentParser(description="Make the registry of this repository.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "registry")
    parser.add_argument("--runs", type=int, choices=range(len(TIMES) + 1), default=len(TIMES))
    arguments = parser.parse_args()
    make(arguments.folder.absolute(), runs=arguments.runs)


if __name__ == "__main__":
    main()
