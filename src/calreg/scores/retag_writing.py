"""Lists of what changes, as files."""

from __future__ import annotations

from collections.abc import Sequence

from calreg.retag import REASONS, reason_text
from calreg.scores.engine import Connection, insert_rows, translated
from calreg.scores.retag_blocks import CHANGED
from calreg.scores.retag_plan import Key
from calreg.scores.targets import Target

__all__ = ["write_changes", "write_items"]

_KEYS = "calreg_keys"
_WHYS = "calreg_whys"


def write_changes(connection: Connection, keys: Sequence[Key], wanted: Target) -> None:
    """Write every change: item, head, label, score, the values before and after, and why."""
    _write_names(connection, keys)
    known = "CASE WHEN isnan({0}) THEN NULL ELSE {0} END AS {0}"
    _copy(
        connection,
        f"SELECT item, head, label, score, {known.format('before')}, {known.format('after')}, "
        f"text AS why FROM {CHANGED} JOIN {_KEYS} USING (place) JOIN {_WHYS} USING (why)",
        wanted,
    )


def _write_names(connection: Connection, keys: Sequence[Key]) -> None:
    connection.execute(f"CREATE TABLE {_KEYS} (place INTEGER, head VARCHAR, label VARCHAR)")
    connection.execute(f"CREATE TABLE {_WHYS} (why UTINYINT, text VARCHAR)")
    rows = [(place, name.full, label) for place, (name, label) in enumerate(keys)]
    insert_rows(connection, _KEYS, rows)
    every = range(1, 2 * max(REASONS.values()))
    insert_rows(connection, _WHYS, [(why, reason_text(why)) for why in every])


def write_items(connection: Connection, items: str, wanted: Target) -> None:
    """Write every item that a query has as `i` once, in order."""
    distinct = f"SELECT DISTINCT i AS item FROM ({items}) WHERE i IS NOT NULL ORDER BY item"
    _copy(connection, distinct, wanted)


def _copy(connection: Connection, query: str, wanted: Target) -> None:
    with translated(wanted.place.name):
        wanted.write(connection, query)
