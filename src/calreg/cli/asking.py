"""A question in SQL about a registry's history, to the store or to the registry itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calreg.cli.group import Session
from calreg.cli.opening import config_of, open_registry
from calreg.cli.terminal import note, print_json, say, signs, width
from calreg.config import Config
from calreg.errors import UsageError

if TYPE_CHECKING:
    from calreg.registry import Registry
    from calreg.store import Address, Answer

__all__ = ["answer", "configured_store"]


def configured_store(config: Config) -> Address | None:
    """Where the store of this place is; None: none is configured.

    Raises:
        InputError: What is configured is no store's URL.
    """
    from calreg.store import DEFAULT_URL, Address, store_url

    folder = config.file.parent if config.file is not None else Path.cwd()
    url = store_url(config.service, folder=folder, environment=os.environ)
    if url is not None:
        return Address.parse(url)
    # A service without settings keeps it here.
    usual = Address.parse(DEFAULT_URL, folder=folder)
    return usual if usual.file is not None and usual.file.is_file() else None


def answer(session: Session, sql: str, *, as_json: bool) -> None:
    """Ask, and print what is found.

    Raises:
        InputError: It is no query, is wrong, or takes too long.
        UsageError: There is nothing to ask.
    """
    if not sql.strip():
        raise UsageError("--sql: expected a SELECT, got nothing")
    config = config_of(session)
    registry = open_registry(session, config)
    found = _asked(registry, configured_store(config), sql)
    if as_json:
        rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
        print_json({"count": len(rows), "is_cut": found.is_cut, "rows": rows})
        return
    _say(found)


def _asked(registry: Registry, address: Address | None, sql: str) -> Answer:
    from calreg.store import Store, query_rows

    # Looking makes no store, and what a store has never read is asked of the registry.
    if address is not None and (address.file is None or address.file.exists()):
        with Store.open(address) as store:
            commit = store.history_commit()
            if commit is not None:
                store.refuse_other(registry.name)
                _tell_if_behind(commit, registry)
                return store.query(sql)
    return query_rows(registry.history(limit=sys.maxsize), sql)


def _tell_if_behind(commit: str, registry: Registry) -> None:
    if commit != registry.now.commit:
        moved = f"The store's history is of {commit[:12]}, and the registry has moved on."
        note([f"{moved} Next: calreg store rebuild"])


def _say(found: Answer) -> None:
    from calreg.report.table import Column, rows

    columns = []
    for place, name in enumerate(found.columns):
        values = [row[place] for row in found.rows]
        cells = ["" if value is None else str(value).replace("\n", " ") for value in values]
        columns.append(Column(name, cells, is_right=_is_numeric(values), can_shrink=True))
    say(rows(columns, width=width(), signs=signs()))
    if found.is_cut:
        note([f"Only the first {len(found.rows):,} rows. Ask for less, or use LIMIT."])


def _is_numeric(values: list[Any]) -> bool:
    kinds = {type(value) for value in values if value is not None}
    return bool(kinds) and kinds <= {int, float}
