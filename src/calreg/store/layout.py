"""Tables made, or brought to the layout that this version of the program knows.

A store of a newer layout is refused, never guessed at. To change the tables: raise `LAYOUT`
and add the step that leads there from the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection, insert, inspect, select, update

from calreg.errors import InputError
from calreg.store.database import Database
from calreg.store.tables import LAYOUT, METADATA, SCHEMA, meta, totals

__all__ = ["Step", "bring_up_to_date", "layout_of"]

Step = Callable[[Connection], None]
"""Brings the tables from one layout to the next, inside the transaction it is given."""

_STEPS: Mapping[int, Step] = {}  # from which layout


def bring_up_to_date(
    database: Database, *, layout: int = LAYOUT, steps: Mapping[int, Step] = _STEPS
) -> None:
    """Make the tables, or change them step by step, all or nothing.

    Raises:
        InputError: The store is of a newer layout, or is something else's database.
        StoreError: The database is down.
    """
    with database.reading() as connection:
        if _checked(connection, database, layout) == layout:
            return
    with database.writing("layout") as connection:
        # Somebody else may have done it meanwhile.
        found = _checked(connection, database, layout)
        if found is None:
            _make(connection, database, layout)
            return
        for number in range(found, layout):
            steps[number](connection)
        connection.execute(update(meta).where(meta.c.name == "layout").values(value=str(layout)))


def layout_of(connection: Connection) -> int | None:
    """The layout of a store's tables; None where there are none."""
    names = inspect(connection).get_table_names()
    if "meta" not in names:
        return None if not names else 0
    found = connection.execute(select(meta.c.value).where(meta.c.name == "layout")).scalar()
    return int(found) if found is not None and found.isdecimal() else 0


def _checked(connection: Connection, database: Database, layout: int) -> int | None:
    found = layout_of(connection)
    where = database.address.shown
    if found == 0:
        raise InputError(
            "is a database of something else: it has tables, but is no store of calreg",
            where=where,
            hint="Name another one.",
            code="store-layout",
        )
    if found is not None and found > layout:
        raise InputError(
            f"the store has layout {found}, and this version of calreg knows up to {layout}",
            where=where,
            hint="Install the newer calreg that made it; nothing was changed.",
            code="store-layout",
        )
    return found


def _make(connection: Connection, database: Database, layout: int) -> None:
    if not database.is_sqlite:
        connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    METADATA.create_all(connection)
    connection.execute(insert(meta).values(name="layout", value=str(layout)))
    connection.execute(insert(totals).values(id=1, items=0, scores=0, change=0))
