"""`store`: what the service's store holds, and its history made anew."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calreg.cli.asking import configured_store
from calreg.cli.group import Session, pass_session
from calreg.cli.opening import config_of, open_registry
from calreg.cli.options import json_option
from calreg.cli.terminal import Line, print_json, say
from calreg.errors import CalregError, InputError

if TYPE_CHECKING:
    from calreg.store import Address, Store

__all__ = ["store_command"]

_url_option = click.option(
    "--url", metavar="URL", help="The store; else CALREG_STORE_URL, else service.store."
)


@click.group("store")
def store_command() -> None:
    """The store of a service: scores, history and the re-tag queue, in SQLite or PostgreSQL.

    Its history comes from the registry and can be made anew. Its scores and its queue are
    nowhere else: keep backups.
    """


@store_command.command("status", short_help="What the store holds, and whether it answers.")
@_url_option
@json_option
@pass_session
def status_command(session: Session, *, url: str | None, as_json: bool) -> None:
    """Say what the store holds; exit code 5 if its database does not answer."""
    from calreg.store import Store

    address = _address(session, url)
    if address.file is not None and not address.file.exists():
        raise InputError(
            "there is no store yet",
            where=address.shown,
            hint="calreg serve or calreg store rebuild makes it.",
            code="no-store",
        )
    with Store.open(address) as store:
        found = {**_status(store), "history_is_current": _is_current(session, store)}
    if as_json:
        print_json(found)
    else:
        say(_lines(found))


@store_command.command("rebuild", short_help="Make the history anew, from the registry.")
@_url_option
@click.option("--renamed", is_flag=True, help="The store's registry has another name now.")
@json_option
@pass_session
def rebuild_command(session: Session, *, url: str | None, renamed: bool, as_json: bool) -> None:
    """Read the registry's whole history into the store, in place of what is there.

    Scores, the queue and everything else in the store stay as they are. A store of another
    registry is refused.
    """
    from calreg.store import Store

    address = _address(session, url)
    registry = open_registry(session)
    rows = registry.history(limit=sys.maxsize)
    commit = registry.now.commit
    if commit is None:
        raise InputError("the registry has no commit yet", where=registry.name, code="no-history")
    started = time.monotonic()
    with Store.open(address) as store:
        if not renamed:
            store.refuse_other(registry.name)
        written = store.replace_history(registry.name, commit, rows)
    if as_json:
        print_json({"store": address.shown, "commit": commit, "rows": written})
        return
    took = time.monotonic() - started
    what = f"{written:,} rows of {registry.name} at {commit[:12]}"
    say([f"{address.shown}: {what}, in {took:.1f} s"])


def _address(session: Session, url: str | None) -> Address:
    from calreg.store import Address

    found = configured_store(config_of(session)) if url is None else Address.parse(url)
    if found is None:
        raise InputError(
            "no store is configured",
            hint="Put 'service: {store: sqlite:///calreg.db}' into calreg.yaml, or give --url.",
            code="no-store",
        )
    return found


def _is_current(session: Session, store: Store) -> bool | None:
    """Whether the history is that of the registry here; None where there is none to compare."""
    try:
        registry = open_registry(session)
        tip = registry.now.commit
    except CalregError:
        return None  # a store can be looked at from anywhere
    if store.history_registry() not in {None, registry.name}:
        return None  # it is another registry's
    return store.history_commit() == tip


def _status(store: Store) -> dict[str, Any]:
    revision = store.revision()
    runs = store.runs(1)
    return {
        "store": store.shown,
        "kind": store.kind,
        "bytes": None if store.file is None else _size(store.file),
        "layout": store.layout(),
        "items": revision.items,
        "scores": revision.scores,
        "change": revision.change,
        "queue": store.queue_counts()._asdict(),
        "history": {
            "registry": store.history_registry(),
            "commit": store.history_commit(),
            "rows": store.history_count(),
        },
        "deliveries": store.delivery_counts(),
        "last_run": None if not runs else {"id": runs[0].id, "state": runs[0].state},
    }


def _size(file: Path) -> int:
    """What is on the disk: of a store in use most may still be in its log."""
    parts = [file, file.with_name(f"{file.name}-wal")]
    return sum(part.stat().st_size for part in parts if part.exists())


def _lines(found: dict[str, Any]) -> list[Line]:
    history, queue = found["history"], found["queue"]
    size = "" if found["bytes"] is None else f", {found['bytes'] / 2**20:,.1f} MiB"
    return [
        Line(f"{found['store']} ({found['kind']}, layout {found['layout']}{size})"),
        Line(f"scores    {found['scores']:,} of {found['items']:,} items"),
        Line(f"queue     {queue['waiting']:,} wait, {queue['leased']:,} are worked on"),
        Line(f"history   {_history_text(history, is_current=found['history_is_current'])}"),
        Line(f"webhooks  {_deliveries_text(found['deliveries']['waiting'])}"),
        Line(f"last run  {_run_text(found['last_run'])}"),
    ]


def _history_text(history: dict[str, Any], *, is_current: bool | None) -> str:
    if history["commit"] is None:
        return "none yet. Next: calreg store rebuild"
    text = f"{history['rows']:,} rows of {history['registry']} at {history['commit'][:12]}"
    if is_current is False:
        return f"{text}: behind the registry. Next: calreg store rebuild"
    return text


def _deliveries_text(waiting: int) -> str:
    return f"{waiting:,} {'delivery waits' if waiting == 1 else 'deliveries wait'}"


def _run_text(run: dict[str, Any] | None) -> str:
    return "none" if run is None else f"{run['id']}: {run['state']}"
