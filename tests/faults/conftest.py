"""The long campaigns of `make test-faults`, by the means of tests/shell."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "shell"))

from warmth import bench, edited, editions, first_bench, sited, warm

__all__ = ["bench", "edited", "editions", "first_bench", "sited", "warm"]  # fixtures made elsewhere

# Another folder's conftest has the same module name: this one is no place for doctests.
collect_ignore = ["conftest.py"]


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
    return folder


@pytest.fixture
def tell(
    capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> Callable[[object], None]:
    """Say a figure where somebody sees it, whatever pytest keeps to itself."""

    def say(what: object) -> None:
        with capsys.disabled():
            print(f"\n{request.node.name}: {what}", flush=True)

    return say
