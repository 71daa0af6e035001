"""Fixtures for commands that are killed and raced: warm once for all tests of a worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from campaigns import Bench
from editions import Editions, make_editions
from killing import Warm
from staticsite import StaticSite

__all__ = ["at_home", "bench", "edited", "editions", "first_bench", "sited", "warm"]


@contextmanager
def at_home(folder: Path) -> Iterator[None]:
    """A home with a name in it, for what is made once, before the home of any test."""
    folder.mkdir()
    (folder / ".gitconfig").write_text("[user]\n\tname = Ada Lovelace\n\temail = ada@example.org\n")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("HOME", str(folder))
        yield


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Commands that start in tens of milliseconds and may be killed."""
    with Warm() as process:
        yield process


@pytest.fixture(scope="session")
def first_bench(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Bench:
    """A registry with one run, its remote, and a clone called seed: to be copied, not changed."""
    folder = tmp_path_factory.mktemp("bench")
    with at_home(folder / "home"):
        return Bench(folder / "bench", warm)


@pytest.fixture(scope="session")
def editions(tmp_path_factory: pytest.TempPathFactory, first_bench: Bench) -> Editions:
    """A signed registry with three editions: to be read or copied, not changed."""
    folder = tmp_path_factory.mktemp("editions")
    with at_home(folder / "home"):
        return make_editions(Bench.copy_of(first_bench, folder / "bench"), 3)


@pytest.fixture
def bench(tmp_path: Path, first_bench: Bench) -> Bench:
    """The same for one test alone, in its own `bench` folder."""
    return Bench.copy_of(first_bench, tmp_path / "bench")


@pytest.fixture
def sited(editions: Editions) -> Iterator[StaticSite]:
    """A site of the first edition."""
    with StaticSite(editions.site(1)) as site:
        yield site


@pytest.fixture
def edited(tmp_path: Path, warm: Warm, editions: Editions, sited: StaticSite) -> Path:
    """The first edition, installed and its key pinned; the site is at the second by now."""
    folder = tmp_path / "models"
    assert warm.run("pull", sited.url, folder, cwd=tmp_path).code == 0
    sited.folder = editions.site(2)
    sited.forget()
    return folder
