"""Events on their way to webhooks, and what the gate last said."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update

from calreg.store.database import Database
from calreg.store.tables import deliveries, findings
from calreg.store.values import Delivery, Findings

__all__ = ["Outgoing"]

_KEPT = 100  # of the deliveries that are over, to be looked at
# What seems to be due later than this was put off while the clock was wrong.
_FARTHEST_S = 24 * 3600.0


class Outgoing:
    """The part of a store that keeps deliveries and findings."""

    _database: Database
    _now: Callable[[], float]

    def put_delivery(self, url: str, event: str, body: str) -> int:
        """Keep an event until it was delivered; its number."""
        now = self._now()
        values = {
            "url": url, "event": event, "body": body, "created": now, "state": "waiting",
            "next_at": now, "attempts": 0,
        }  # fmt: skip
        with self._database.writing() as connection:
            made = connection.execute(
                insert(deliveries).values(**values).returning(deliveries.c.id)
            )
            return int(made.scalar_one())

    def due_deliveries(
        self, now: float, limit: int = 100, *, url: str | None = None
    ) -> list[Delivery]:
        """Events to deliver now, the longest due first; to one URL or to all."""
        columns = [deliveries.c[name] for name in Delivery._fields]
        query = (
            select(*columns)
            .where(
                *_waiting_for(url),
                or_(deliveries.c.next_at <= now, deliveries.c.next_at > now + _FARTHEST_S),
            )
            .order_by(deliveries.c.next_at, deliveries.c.id)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [Delivery(*row) for row in connection.execute(query)]

    def next_delivery_at(self, *, url: str | None = None) -> float | None:
        """When the next event is due, to one URL or to any; None: none waits."""
        query = select(func.min(deliveries.c.next_at)).where(*_waiting_for(url))
        with self._database.reading() as connection:
            found = connection.execute(query).scalar()
        return None if found is None else float(found)

    def delivery_done(self, id: int) -> None:  # noqa: A002 -- the record's own word
        """An event arrived."""
        self._delivered(id, state="done", error=None)

    def delivery_failed(self, id: int, next_at: float | None, error: str) -> None:  # noqa: A002 -- as above
        """An event did not arrive; to be tried again at a time, or given up (None)."""
        if next_at is None:
            self._delivered(id, state="failed", error=error)
        else:
            self._delivered(id, next_at=next_at, error=error)

    def delivery_counts(self) -> dict[str, int]:
        """How many deliveries wait, are done (of late), and were given up (of late)."""
        query = select(deliveries.c.state, func.count()).group_by(deliveries.c.state)
        with self._database.reading() as connection:
            found: dict[str, int] = dict(map(tuple, connection.execute(query)))
        return {state: found.get(state, 0) for state in ("waiting", "done", "failed")}

    def put_findings(self, commit: str, found: Sequence[Mapping[str, Any]]) -> None:
        """Keep what the gate says of a commit, in place of what it said before."""
        with self._database.writing() as connection:
            connection.execute(delete(findings))
            connection.execute(insert(findings).values(commit=commit, findings=list(found)))

    def findings(self) -> Findings:
        """What the gate last said, and of which commit."""
        with self._database.reading() as connection:
            found = connection.execute(
                select(findings.c["commit"], findings.c["findings"]).limit(1)
            ).one_or_none()
        return Findings(None, []) if found is None else Findings(*found)

    def _delivered(self, id: int, **values: Any) -> None:  # noqa: A002 -- as above
        over = (
            select(deliveries.c.id)
            .where(deliveries.c.state != "waiting")
            .order_by(deliveries.c.id.desc())
            .offset(_KEPT)
            .limit(1)
        )
        with self._database.writing() as connection:
            connection.execute(
                update(deliveries)
                .where(deliveries.c.id == id, deliveries.c.state == "waiting")
                .values(attempts=deliveries.c.attempts + 1, **values)
            )
            oldest = connection.execute(over).scalar()
            if oldest is not None:
                connection.execute(
                    delete(deliveries).where(
                        deliveries.c.id <= oldest, deliveries.c.state != "waiting"
                    )
                )


def _waiting_for(url: str | None) -> list[ColumnElement[bool]]:
    """What tells a delivery that waits, to one URL or to any."""
    waits = deliveries.c.state == "waiting"
    return [waits] if url is None else [waits, deliveries.c.url == url]
