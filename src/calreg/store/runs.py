"""Runs that a service was asked for: who asked, how far each came, what came of it.

The registry knows what was published; this knows what was tried. A run whose process ended
in the middle is interrupted, which whoever opens the store next finds out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Row, insert, select, update

from calreg.store.database import Database
from calreg.store.owner import is_gone, this_process
from calreg.store.tables import runs
from calreg.store.values import Revision, RunRecord

__all__ = ["Runs"]

_SILENT_S = 600.0


class Runs:
    """The part of a store that keeps runs."""

    _database: Database
    _now: Callable[[], float]

    def run_started(self, id: str, trigger: str, revision: Revision) -> None:  # noqa: A002 -- the record's own word
        """Record that a run began, on the scores of a revision, in this process."""
        now = self._now()
        values = {
            "id": id, "trigger": trigger, "state": "running", "owner": this_process(),
            "started": now, "seen": now, "done": 0, "total": 0, "step": "",
            **revision._asdict(),
        }  # fmt: skip
        with self._database.writing("runs") as connection:
            connection.execute(insert(runs).values(**values))

    def run_progress(self, id: str, done: int, total: int, step: str) -> None:  # noqa: A002 -- as above
        """Record how far a run is; a run that is over stays as it is."""
        self._update(id, done=done, total=total, step=step)

    def run_finished(self, id: str, *, result: Any = None, error: Any = None) -> None:  # noqa: A002 -- as above
        """Record what came of a run: an answer, or an error; both as JSON values."""
        state = "ok" if error is None else "failed"
        self._update(id, state=state, finished=self._now(), result=result, error=error)

    def runs(self, limit: int = 50) -> list[RunRecord]:
        """The newest runs, the newest first."""
        with self._database.reading() as connection:
            found = connection.execute(select(runs).order_by(runs.c.number.desc()).limit(limit))
            return [_record(row) for row in found]

    def run(self, id: str) -> RunRecord | None:  # noqa: A002 -- as above
        """One run; None if there is none of that id."""
        with self._database.reading() as connection:
            found = connection.execute(select(runs).where(runs.c.id == id)).one_or_none()
        return None if found is None else _record(found)

    def last_run_revision(self) -> Revision | None:
        """The scores that the newest run saw which came to an end, with an answer or an error.

        The same scores would come to the same again. None: no run did.
        """
        query = (
            select(runs.c["items"], runs.c.scores, runs.c.change)
            .where(runs.c.state.in_(("ok", "failed")))
            .order_by(runs.c.number.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            found = connection.execute(query).one_or_none()
        return None if found is None else Revision(*found)

    def interrupt_runs(self) -> list[str]:
        """Mark runs whose process has ended as interrupted; their ids.

        A run of another host counts as ended when it was silent for ten minutes.
        """
        running = select(runs.c.id, runs.c.owner, runs.c.seen).where(runs.c.state == "running")
        with self._database.reading() as connection:
            silent = self._now() - _SILENT_S
            ended = [
                id
                for id, owner, seen in connection.execute(running)  # noqa: A001 -- as above
                if (is_gone(owner) if is_gone(owner) is not None else seen < silent)
            ]
        for id in ended:  # noqa: A001 -- as above
            self._update(id, state="interrupted", finished=self._now())
        return ended

    def _update(self, id: str, **values: Any) -> None:  # noqa: A002 -- as above
        change = update(runs).where(runs.c.id == id, runs.c.state == "running")
        with self._database.writing("runs") as connection:
            connection.execute(change.values(seen=self._now(), **values))


def _record(row: Row[Any]) -> RunRecord:
    found = row._mapping  # noqa: SLF001 -- SQLAlchemy's public way to columns by name
    revision = Revision(found["items"], found["scores"], found["change"])
    names = (
        "id", "trigger", "state", "started", "finished", "done", "total", "step", "result",
        "error",
    )  # fmt: skip
    return RunRecord(**{name: found[name] for name in names}, revision=revision)
