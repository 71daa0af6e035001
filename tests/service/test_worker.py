"""The worker's process may die at any time, and so may the service."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from states import (
    HAPPY,
    LIMIT_S,
    BadJob,
    Doom,
    Place,
    Unpicklable,
    ended,
    git,
    next_event,
    place,
    rows,
    running,
    worker_of,
)

from calreg.errors import CalregError
from calreg.service.run_job import RecoverJob
from calreg.service.state import State
from calreg.service.worker import InterruptedJobError, Worker
from calreg.store import Store

__all__ = ["place"]  # fixtures made elsewhere


def hold(state: State):
    """Holds a run up while it looks at the registry, for as long as the block lasts."""
    return state.registry.repository.lock()


def begun(state: State):
    """A run that has come as far as the registry's lock."""
    ticket = state.start_run()
    next_event(ticket.feed, "progress")
    return ticket


def test_a_killed_worker_interrupts_its_run_and_the_next_run_works(place: Place) -> None:
    """A run whose process is killed is told as interrupted, and the next one is made whole."""
    with running(place) as state:
        state.store.put_scores(rows(HAPPY))
        with hold(state):
            ticket = begun(state)
            first = state.worker.pid
            os.kill(first, signal.SIGKILL)
            error = ticket.result.exception(LIMIT_S)
        again = state.start_run().result.result(LIMIT_S)

        assert isinstance(error, InterruptedJobError)
        assert state.store.run(ticket.id).error["code"] == "interrupted"
        assert state.worker.pid not in {None, first}
        assert again["calibration"]["version"] == 1


@pytest.mark.parametrize(
    ("step", "outcome"),
    [
        ("journal-written", "committed"),
        ("ref-moved", "already-done"),
        ("file-written", "already-done"),
    ],
)
def test_a_worker_killed_while_it_publishes_leaves_no_half_run(
    place: Place, step: str, outcome: str
) -> None:
    """Killed at any step of publishing, the registry has the run or has not, and goes on."""
    before = place.tip()
    with running(place) as state:
        state.store.put_scores(rows(HAPPY))
        state.worker.ask(Doom(step)).result(LIMIT_S)  # of this process, not of the next one
        error = state.start_run().result.exception(LIMIT_S)
        state.worker.ask(RecoverJob()).result(LIMIT_S)
        after, untidy = place.tip(), git(place.registry, "status", "--porcelain")
        again = state.start_run().result.result(LIMIT_S)

        assert isinstance(error, InterruptedJobError)
        assert untidy == ""
        assert (after != before) is (outcome == "already-done")
        assert again["outcome"] == outcome
        assert list(state.snapshot().references) == [HAPPY]
    git(place.registry, "fsck", "--strict")
    assert git(place.registry, "status", "--porcelain") == ""
    assert place.open().now.run_numbers == [1]


def test_a_bug_in_a_job_ends_that_job_alone(place: Place) -> None:
    """A job that raises what nobody foresaw is told as a bug, and the process goes on."""
    worker = worker_of(place)
    worker.start()
    error = worker.ask(BadJob()).exception(LIMIT_S)
    pid = worker.pid
    result = worker.ask(BadJob(more=(7,))).result(LIMIT_S)
    worker.close()

    assert isinstance(error, CalregError)
    assert (error.code, error.message) == ("bug", "the bad job ended in a bug: IndexError")
    assert (result, ended(pid)) == (7, True)


def test_a_job_that_had_not_begun_is_done_by_the_next_process(place: Place) -> None:
    """A job that lay in the pipe when the process was killed is done, by a fresh one."""
    worker = worker_of(place)
    assert worker.ask(BadJob(more=(1,))).result(LIMIT_S) == 1
    pid = worker.pid
    os.kill(pid, signal.SIGSTOP)
    asked = worker.ask(BadJob(more=(2,)))
    os.kill(pid, signal.SIGKILL)

    assert asked.result(LIMIT_S) == 2
    assert worker.pid != pid
    worker.close()


def test_a_process_that_cannot_begin_ends_its_jobs(place: Place) -> None:
    """A worker that dies whenever it begins is tried a few times, and then said to be broken."""
    worker = Worker(replace(place.desk(), folder=Unpicklable()))

    with pytest.raises(InterruptedJobError, match="the bad job was interrupted"):
        worker.ask(BadJob(more=(1,))).result(LIMIT_S)
    worker.close()


def test_ctrl_c_reaches_the_worker_through_the_service_alone(place: Place) -> None:
    """SIGINT, which a terminal sends to all processes, does not end the worker by itself."""
    worker = worker_of(place, is_forked=False)
    assert worker.ask(BadJob(more=(1,))).result(LIMIT_S) == 1
    pid = worker.pid
    os.kill(pid, signal.SIGINT)

    assert worker.ask(BadJob(more=(2,))).result(LIMIT_S) == 2
    assert worker.pid == pid
    worker.close()
    with pytest.raises(InterruptedJobError, match="the bad job was not begun: the service is"):
        worker.ask(BadJob()).result(LIMIT_S)


def test_the_end_waits_for_a_run_but_not_for_ever(place: Place) -> None:
    """A run that does not end in time is cut short when the service ends, and is told so."""
    with running(place) as state:
        state.store.put_scores(rows(HAPPY))
        with hold(state):
            ticket = begun(state)
            pid = state.worker.pid
            state.close(timeout_s=0.05)

            assert ended(pid)
            assert isinstance(ticket.result.exception(LIMIT_S), InterruptedJobError)
            assert state.store.run(ticket.id).state == "failed"


def test_the_end_lets_a_run_finish(place: Place) -> None:
    """A run that ends in time is published although the service is ending."""
    with running(place) as state:
        state.store.put_scores(rows(HAPPY))
        ticket = begun(state)
        state.close(timeout_s=LIMIT_S)

        assert ticket.result.result(LIMIT_S)["message"] == "run 1 is committed"
        assert state.store.run(ticket.id).state == "ok"


_SERVICE = """
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, {tests!r})
if __name__ == "__main__":
    from states import HAPPY, Place, next_event, rows, running

    with running(Place(Path({folder!r})), is_forked=False) as state:
        state.store.put_scores(rows(HAPPY))
        with state.registry.repository.lock():
            ticket = state.start_run()
            next_event(ticket.feed, "progress")
            print(state.worker.pid, ticket.id, flush=True)
            sys.stdin.read()
"""


def test_a_killed_service_takes_its_worker_along_and_loses_nothing(
    place: Place, tmp_path: Path
) -> None:
    """After kill -9 the worker ends, the run is known as interrupted, every score is there."""
    script = tmp_path / "service.py"
    tests = str(Path(__file__).parent)
    script.write_text(_SERVICE.format(tests=tests, folder=str(place.folder)), encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as service:
        worker, run_id = service.stdout.readline().split()
        service.kill()

    assert ended(int(worker))
    with Store.open(place.url) as store:
        assert store.run(run_id).state == "interrupted"
        assert store.revision().scores == 200
    with running(place) as state:
        assert state.start_run().result.result(LIMIT_S)["message"] == "run 1 is committed"
