"""A service over a real registry, and a home of its own for every test of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest
from running_service import Service, served, table

from calreg.cli import call

# Another folder's conftest has the same module name: this one is no place for doctests.
collect_ignore = ["conftest.py"]


def _at_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".gitconfig").write_text(
        "[user]\n\tname = Ada Lovelace\n\temail = ada@example.org\n", encoding="utf-8"
    )
    for name in [name for name in os.environ if name.startswith(("GIT_", "CALREG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory) -> Iterator[None]:
    """A name and an email for git, and no variables of its or ours; the worker inherits them."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        _at_home(tmp_path_factory.mktemp("home"), monkeypatch)
        yield


@pytest.fixture(scope="session")
def two_runs(home, tmp_path_factory) -> Path:
    """A registry of two heads and two runs; the second moved the reference of mood_happy."""
    folder = tmp_path_factory.mktemp("template") / "registry"
    assert call(["init", str(folder), "--name", "reg"]) == 0
    for number, shift in enumerate((0.0, 0.2)):
        scores = table(folder.parent / f"{number}.csv", shift=shift)
        assert call(["--registry", str(folder), "run", str(scores)]) == 0
    return folder


@pytest.fixture
def registry(two_runs, tmp_path) -> Path:
    """A registry of two runs, to be changed."""
    copytree(two_runs, tmp_path / "registry")
    return tmp_path / "registry"


@pytest.fixture(scope="module")
def reading(two_runs, tmp_path_factory) -> Iterator[Service]:
    """A service that a module's tests only read from."""
    folder = tmp_path_factory.mktemp("reading") / "registry"
    copytree(two_runs, folder)
    with served(folder) as service:
        assert service.state.watch.wait_until_settled(60)
        yield service


@pytest.fixture
def service(registry) -> Iterator[Service]:
    """A service of its own for a test."""
    with served(registry) as service:
        yield service
