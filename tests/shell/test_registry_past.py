"""What was in force at some time: by a run's number, a time, a day."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from calreg.registry import Past, Registry, end_of

DAY = "2026-03-0{}T12:00:00+00:00"


def git(folder: Path, *words: str, day: int = 1) -> str:
    when = DAY.format(day)
    dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
    done = subprocess.run(
        ["git", "-c", "user.name=me", "-c", "user.email=me@example.org", *words],
        cwd=folder, env=os.environ | dates, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def written(folder: Path, path: str, *, day: int) -> str:
    """The commit of a file on the branch that is checked out."""
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{}\n", encoding="utf-8")
    git(folder, "add", path)
    git(folder, "commit", "-q", "-m", path, day=day)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def merged(tmp_path) -> dict[str, str]:
    """Run 1 on the 1st; run 2 on a branch on the 2nd, which is merged on the 4th."""
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "registry.yaml").write_text("name: music\n", encoding="utf-8")
    git(tmp_path, "add", "registry.yaml")
    one = written(tmp_path, "runs/1.json", day=1)
    git(tmp_path, "checkout", "-q", "-b", "proposal")
    written(tmp_path, "runs/2.json", day=2)
    git(tmp_path, "checkout", "-q", "main")
    between = written(tmp_path, "notes.json", day=3)
    git(tmp_path, "merge", "-q", "--no-ff", "-m", "merge", "proposal", day=4)
    return {"one": one, "between": between, "merge": git(tmp_path, "rev-parse", "HEAD")}


def past(folder: Path) -> Past:
    registry = Registry.open(folder)
    return Past(registry, registry.now)


def test_a_proposal_is_in_force_from_its_merge_on(merged, tmp_path):
    """A run that was committed on a branch is what production got when it was merged."""
    found = past(tmp_path)

    assert found.of_run(1) == merged["one"]
    assert found.of_run(2) == merged["merge"]
    assert found.of_run(3) is None
    assert found.at(datetime(2026, 3, 2, 18, tzinfo=UTC)) == merged["one"]
    assert found.at(datetime(2026, 3, 3, 18, tzinfo=UTC)) == merged["between"]
    assert found.at(datetime(2026, 3, 4, 18, tzinfo=UTC)) == merged["merge"]
    assert found.at(datetime(2026, 2, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-02", datetime(2026, 3, 2, 23, 59, 59, 999999, tzinfo=UTC)),
        ("2026-03-02T00:00:00Z", datetime(2026, 3, 2, tzinfo=UTC)),
        ("2026-03-02 06:00", datetime(2026, 3, 2, 6, tzinfo=UTC)),
        ("2026-03-02T06:00+02:00", datetime(2026, 3, 2, 4, tzinfo=UTC)),
        ("yesterday", None),
    ],
)
def test_a_day_means_its_end(text, moment):
    """A day alone is its end; a time is itself, in UTC unless it says otherwise."""
    assert end_of(text) == moment
