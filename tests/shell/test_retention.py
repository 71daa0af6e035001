"""`calreg gc`: the tip stays small, nothing that anybody needs goes, no number comes twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest
from computing import DANCE, HAPPY, WHEN, at, fresh_copy, publish_run
from warmth import at_home

from calreg.cli import call
from calreg.documents import load_retention
from calreg.errors import InputError
from calreg.git import init_repository
from calreg.plan import Plan, plan_pin, plan_rollback, plan_withdraw
from calreg.registry import Published, Registry, Snapshot
from calreg.registry.former import previous
from calreg.registry.retention import collect, collectable

Git = Callable[..., str]


@pytest.fixture(scope="module")
def eight_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `registry` is, to be copied."""
    folder = tmp_path_factory.mktemp("runs")
    with at_home(folder / "home"):
        registry = Registry.open(fresh_copy(folder / "music", tmp_path_factory))
        centres = {1: 0.5, 2: 0.5, 3: 0.7, 4: 0.7, 5: 0.7, 6: 0.3, 7: 0.3, 8: 0.3}
        for run, centre in centres.items():
            publish_run(registry, {HAPPY: centre, DANCE: 0.4}, digest=run)
    return folder / "music"


@pytest.fixture
def registry(tmp_path: Path, eight_runs: Path) -> Registry:
    """Eight runs: HAPPY moves at 1, 3 and 6, DANCE never; both heads are in every run."""
    return Registry.open(copytree(eight_runs, tmp_path / "music"))


def gc(registry: Registry, keep_runs: int) -> Published:
    def planner(snapshot: Snapshot) -> Plan:
        plan = collect(snapshot, keep_runs, by="Ada", timestamp=at(20))
        assert plan is not None
        return plan

    done = registry.publish_on(planner)
    assert isinstance(done, Published)
    return done


def versions(registry: Registry, model: str) -> list[int]:
    return registry.at().version_folders[model]


def test_what_stays(registry: Registry, run_git: Git) -> None:
    """References stay, what they held before, and the newest runs; the rest goes."""
    gc(registry, 2)

    assert versions(registry, HAPPY.model) == [3, 6, 7, 8]
    assert versions(registry, DANCE.model) == [1, 7, 8]
    assert registry.at().run_numbers == [1, 2, 3, 4, 5, 6, 7, 8]
    assert previous(registry.at(), HAPPY) == 3
    assert run_git(registry.root, "status", "--porcelain") == ""
    assert not (registry.root / HAPPY.model / "v2").exists()
    raw = (registry.root / "retention.json").read_bytes()
    found = load_retention(raw, where="r")
    assert found.collected == {HAPPY.model: ((1, 2), (4, 5)), DANCE.model: ((2, 6),)}
    assert found.keep_runs == 2


def test_pins_and_fallbacks_stay(registry: Registry) -> None:
    """What a pin names stays, and behind a withdrawn predecessor the one that is fit."""
    target = registry.calibration(DANCE, 4)
    registry.publish(lambda state: plan_pin(state, target, by="A", reason="x", timestamp=at(9)))
    registry.publish(
        lambda state: plan_withdraw(
            state, HAPPY, 3, fallback=None, by="A", reason="x", timestamp=at(10)
        )
    )

    gc(registry, 1)

    assert versions(registry, HAPPY.model) == [1, 3, 6, 8]
    assert versions(registry, DANCE.model) == [1, 4, 8]


def test_rolled_back_to_stays(registry: Registry) -> None:
    """What somebody rolled back to stays, with what was before it."""
    target = registry.calibration(HAPPY, 3)
    registry.publish(
        lambda state: plan_rollback(state, target, by="A", reason="x", timestamp=at(9))
    )

    gc(registry, 1)

    assert versions(registry, HAPPY.model) == [1, 3, 8]


def test_numbers_are_never_used_again(registry: Registry) -> None:
    """A run after a collection has the next number, and collected versions stay in the record."""
    gc(registry, 1)

    done = publish_run(registry, {HAPPY: 0.3, DANCE: 0.4}, digest=9)

    assert isinstance(done, Published)
    assert registry.at().run_numbers[-1] == 9
    gc(registry, 1)
    found = registry.at().retention
    assert found.collected[HAPPY.model] == ((1, 2), (4, 5), (7, 8))
    assert collectable(registry.at(), 1) == {}


def test_collected_version_is_told_from_one_that_never_was(registry: Registry) -> None:
    """Who asks for a collected version is told so, and where it is."""
    gc(registry, 1)

    with pytest.raises(InputError, match="was collected") as caught:
        registry.at().calibration(HAPPY, 2)
    assert caught.value.code == "collected"
    assert "git log --" in (caught.value.hint or "")
    with pytest.raises(InputError, match="has no version v99"):
        registry.at().calibration(HAPPY, 99)


def test_it_is_in_the_history(registry: Registry) -> None:
    """The commit before still has every version."""
    before = registry.repository.tip()

    gc(registry, 1)

    assert registry.at(before).calibration(HAPPY, 2).version == 2


def test_waiting_collection_is_made_anew(registry: Registry, tmp_path: Path, run_git: Git) -> None:
    """A collection that waits on a diverged branch is planned again on what is there."""
    init_repository(tmp_path / "remote.git", bare=True)
    run_git(registry.root, "remote", "add", "origin", (tmp_path / "remote.git").as_uri())
    run_git(registry.root, "push", "--quiet", "origin", "main")
    run_git(tmp_path, "clone", "--quiet", (tmp_path / "remote.git").as_uri(), "other")
    other = Registry.open(tmp_path / "other")
    publish_run(other, {HAPPY: 0.3, DANCE: 0.9}, digest=9, push=True)
    here = Registry.open(registry.root)
    gc(here, 1)

    pushed = here.push(when=WHEN)

    assert [item.outcome for item in pushed.items] == ["pushed"]
    assert versions(here, HAPPY.model) == [3, 6, 9]
    assert versions(here, DANCE.model) == [1, 9]


def test_somebody_elses_file_stays(registry: Registry, run_git: Git) -> None:
    """A file in a version folder that is not the registry's is left where it is."""
    note = registry.root / HAPPY.model / "v2" / "NOTES.md"
    note.write_text("mine\n")
    run_git(registry.root, "add", "--all")
    run_git(registry.root, "commit", "--quiet", "--message", "notes")

    gc(Registry.open(registry.root), 1)

    assert [path.name for path in note.parent.iterdir()] == ["NOTES.md"]
    assert HAPPY.model not in collectable(Registry.open(registry.root).at(), 1)


def test_doctor_is_content(
    registry: Registry, run_git: Git, capfd: pytest.CaptureFixture[str]
) -> None:
    """`doctor` accepts what was collected, and names what is missing without a record."""
    gc(registry, 1)
    assert call(["--registry", str(registry.root), "doctor"]) == 0
    said = capfd.readouterr().out
    assert "6 runs' folders collected" in said or "collected" in said

    run_git(registry.root, "rm", "--quiet", "-r", f"{HAPPY.model}/v8")
    run_git(registry.root, "commit", "--quiet", "--message", "oops")
    assert call(["--registry", str(registry.root), "doctor"]) == 1
    assert f"{HAPPY.model}/v8: is missing, and was not collected" in capfd.readouterr().out
