"""Items to tag again: who waits, who is worked on, and nobody forgotten.

An item is in the queue once. It waits; a tagger leases it for a time; it is done, or the
time runs out and it waits again, behind those that nobody has tried. Put in again while it
is leased, it is not done by that lease: the tagger may have read the older reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from secrets import token_hex
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, TextClause, text

from calreg.errors import InputError
from calreg.failpoints import reach
from calreg.store.database import Database
from calreg.store.naming import ids_of, names_of
from calreg.store.values import DoneCounts, Lease, QueueCounts, check_items

__all__ = ["Queue"]

_LEASE_ID = re.compile(r"[0-9a-f]{32}")
# A lease that seems to end later than this was given while the clock was wrong.
_FARTHEST_S = 24 * 3600.0


class Queue:
    """The part of a store that keeps the queue."""

    _database: Database
    _now: Callable[[], float]

    def enqueue(
        self,
        items: Collection[str] | Collection[int] | NDArray[np.int64] | Literal["all"],
        *,
        reason: str,
    ) -> int:
        """Put items in the queue; how many were not waiting there already.

        Args:
            items: Names, ids (of `item_scores`), or "all" that have a score.
            reason: Why, for people.

        Raises:
            InputError: There is no item of a name; none is put in.
        """
        if isinstance(items, str) and items != "all":
            raise InputError(f"expected items or 'all', got {items!r}", code="item")
        with self._database.writing("queue") as connection:
            values: dict[str, object] = {"reason": reason, "now": self._now()}
            if isinstance(items, str):
                put = _put("true")
            else:
                put = _put(f"id IN {self._database.ids}")
                values["ids"] = self._database.many(self._ids(connection, items))
            return connection.execute(put, values).rowcount

    def lease(self, n: int, *, seconds: float) -> Lease:
        """The next items to work on, at most `n`, for this caller alone until a time.

        They come back by themselves when the time is over and `done` was not called. An
        empty queue gives a lease of no items.
        """
        now, token = self._now(), token_hex(16)
        until = now + seconds
        latest = now + max(seconds, _FARTHEST_S)
        with self._database.writing() as connection:
            connection.execute(text(_RETURN), {"now": now, "latest": latest})
            found = connection.execute(
                text(_NEXT + ("" if self._database.is_sqlite else _SKIP)), {"now": now, "n": n}
            )
            ids = list(found.scalars())
            values = {"until": until, "lease": token, "ids": self._database.many(ids)}
            connection.execute(text(_LEASE + self._database.ids), values)
            names = names_of(connection, self._database, ids)
            reach("leased")
        return Lease(token, [names[number] for number in ids], until)

    def done(self, lease: str, items: Collection[str]) -> DoneCounts:
        """Take items out of the queue that a lease was given for.

        What was put in again meanwhile counts as done too, and waits again.
        """
        names = list(dict.fromkeys(items))
        check_items(names)
        if not _LEASE_ID.fullmatch(lease):
            return DoneCounts(0, len(names))  # whatever it is, it holds nothing
        with self._database.writing("queue") as connection:
            found = ids_of(connection, self._database, names)
            values = {
                "lease": lease,
                "now": self._now(),
                "ids": self._database.many(list(found.values())),
            }
            again = connection.execute(text(_AGAIN + self._database.ids), values).rowcount
            out = connection.execute(text(_OUT + self._database.ids), values).rowcount
        reach("done")
        return DoneCounts(out + again, len(names) - out - again)

    def queue_counts(self) -> QueueCounts:
        """How many items wait, and how many somebody works on."""
        query = text(
            "SELECT (SELECT count(*) FROM queue), (SELECT count(*) FROM queue WHERE free_at > :now)"
        )
        with self._database.reading() as connection:
            every, leased = connection.execute(query, {"now": self._now()}).one()
        return QueueCounts(every - leased, leased)

    def _ids(
        self, connection: Connection, items: Collection[str] | Collection[int] | NDArray[np.int64]
    ) -> list[int]:
        names = [item for item in items if isinstance(item, str)]
        ids = [int(item) for item in items if not isinstance(item, str)]
        check_items(names)
        found = ids_of(connection, self._database, names) if names else {}
        missing = next((name for name in names if name not in found), None)
        if missing is not None:
            raise InputError(
                f"no item {missing[:60]!r} has a score here",
                hint="Items are known once their scores were put.",
                code="no-such-item",
            )
        return ids + list(found.values())


def _put(which: str) -> TextClause:
    return text(
        "INSERT INTO queue (item_id, reason, since, free_at, lease, again) "
        f"SELECT id, :reason, :now, 0, NULL, 0 FROM items WHERE {which} "
        "ON CONFLICT (item_id) DO UPDATE SET again = 1, reason = excluded.reason "
        "WHERE queue.lease IS NOT NULL AND queue.again = 0"
    )


_NEXT = "SELECT item_id FROM queue WHERE free_at <= :now ORDER BY free_at, since, item_id LIMIT :n"
_RETURN = "UPDATE queue SET free_at = :now WHERE free_at > :latest"
_SKIP = " FOR UPDATE SKIP LOCKED"
_LEASE = "UPDATE queue SET free_at = :until, lease = :lease, again = 0 WHERE item_id IN "
_AGAIN = (
    "UPDATE queue SET free_at = 0, since = :now, lease = NULL, again = 0 "
    "WHERE lease = :lease AND again = 1 AND item_id IN "
)
_OUT = "DELETE FROM queue WHERE lease = :lease AND again = 0 AND item_id IN "
