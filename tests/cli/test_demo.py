"""`calreg demo`: the story is told by what really happened, and nothing is left behind."""

import os
import sys
from pathlib import Path

import pytest

from calreg.cli import call
from calreg.demo import run_demo
from calreg.errors import MissingExtraError


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The demo, run once: its result and the lines of its own."""
    lines = []
    return run_demo(lines.append, tmp_path_factory.mktemp("demo")), lines


def outcome(result, version, head):
    (found,) = [one for one in result.outcomes if (one.version, one.head) == (version, head)]
    return found


def test_first_run_makes_references(told):
    """The first run creates the references."""
    for head in ("digit", "has_loop"):
        found = outcome(told[0], 1, head)
        assert (found.reference_before, found.reference_after) == (None, 1)


def test_stable_head_keeps_its_reference(told):
    """A stable head stays at v1 while versions go by."""
    for version in (2, 3):
        found = outcome(told[0], version, "has_loop")
        assert (found.verdict, found.reference_update, found.reference_after) == (
            "stable",
            "unchanged",
            1,
        )


def test_drifted_head_moves(told):
    """Drift beyond chance moves the reference, in the second run and after retraining."""
    for version, head, before in ((2, "digit", 1), (4, "has_loop", 1)):
        found = outcome(told[0], version, head)
        assert (found.evidence, found.reference_before) == ("drift", before)
        assert (found.reference_update, found.reference_after) == ("updated", version)


def test_noise_is_held(told):
    """A difference that chance explains leaves the reference where it was."""
    found = outcome(told[0], 3, "digit")

    assert (found.evidence, found.reference_update, found.reference_after) == ("noise", "held", 2)


def test_applied_scores_are_calibrated(told):
    """The rows shown are raw scores and what the installed reference makes of them."""
    rows = told[0].applied

    assert len(rows) == 8
    assert all(0.0 <= calibrated <= 1.0 for _, _, calibrated in rows)
    by_raw = sorted(rows, key=lambda row: row[1])
    assert [row[2] for row in by_raw] == sorted(row[2] for row in rows)


def test_production_ends_up_current(told, monkeypatch, capsys):
    """After the last pull the production folder is what the registry says."""
    monkeypatch.chdir(told[0].production.parent)

    assert call(["status", "production"]) == 0


def test_story_shows_commands_and_reasons(told):
    """Every command is shown as it is typed, and every head gets a sentence."""
    text = "\n".join(told[1])

    for line in (
        "$ calreg init registry",
        "$ calreg --registry registry run first-1200.csv",
        "$ calreg pull registry production",
        "$ calreg apply today.csv --from production --out calibrated.csv",
        "$ calreg --registry registry tune choose.csv --holdout apart.csv --head \\",
    ):
        assert line in told[1]
    for words in ("has_loop: stable.", "digit: drifted.", "digit: within noise."):
        assert words in text
    assert all(len(line) <= 100 for line in told[1])


def test_environment_is_as_before(tmp_path, monkeypatch):
    """The demo leaves environment and current folder as they were, even when it fails."""
    (tmp_path / "registry").write_text("in the way")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "somebody")
    before, here = dict(os.environ), Path.cwd()

    with pytest.raises(Exception, match=r"the story wants 0"):
        run_demo(lambda _line: None, tmp_path)
    assert dict(os.environ) == before
    assert Path.cwd() == here


def test_missing_extra_is_said(tmp_path, monkeypatch):
    """Without the extra that reads tables, the demo says what to install."""
    monkeypatch.setitem(sys.modules, "duckdb", None)

    with pytest.raises(MissingExtraError) as caught:
        run_demo(lambda _line: None, tmp_path)
    assert caught.value.hint == "pip install 'calreg[develop]'"


def test_demo_command_cleans_up(capsys):
    """`calreg demo` exits 0."""
    assert call(["demo"]) == 0
    assert "== Production" in capsys.readouterr().out
