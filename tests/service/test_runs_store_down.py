"""A database that goes down under a run takes nothing with it."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from states import HAPPY, LIMIT_S, Place, git, next_event, place, rows, running

from calreg.errors import TransportError
from calreg.store import Store

__all__ = ["place"]  # fixtures made elsewhere


@pytest.fixture
def on_postgres(place: Place, new_store_url) -> Place:
    """The same with its store in PostgreSQL."""
    return Place(place.folder, new_store_url("postgresql"))


def test_a_run_in_postgresql_is_as_one_in_sqlite(place: Place, on_postgres: Place) -> None:
    """The same scores in either database make the same run."""
    scores = rows(HAPPY)
    with running(on_postgres) as state:
        state.store.put_scores(scores)
        first = state.start_run().result.result(LIMIT_S)
        assert state.watch.wait_until_settled(LIMIT_S)
        kept = state.store.run(first["id"])
    with running(place) as state:
        state.store.put_scores(scores)
        second = state.start_run().result.result(LIMIT_S)

    assert (first["outcome"], second["outcome"]) == ("committed", "already-done")
    assert first["calibration"] == second["calibration"]
    assert (kept.state, kept.result) == ("ok", first)


def test_a_database_that_is_down_stops_runs_and_loses_nothing(on_postgres: Place, postgres) -> None:
    """A run whose database ends is told as store-down, none begins without it, and then again."""
    with running(on_postgres) as state:
        state.store.put_scores(rows(HAPPY))
        try:
            with state.registry.repository.lock():
                ticket = state.start_run()
                next_event(ticket.feed, "progress")
                postgres.stop()
            cut_short = ticket.result.exception(LIMIT_S)
            with pytest.raises(TransportError) as refused:
                state.start_run()
        finally:
            postgres.start()
        state.runs.write_down()
        again = state.start_run().result.result(LIMIT_S)

        assert isinstance(cut_short, TransportError)
        assert (cut_short.code, refused.value.code) == ("store-down", "store-down")
        assert state.store.run(ticket.id).error["code"] == "store-down"
        assert (again["outcome"], state.store.revision().scores) == ("committed", 200)
    with Store.open(on_postgres.url) as store:
        assert [one.state for one in store.runs()] == ["ok", "failed"]


_HOOK = """#!/bin/sh
cd "$(dirname "$0")" && echo there > arrived && read -r _ < go
"""


def held_up_by(place: Place) -> tuple[Path, Path]:
    """A remote that takes a push only when told: what says that one came, and what lets it go."""
    remote = place.folder / "remote.git"
    git(place.folder, "clone", "--quiet", "--bare", str(place.registry), str(remote))
    git(place.registry, "remote", "add", "origin", str(remote))
    hooks = remote / "hooks"
    hooks.mkdir(exist_ok=True)
    (hooks / "pre-receive").write_text(_HOOK, encoding="utf-8")
    (hooks / "pre-receive").chmod(0o755)
    for name in ("arrived", "go"):
        os.mkfifo(hooks / name)
    return hooks / "arrived", hooks / "go"


def test_a_result_that_could_not_be_kept_is_kept_later(on_postgres: Place, postgres) -> None:
    """A run that is published while the database is down is told, and kept once that is up."""
    arrived, go = held_up_by(on_postgres)
    with running(on_postgres, push=True) as state:
        state.store.put_scores(rows(HAPPY))
        ticket = state.start_run()
        try:
            with opened(arrived, os.O_RDONLY | os.O_NONBLOCK) as pipe:
                assert select.select([pipe], [], [], LIMIT_S)[0]
            postgres.stop()
            go.write_text("on\n", encoding="utf-8")
            answer = ticket.result.result(LIMIT_S)
            with pytest.raises(TransportError) as unkept:
                state.store.run(ticket.id)
        finally:
            postgres.start()
        state.runs.write_down()
        kept = state.store.run(ticket.id)

        assert unkept.value.code == "store-down"
        assert (answer["outcome"], answer["pushed"]) == ("committed", True)
        assert (kept.state, kept.result) == ("ok", answer)


@contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    """A descriptor, closed afterwards."""
    descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
