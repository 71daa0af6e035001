"""Runs that begin by themselves: once for new items, not for old ones, not again and again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from states import HAPPY, LIMIT_S, Place, next_event, place, rows, running

from calreg.service.automatic import Automatic, Past, Rhythm, past_of, wait_s
from calreg.service.running import AlreadyRunningError
from calreg.service.state import Pace
from calreg.store import PutCounts, Revision, RunRecord, Store

__all__ = ["place"]  # fixtures made elsewhere

AT_ONCE = Rhythm(quiet_s=0.0, patience_s=0.0, first_retry_s=1000.0)
RHYTHM = Rhythm(quiet_s=2.0, patience_s=60.0, first_retry_s=30.0, longest_retry_s=3600.0)
NEW = PutCounts(1, 1, 0, 0)


def run(state: str, items: int = 0, *, code: str | None = None, finished: float = 0.0) -> RunRecord:
    error = None if code is None else {"code": code}
    revision = Revision(items, items, items)
    return RunRecord("id", "api", state, 0.0, finished, 0, 0, "", revision, None, error)


def wait(items: int, past: Past, *, now: float = 100.0, last_new: float = 0.0) -> float | None:
    revision = Revision(items, items, items)
    return wait_s(1000, revision, past, RHYTHM, now=now, last_new=last_new, due_since=last_new)


@pytest.mark.parametrize(
    ("items", "past", "expected"),
    [
        (999, Past(), None),
        (1000, Past(), 0.0),
        (1999, Past(1000, 1000), None),
        (2000, Past(1000, 1000), 0.0),
        (2000, Past(1000, 2000), None),
        (1000, Past(failures=1, failed_at=90.0), 20.0),
        (1000, Past(failures=3, failed_at=90.0), 110.0),
        # The clock was put back by a day: what failed tomorrow is no reason to wait till then.
        (1000, Past(failures=3, failed_at=86_500.0), 0.0),
        (1000, Past(failures=99, failed_at=100.0), 3600.0),
    ],
)
def test_when_a_run_begins(items: int, past: Past, expected: float | None) -> None:
    """So many new items since the last run make one due; after failures it waits, ever longer."""
    assert wait(items, past) == expected


def test_a_run_waits_for_the_last_batch_but_not_for_ever() -> None:
    """While batches come in a run waits for two quiet seconds, and a minute at the most."""
    revision = Revision(5000, 5000, 5000)

    def pause(now: float, last_new: float) -> float | None:
        return wait_s(1000, revision, Past(), RHYTHM, now=now, last_new=last_new, due_since=100.0)

    assert pause(101.0, 100.5) == 1.5
    assert pause(102.5, 100.5) == 0.0
    assert pause(159.5, 159.4) == 0.5
    assert pause(160.0, 159.9) == 0.0


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([], Past()),
        ([run("ok", 50)], Past(50, 50)),
        ([run("running", 90), run("ok", 50)], Past(50, 50)),
        ([run("failed", 70, code="no-head-left"), run("ok", 50)], Past(70, 70)),
        ([run("failed", 70, code="store-down", finished=9.0), run("ok", 50)], Past(50, 50, 1, 9.0)),
        (
            [run("interrupted", 70, finished=9.0), run("failed", 70, code="interrupted")],
            Past(failures=2, failed_at=9.0),
        ),
    ],
)
def test_what_counts_as_done(runs: list[RunRecord], expected: Past) -> None:
    """An answer and an error of the scores are done; what was cut short is counted, not done."""
    assert past_of(runs) == expected


@given(
    items=st.integers(0, 10**6), done=st.integers(0, 10**6), failures=st.integers(0, 200),
    now=st.floats(0, 1e9), last_new=st.floats(0, 1e9),
)  # fmt: skip
def test_no_run_for_fewer_items_than_were_asked_for(
    items: int, done: int, failures: int, now: float, last_new: float
) -> None:
    """A run never begins before there are as many new items as were asked for."""
    past = Past(done, done, failures, now)
    pause = wait(items, past, now=now, last_new=last_new)

    assert (pause is None) == (items - done < 1000)
    assert pause is None or pause >= 0.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'calreg.db'}") as opened:
        yield opened


class Begun:
    """Stands in for what begins runs: counts them."""

    def __init__(self, *, is_busy: bool = False) -> None:
        self.count = 0
        self.is_busy = is_busy
        self.once = threading.Event()

    def __call__(self) -> None:
        self.count += 1
        self.once.set()
        if self.is_busy:
            raise AlreadyRunningError("other")


def watcher(store: Store, begun: Begun) -> Automatic:
    return Automatic(store, 100, begun, clock=lambda: 1e6, rhythm=AT_ONCE)


def test_none_begins_twice_for_the_same_data(store: Store) -> None:
    """After a run of all there is, nothing begins until there are enough new items."""
    begun = Begun()
    automatic = watcher(store, begun)
    store.put_scores(rows(HAPPY, items=100))
    first = automatic._step()
    store.run_started("a", "automatic", store.revision())
    store.run_finished("a", result={})
    automatic.look(is_new=False)
    automatic._step()
    store.put_scores(rows(HAPPY, items=99, first=1000))
    automatic._step()
    before = begun.count
    store.put_scores(rows(HAPPY, items=1, first=5000))
    automatic._step()

    assert (first, before, begun.count) == (None, 1, 2)


def test_a_clock_that_is_put_back_holds_nothing_up(store: Store) -> None:
    """Scores that came while the clock was a day ahead make a run when it is right again."""
    begun, moments = Begun(), [90_000.0]
    rhythm = Rhythm(quiet_s=10.0, patience_s=60.0)
    automatic = Automatic(store, 5, begun, clock=lambda: moments[-1], rhythm=rhythm)
    store.put_scores(rows(HAPPY, items=5))
    automatic.look()
    pauses = [automatic._step()]
    moments.append(100.0)
    pauses.append(automatic._step())
    moments.append(111.0)
    pauses.append(automatic._step())

    assert pauses == [10.0, 10.0, None]
    assert begun.count == 1


def test_none_begins_while_one_goes_on(store: Store) -> None:
    """What is due while a run goes on is looked at again when that ends."""
    begun = Begun(is_busy=True)
    automatic = watcher(store, begun)
    store.put_scores(rows(HAPPY, items=100))

    assert automatic._step() is None
    assert begun.count == 1


def test_a_failing_run_is_not_begun_again_and_again(store: Store) -> None:
    """After a run that was cut short the next one waits, also for new items."""
    begun = Begun()
    automatic = watcher(store, begun)
    store.put_scores(rows(HAPPY, items=100))
    store.run_started("a", "automatic", store.revision())
    store.run_finished("a", error={"code": "transport"})
    store.put_scores(rows(HAPPY, items=500, first=1000))
    finished = store.run("a").finished
    automatic._clock = lambda: finished + 1.0

    assert automatic._step() == pytest.approx(999.0, abs=0.01)
    assert begun.count == 0


def test_new_items_make_a_run(place: Place) -> None:
    """Enough new items start a run by themselves, which is published and not repeated."""
    pace = Pace(poll_s=0.05, rhythm=AT_ONCE)
    with running(place, pace=pace, auto_run_after=200) as state:
        counts = state.store.put_scores(rows(HAPPY, items=199))
        state.on_scores(counts)
        nothing = state.running()
        state.on_scores(state.store.put_scores(rows(HAPPY, items=1, first=900)))
        ended = next_event(state.feed, "run-ended")
        state.on_scores(NEW)

        assert nothing is None
        assert (ended.data["trigger"], ended.data["status"]) == ("automatic", "ok")
        assert state.watch.wait_until_settled(LIMIT_S)
        assert state.snapshot().references[HAPPY].version == 1
    with running(place, pace=pace, auto_run_after=200) as state:
        state.on_scores(NEW)
        assert state.watch.wait_until_settled(LIMIT_S)
        assert [one.trigger for one in state.store.runs()] == ["automatic"]


def test_items_that_came_before_a_restart_count(place: Place) -> None:
    """A service that starts with enough new items in its store begins a run."""
    with Store.open(place.url) as store:
        store.put_scores(rows(HAPPY, items=200))
    with running(place, pace=Pace(poll_s=0.05, rhythm=AT_ONCE), auto_run_after=200) as state:
        assert next_event(state.feed, "run-ended").data["status"] == "ok"


def test_production_never_runs_by_itself(place: Place) -> None:
    """Without calibrate_heads nothing begins, however many items come in."""
    with running(place, is_begun=False) as state:
        settings = place.settings(auto_run_after=1)
        assert state._automatic_of(settings) is not None
        production = type(settings)(
            folder=settings.folder, store_url=settings.store_url, auto_run_after=1
        )
        assert state._automatic_of(production) is None
