"""The registry is moved by other hands: what is served, stored and told follows."""

from __future__ import annotations

import pytest
from states import (
    DANCE,
    HAPPY,
    LIMIT_S,
    Place,
    calreg,
    git,
    next_event,
    place,
    published,
    running,
)

from calreg.names import HeadName
from calreg.service.state import State
from calreg.service.watching import fingerprint
from calreg.store import Store

__all__ = ["place"]  # fixtures made elsewhere


def history(state: State) -> list[tuple[str, int]]:
    return [(row["head_name"], row["version"]) for row in state.store.history()]


def test_a_run_by_somebody_else_is_served_stored_and_told(place: Place) -> None:
    """A run in a shell is noticed: its reference is served, its rows are kept, it is news."""
    with running(place) as state:
        before = state.snapshot()
        commit = published(place, {HAPPY: 0.5})
        run = next_event(state.feed, "run")
        moved = next_event(state.feed, "promotion")
        state.watch.wait_until_settled(LIMIT_S)
        now = state.snapshot()

        assert (before.references, now.commit) == ({}, commit)
        assert now.generation > before.generation
        assert now.references[HAPPY].raw == place.open().calibration(HeadName.parse(HAPPY)).raw
        assert history(state) == [("mood_happy", 1)]
        assert state.store.history_commit() == commit
        assert (run.data["version"], run.data["commit"]) == (1, commit)
        assert moved.data["references"] == [
            {
                "head": HAPPY,
                "before": None,
                "after": 1,
                "action": "run",
                "by": None,
                "reason": None,
            }
        ]


def test_the_history_grows_by_what_is_new(place: Place) -> None:
    """A second run adds its rows to those there are, and what was made of a view is forgotten."""
    published(place, {HAPPY: 0.5})
    with running(place) as state:
        assert state.watch.wait_until_settled(LIMIT_S)
        made = state.snapshot().once("page", lambda: "old")
        published(place, {HAPPY: 0.7, DANCE: 0.3}, digest=2)
        state.watch.settle()

        assert history(state) == [("mood_happy", 2), ("danceability", 2), ("mood_happy", 1)]
        assert made == "old"
        assert state.snapshot().once("page", lambda: "new") == "new"
        assert state.snapshot().once("page", lambda: "newer") == "new"


def test_rewritten_history_is_read_anew(place: Place) -> None:
    """After a run was taken back by git its rows are gone from the store, too."""
    published(place, {HAPPY: 0.5})
    with running(place) as state:
        published(place, {HAPPY: 0.7}, digest=2)
        state.watch.settle()
        both = history(state)
        git(place.registry, "reset", "--quiet", "--hard", "HEAD~1")
        state.watch.settle()

        assert both == [("mood_happy", 2), ("mood_happy", 1)]
        assert history(state) == [("mood_happy", 1)]
        assert state.snapshot().references[HAPPY].version == 1


def test_a_withdrawal_changes_rows_that_were_there(place: Place) -> None:
    """A withdrawn version is marked in the history, and the move is told with its reason."""
    published(place, {HAPPY: 0.5})
    published(place, {HAPPY: 0.7}, digest=2)
    with running(place) as state:
        assert state.watch.wait_until_settled(LIMIT_S)
        seen = len(state.feed.since(0))
        calreg(place, "withdraw", HAPPY, "v2", "--reason", "wrong items")
        moved = next_event(state.feed, "promotion", seen)
        state.watch.settle()

        unfit = {row["version"]: row["withdrawn"] for row in state.store.history()}
        assert (unfit[1], unfit[2]["why"]) == (None, "wrong items")
        assert (
            moved.data["references"][0].items()
            >= {
                "before": 2,
                "after": 1,
                "action": "withdraw",
                "reason": "wrong items",
            }.items()
        )


def test_what_was_missed_while_nobody_watched_is_told_later(place: Place) -> None:
    """A service that starts again tells what happened meanwhile, and what it knew only once."""
    published(place, {HAPPY: 0.5})
    with running(place) as state:
        assert state.watch.wait_until_settled(LIMIT_S)
        first = [event.kind for event in state.feed.since(0)]
    published(place, {HAPPY: 0.7}, digest=2)
    with running(place) as state:
        again = next_event(state.feed, "run")
        assert state.watch.wait_until_settled(LIMIT_S)

        assert "run" not in first
        assert again.data["version"] == 2
        assert [event.kind for event in state.feed.since(0)].count("run") == 1


