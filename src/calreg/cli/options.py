"""Options and arguments that more than one command has, so that they are spelt alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from calreg.errors import InputError, UsageError
from calreg.names import HeadName, parse_version

if TYPE_CHECKING:
    from calreg.registry.stable import Signer

__all__ = [
    "Share",
    "columns_option",
    "head_name",
    "json_option",
    "mapping_of",
    "push_option",
    "reason_option",
    "scores_argument",
    "sign_option",
    "signers_with",
    "table_options",
    "timestamp_option",
    "version_number",
    "when",
]

_F = TypeVar("_F", bound=Callable[..., Any])

_MAX_REASON = 1000  # as schemas/move.schema.json says

json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document on standard output, nothing else."
)
push_option = click.option("--push", is_flag=True, help="Push the commit to the branch's remote.")


class Share(click.FloatRange):
    """A share from 0 to 1. Click's own range lets NaN through, which no share exceeds."""

    def __init__(self) -> None:
        super().__init__(0.0, 1.0)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The share as a number."""
        found = float(super().convert(value, param, ctx))
        if not 0.0 <= found <= 1.0:
            self.fail(f"{value} is not in the range 0<=x<=1.", param, ctx)
        return found


def _reason(_context: click.Context, _option: click.Parameter, text: str) -> str:
    """The reason, if a record has room for it: here, lest the message repeat all of it.

    Raises:
        InputError: It is longer than a record may be.
    """
    if len(text) > _MAX_REASON:
        raise InputError(
            f"--reason: expected at most {_MAX_REASON:,} characters, got {len(text):,}",
            hint="Say it shorter, or give the address of the long story.",
            code="reason",
        )
    return text


reason_option = click.option(
    "--reason", required=True, metavar="TEXT", callback=_reason, help="Why; recorded with the move."
)
timestamp_option = click.option(
    "--timestamp",
    metavar="TIME",
    help="ISO 8601 time to record; else SOURCE_DATE_EPOCH, else now.",
)
sign_option = click.option(
    "--sign",
    "keys",
    multiple=True,
    metavar="KEY",
    type=click.Path(path_type=Path),
    help="A private key to sign the index with (or a .pub that ssh-agent has). Repeatable.",
)
scores_argument = click.argument("scores", nargs=-1, required=True, metavar="SCORES...")
columns_option = click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="ROLE=NAME",
    help="The column that is the model, head, label, score, item or truth. Repeatable.",
)


def table_options(command: _F) -> _F:
    """SCORES and the options that say how to read them."""
    model = click.option("--model", metavar="MODEL", help="The model, where no column names it.")
    head = click.option(
        "--head", metavar="MODEL/HEAD", help="The head of a table that has a column per label."
    )
    return scores_argument(columns_option(model(head(command))))


def mapping_of(pairs: tuple[str, ...]) -> Mapping[str, str]:
    """Role to column name, from the values of --column.

    Raises:
        UsageError: Not ROLE=NAME, or a role given twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        role, equals, name = pair.partition("=")
        if not (role and equals and name):
            raise UsageError(f"--column: expected ROLE=NAME, got {pair!r}")
        if role in found:
            raise UsageError(f"--column: the role {role!r} is given twice")
        found[role] = name
    return found


def head_name(text: str | None) -> HeadName | None:
    """The head's full name, None if none was given."""
    return None if text is None else HeadName.parse(text)


def version_number(text: str | None) -> int | None:
    """The number in v3 or 3, None if none was given."""
    return None if text is None else parse_version(text)


def signers_with(keys: Sequence[Path]) -> list[Signer]:
    """A way to sign an index with each key.

    Raises:
        InputError: A file is no key; found before anything is done.
    """
    if not keys:
        return []
    from calreg.signatures import INDEX_NAMESPACE
    from calreg.signing import public_key_of, sign

    for key in keys:
        public_key_of(key)
    return [partial(sign, key=key, namespace=INDEX_NAMESPACE) for key in keys]


def when(text: str | None, *, environment: Mapping[str, str] = os.environ) -> datetime:
    """The one time of this command: as given, as the build says, or now; UTC.

    Raises:
        UsageError: Not an ISO 8601 time, or SOURCE_DATE_EPOCH is no number of seconds.
    """
    epoch = environment.get("SOURCE_DATE_EPOCH")
    if text is not None:
        return _parsed(text)
    if not epoch:
        return datetime.now(UTC)
    try:
        return datetime.fromtimestamp(int(epoch), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"SOURCE_DATE_EPOCH: expected seconds, got {epoch!r}") from error


def _parsed(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"--timestamp: {text!r} is not an ISO 8601 time",
            hint="Write it as 2027-01-31T12:00:00Z.",
        ) from error
    try:
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError as error:
        raise UsageError(f"--timestamp: {text!r} is no time in UTC") from error
