"""A person at a terminal: a home with an identity, a registry, tables of scores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from desk import first_table, scores, wide
from sales import FACTORS, month

from calreg.cli import call

sys.path.append(str(Path(__file__).parents[1] / "shell"))

from killing import Warm


@dataclass(frozen=True)
class Said:
    """What a command line came to."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        """The one document on standard output."""
        return json.loads(self.out)


# Another folder's conftest has the same module name: this one is no place for doctests.
collect_ignore = ["conftest.py"]

Cli = Callable[..., Said]


def at_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a name and an email in it; no GIT_* or CALREG_* around it."""
    folder.mkdir(exist_ok=True)
    (folder / ".gitconfig").write_text(
        "[user]\n\tname = Ada Lovelace\n\temail = ada@example.org\n", encoding="utf-8"
    )
    for name in [name for name in os.environ if name.startswith(("GIT_", "CALREG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch) -> Path:
    """Everybody starts from a home of their own."""
    return at_home(tmp_path_factory.mktemp("home"), monkeypatch)


@pytest.fixture(scope="session")
def templates(tmp_path_factory) -> Path:
    """Registries to copy: an empty one, and those of one, two and four runs of `m/mood`."""
    folder = tmp_path_factory.mktemp("templates")
    with pytest.MonkeyPatch.context() as monkeypatch:
        at_home(folder / "home", monkeypatch)
        assert call(["init", str(folder / "empty"), "--name", "reg"]) == 0
        copytree(folder / "empty", folder / "published")
        words = ["run", str(first_table(folder / "first.csv")), "--head", "m/mood"]
        assert call(["--registry", str(folder / "published"), *words]) == 0
        copytree(folder / "published", folder / "twice")
        _run(folder / "twice", wide(folder / "second.csv", **_drifted(3, seed=1)))
        copytree(folder / "published", folder / "four")
        for number, power in enumerate((2, 4, 6), start=2):
            _run(folder / "four", wide(folder / f"{number}.csv", **_drifted(power, seed=number)))
    return folder


def _drifted(power: float, *, seed: int) -> dict[str, Any]:
    return {"happy": scores(400, power=power), "sad": scores(400, seed=seed)}


def _run(registry: Path, table: Path) -> None:
    words = ["run", str(table), "--head", "m/mood", "--timestamp", "2026-01-02T03:04:05Z"]
    assert call(["--registry", str(registry), *words]) == 0


@pytest.fixture(scope="session")
def feedback_folders(tmp_path_factory) -> Path:
    """Three feedback folders to copy: one run (with named factors, too), and its application."""
    folder = tmp_path_factory.mktemp("feedback")
    sales = month(folder / "january")
    (folder / "defaults.json").write_text(json.dumps(FACTORS))
    (folder / "named.json").write_text(json.dumps({"CONDITION_PRICE_FACTOR": FACTORS}))
    with pytest.MonkeyPatch.context() as monkeypatch:
        at_home(folder / "home", monkeypatch)
        for name, current in (("run", "defaults.json"), ("named", "named.json")):
            (folder / name).mkdir()
            monkeypatch.chdir(folder / name)
            words = ["feedback", "run", *map(str, sales.words), "--current", f"../{current}"]
            assert call(words) == 0
        copytree(folder / "run", folder / "applied")
        monkeypatch.chdir(folder / "applied")
        assert call(["feedback", "apply"]) == 0
    return folder


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Commands in processes of their own that start in tens of milliseconds."""
    with Warm() as process:
        yield process


@pytest.fixture
def cli(capfd) -> Cli:
    """Run a command line in this process."""

    def run(*words: object) -> Said:
        capfd.readouterr()
        code = call([str(word) for word in words])
        said = capfd.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture
def registry(templates, tmp_path, monkeypatch) -> Path:
    """A new registry, and a person in its folder."""
    return _moved_in(templates / "empty", tmp_path / "registry", monkeypatch)


@pytest.fixture
def published(templates, tmp_path, monkeypatch) -> Path:
    """A registry with one run of `m/mood`, and a person in its folder."""
    return _moved_in(templates / "published", tmp_path / "registry", monkeypatch)


@pytest.fixture
def twice(templates, tmp_path, monkeypatch) -> Path:
    """A registry whose reference of `m/mood` went from v1 to v2, by a run that drifted."""
    return _moved_in(templates / "twice", tmp_path / "registry", monkeypatch)


def _moved_in(template: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copytree(template, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def git() -> Callable[..., str]:
    """The git of the person at the keyboard."""

    def run(folder: Path, *words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=folder, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    return run


@pytest.fixture
def table(tmp_path) -> Path:
    """The scores of the first run."""
    return first_table(tmp_path / "first.csv")


@pytest.fixture
def drifted(tmp_path) -> Path:
    """The same head, scored otherwise."""
    return wide(tmp_path / "drifted.csv", **_drifted(3, seed=1))


@pytest.fixture
def registry_of_its_own(templates, tmp_path) -> Path:
    """Another empty registry, beside the one that the person is in."""
    copytree(templates / "empty", tmp_path / "other")
    return tmp_path / "other"
