"""Runs, deliveries and findings in a store: what a service remembers of its own doing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from calreg.store import Delivery, Findings, Revision, Row, Store


@pytest.fixture
def store(store_url) -> Iterator[Store]:
    """A store at eight o'clock."""
    with Store.open(store_url, now=lambda: 8.0) as found:
        yield found


def test_a_run_is_recorded_from_start_to_end(store):
    """A run says who asked, on which scores, how far it is and what came of it."""
    revision = Revision(3, 9, 2)
    store.run_started("r1", "by hand", revision)
    store.run_progress("r1", 5, 17, "computing")
    running = store.run("r1")

    store.run_finished("r1", result={"version": 4, "heads": {"m/ü": [0.1, None]}})

    assert running is not None
    assert (running.state, running.done, running.total) == ("running", 5, 17)
    assert (running.step, running.trigger, running.revision) == ("computing", "by hand", revision)
    done = store.run("r1")
    assert done is not None
    assert (done.state, done.started, done.finished) == ("ok", 8.0, 8.0)
    assert (done.result, done.error) == ({"version": 4, "heads": {"m/ü": [0.1, None]}}, None)
    assert store.run("r2") is None


def test_what_is_over_stays_as_it_is(store):
    """A word that comes late changes no run that has ended."""
    store.run_started("r1", "automatic", Revision(0, 0, 0))
    store.run_finished("r1", error={"code": "input", "message": "no scores"})

    store.run_progress("r1", 1, 1, "late")
    store.run_finished("r1", result={})

    found = store.run("r1")
    assert found is not None
    assert (found.state, found.step, found.error["code"]) == ("failed", "", "input")


def test_runs_come_newest_first(store):
    """Of many runs the newest come first, at most as many as asked for."""
    for number in range(5):
        store.run_started(f"r{number}", "by hand", Revision(number, 0, 0))

    assert [run.id for run in store.runs(3)] == ["r4", "r3", "r2"]


def test_the_last_revision_is_of_a_run_that_ended(store):
    """A run that still goes on has not seen its scores through; one that failed has."""
    assert store.last_run_revision() is None
    for number in range(3):
        store.run_started(f"r{number}", "automatic", Revision(number, number, number))
    store.run_finished("r0", result={})
    assert store.last_run_revision() == Revision(0, 0, 0)

    store.run_finished("r1", error={})

    assert store.last_run_revision() == Revision(1, 1, 1)


_RUN = """
import sys
from calreg.store import Revision, Store
store = Store.open(sys.argv[1])
store.run_started("theirs", "by hand", Revision(0, 0, 0))
print("started", flush=True)
sys.stdin.read()
"""


def test_a_run_is_interrupted_when_its_process_ended(store_url):
    """While its process lives a run is running, whoever opens the store; then it is not."""
    with subprocess.Popen(
        [sys.executable, "-c", _RUN, store_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with Store.open(store_url) as store:
            store.run_started("ours", "by hand", Revision(0, 0, 0))
            assert [run.state for run in store.runs()] == ["running", "running"]
        other.kill()

    with Store.open(store_url) as store:
        states = {run.id: run.state for run in store.runs()}
        assert states == {"theirs": "interrupted", "ours": "running"}
        assert store.last_run_revision() is None


def test_a_delivery_waits_until_it_arrived(store):
    """An event is due, then later again, then done; the error of a try is forgotten."""
    body = json.dumps({"event": "run", "name": "ü"})
    number = store.put_delivery("https://example.org/hook", "run", body)
    first = Delivery(number, "https://example.org/hook", "run", body, 8.0, 0)
    assert store.due_deliveries(8.0) == [first]
    assert store.due_deliveries(7.9) == []

    store.delivery_failed(number, 20.0, "503")

    assert store.due_deliveries(19.0) == []
    assert store.next_delivery_at() == 20.0
    assert store.due_deliveries(20.0) == [first._replace(attempts=1)]
    store.delivery_done(number)
    assert store.due_deliveries(99.0) == []
    assert store.next_delivery_at() is None
    assert store.delivery_counts() == {"waiting": 0, "done": 1, "failed": 0}


def test_a_delivery_may_be_given_up(store):
    """What has no next time is not tried again, and is counted."""
    number = store.put_delivery("https://example.org/hook", "gate", "{}")

    store.delivery_failed(number, None, "410")

    assert store.due_deliveries(99.0) == []
    assert store.delivery_counts() == {"waiting": 0, "done": 0, "failed": 1}


def test_old_deliveries_do_not_pile_up(store):
    """Of those that are over a hundred are kept; those that wait are all kept."""
    waiting = store.put_delivery("https://example.org/hook", "run", "{}")
    store.delivery_failed(waiting, 50.0, "503")
    for _ in range(105):
        store.delivery_done(store.put_delivery("https://example.org/hook", "run", "{}"))

    assert store.delivery_counts() == {"waiting": 1, "done": 100, "failed": 0}


def test_findings_are_those_of_the_last_commit(store):
    """What the gate said of another commit is forgotten."""
    assert store.findings() == Findings(None, [])
    store.put_findings("c1", [{"rule": "old"}])

    store.put_findings("c2", [{"rule": "shift", "path": "m/ü.json", "severity": "error"}])

    assert store.findings() == Findings(
        "c2", [{"rule": "shift", "path": "m/ü.json", "severity": "error"}]
    )


def test_all_of_it_outlives_the_service(store_url):
    """Scores, queue, runs, deliveries and findings are there for who opens the store next."""
    with Store.open(store_url) as store:
        store.put_scores([Row("a", "m/h", "x", 0.5)])
        store.enqueue("all", reason="v2")
        store.run_started("r1", "by hand", store.revision())
        store.run_finished("r1", result={})
        store.put_delivery("https://example.org/hook", "run", "{}")
        store.put_findings("c", [])

    with Store.open(store_url) as store:
        assert store.revision() == Revision(1, 1, 1)
        assert store.lease(1, seconds=1).items == ["a"]
        assert store.last_run_revision() == Revision(1, 1, 1)
        assert store.delivery_counts()["waiting"] == 1
        assert store.findings() == Findings("c", [])


def test_a_delivery_from_the_future_is_due(store):
    """What was put off while the clock was a year ahead does not wait for that year to pass."""
    number = store.put_delivery("https://example.org/hook", "run", "{}")

    store.delivery_failed(number, 365 * 86_400.0, "503")

    assert [one.id for one in store.due_deliveries(20.0)] == [number]