def test_the_last_good_view_stays_while_the_registry_is_broken(place: Place) -> None:
    """A commit that cannot be read is told as a problem; its repair ends the problem."""
    published(place, {HAPPY: 0.5})
    with running(place) as state:
        state.watch.settle()
        good = state.snapshot().references
        (place.registry / "essentia/effnet/mood_happy-calibration.json").write_text("{}")
        git(place.registry, "commit", "--quiet", "-am", "break it")
        state.watch.settle()
        problem = state.problem
        git(place.registry, "reset", "--quiet", "--hard", "HEAD~1")
        state.watch._pauses["view"].worked()
        state.watch.settle()

        assert problem is not None
        assert "mood_happy-calibration.json" in problem
        assert state.snapshot().references == good
        assert state.problem is None


def test_what_the_gate_says_is_kept_and_an_error_is_told_once(place: Place) -> None:
    """A version changed by hand is a finding, told to whoever listens until it is put right."""
    published(place, {HAPPY: 0.5})
    calreg(place, "stable", "publish")
    with running(place) as state:
        assert state.watch.wait_until_settled(LIMIT_S)
        clean = list(state.store.findings().findings)
        run = place.registry / "essentia/effnet/v1/run.json"
        run.write_bytes(run.read_bytes() + b"\n")
        git(place.registry, "commit", "--quiet", "-am", "touch what is never touched")
        told = next_event(state.feed, "gate")
        state.watch.settle()
        assert state.watch.wait_until_settled(LIMIT_S)
        found = state.store.findings()

        assert clean == []
        assert (told.data["ok"], told.data["commit"]) == (False, place.tip())
        assert told.data["errors"] == len(told.data["findings"])
        assert {one["path"] for one in told.data["findings"]} == {"essentia/effnet/v1/run.json"}
        assert found.commit == place.tip()
        assert [one["rule"] for one in found.findings] == [
            one["rule"] for one in told.data["findings"]
        ]
    with running(place) as state:
        assert state.watch.wait_until_settled(LIMIT_S)
        assert [event for event in state.feed.since(0) if event.kind == "gate"] == []


def test_a_history_that_is_lost_is_made_again(place: Place) -> None:
    """A store without a history gets all of it from the registry, and no old news."""
    published(place, {HAPPY: 0.5})
    published(place, {HAPPY: 0.7}, digest=2)
    with Store.open(place.url) as store:
        store.replace_history("music", "0" * 40, ())
    with running(place) as state:
        assert state.watch.wait_until_settled(LIMIT_S)

        assert history(state) == [("mood_happy", 2), ("mood_happy", 1)]
        assert [event.kind for event in state.feed.since(0)] == []


@pytest.fixture
def moved(place: Place) -> Place:
    """A registry of two commits and two branches with a remote, to be moved about."""
    git(place.registry, "commit", "--quiet", "--allow-empty", "-m", "second")
    git(place.registry, "branch", "--quiet", "other")
    git(place.folder, "clone", "--quiet", "--bare", str(place.registry), "remote.git")
    git(place.registry, "remote", "add", "origin", str(place.folder / "remote.git"))
    git(place.registry, "fetch", "--quiet", "origin")
    return place


@pytest.mark.parametrize(
    "commands",
    [
        ["commit --quiet --allow-empty -m more"],
        ["update-ref refs/heads/other HEAD~1"],
        ["pack-refs --all"],
        ["update-ref refs/remotes/origin/stable HEAD"],
        ["branch --quiet third", "switch --quiet third"],
        ["reset --quiet --hard HEAD~1"],
        ["branch --quiet -D other"],
    ],
    ids=str,
)
def test_whatever_moves_a_ref_is_seen_without_git(moved: Place, commands: list[str]) -> None:
    """The fingerprint of the refs differs after anything that moves one, and only then."""
    repository = moved.open().repository
    before = fingerprint(repository)
    git(moved.registry, "status")
    git(moved.registry, "log", "-1")
    still = fingerprint(repository)
    for command in commands:
        git(moved.registry, *command.split())

    assert still == before
    assert fingerprint(repository) != before
