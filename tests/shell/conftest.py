"""Real repositories, real remotes, and a home of their own for every test of the shell."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from computing import DANCE, HAPPY, fresh_copy, publish_run
from githttp import GitServer
from warmth import bench, edited, editions, first_bench, sited, warm

from calreg.git import Repository, init_repository
from calreg.registry import Registry

__all__ = ["bench", "edited", "editions", "first_bench", "sited", "warm"]  # fixtures made elsewhere

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a name and an email in it, and no GIT_* around it."""
    folder = tmp_path_factory.mktemp("home")
    (folder / ".gitconfig").write_text(
        "[user]\n\tname = Ada Lovelace\n\temail = ada@example.org\n"
        "[init]\n\tdefaultBranch = main\n",
        encoding="utf-8",
    )
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return folder


@pytest.fixture
def run_git() -> Callable[..., str]:
    """The git of the person at the keyboard: their configuration, their checkout."""

    def run(folder: Path, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
        )
        return done.stdout

    return run


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """An empty repository with a work tree."""
    return init_repository(tmp_path / "work")


@pytest.fixture
def remote_folder(tmp_path: Path) -> Path:
    """An empty bare repository, the remote of `clone`."""
    folder = tmp_path / "remote.git"
    init_repository(folder, bare=True)
    return folder


@pytest.fixture
def clone(
    tmp_path: Path, remote_folder: Path, run_git: Callable[..., str]
) -> Callable[[str], Repository]:
    """Make another work tree whose `origin` is `remote_folder`, by its name."""

    def make(name: str) -> Repository:
        run_git(tmp_path, "clone", "--quiet", remote_folder.as_uri(), name)
        return Repository.find(tmp_path / name)

    return make


@pytest.fixture
def git_server(tmp_path: Path) -> Iterator[GitServer]:
    """Git's smart HTTP on loopback, serving the repositories below `tmp_path`."""
    with GitServer(tmp_path) as server:
        yield server


@pytest.fixture
def publish() -> Callable[..., str]:
    """Commit files on the checked-out branch as a command would; hand back the commit."""

    def act(
        repository: Repository,
        files: dict[str, bytes],
        *,
        delete: tuple[str, ...] = (),
        message: str = "publish",
        push: bool = False,
    ) -> str:
        branch = repository.branch()
        remote = repository.remote(branch) if push else None
        with repository.lock(wait_s=0):
            repository.recover()
            old = repository.tip()
            new = repository.commit(
                branch=branch,
                parent=old,
                files=files,
                delete=delete,
                message=message,
                identity=repository.identity(),
                when=WHEN,
            )
            if remote:
                seen = repository.fetch(remote)
                repository.push(remote, branch=remote.branch, new=new, expected=seen)
            repository.publish(branch, old=old, new=new)
        return new

    return act


_pushed: list[Path] = []


@pytest.fixture
def cloned(
    tmp_path: Path,
    remote_folder: Path,
    run_git: Callable[..., str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Registry]:
    """Clone a registry that has one run, by the clone's name."""
    if not _pushed:
        # Once for all tests: each gets a copy of the remote.
        first = fresh_copy(tmp_path / "first", tmp_path_factory)
        _pushed.append(tmp_path_factory.mktemp("pushed") / "remote.git")
        init_repository(_pushed[0], bare=True)
        run_git(first, "remote", "add", "origin", _pushed[0].as_uri())
        publish_run(Registry.open(first), {HAPPY: 0.5, DANCE: 0.4}, digest=1, push=True)
    shutil.copytree(_pushed[0], remote_folder, dirs_exist_ok=True)

    def make(name: str) -> Registry:
        run_git(tmp_path, "clone", "--quiet", remote_folder.as_uri(), name)
        return Registry.open(tmp_path / name)

    return make
