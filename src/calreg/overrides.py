"""Overrides in an application: the factors of a file laid over its own defaults, or none.

`load` never stops the application and never hides anything: a file that may not be used
leaves the defaults as they are, all of them, and logs one warning with path and reason.
`explain` says the same as a value. Nothing here writes, and nothing is kept between calls.

An application pays for this module at its start: the standard library and the errors,
and what is only needed for a file that is there is imported when it is.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Mapping
from math import inf
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from calreg.errors import InputError, UsageError

if TYPE_CHECKING:
    from logging import Logger

__all__ = ["ALLOWED", "BOUNDS", "MAX_BYTES", "VARIABLE", "Explained", "Status", "explain", "load"]

VARIABLE = "CALREG_OVERRIDES"
"""The environment variable that names the file; without it nothing is overridden."""

ALLOWED = ("CONDITION_PRICE_FACTOR",)
"""What a file may override if the application does not say."""

BOUNDS = (0.5, 1.2)
"""The lowest and the highest factor that a file may set, both included."""

MAX_BYTES = 16 * 2**20
"""Of a file, its history included; `feedback apply` writes no larger one."""

Allowed = Collection[str] | Mapping[str, Collection[str]]
Status = Literal["off", "in force", "in part", "refused"]

_SCHEMA = "calreg/overrides/"
_MAJOR = "1"
_MOST = 1e6  # no factor that anybody meant
_SHOWN = 5  # names in one message


class Explained(NamedTuple):
    """Which overrides are in force, and why others are not.

    Args:
        status: `off`: nobody asked for any; `in force`: all of the file; `in part`: some of
            it is not white-listed; `refused`: nothing of it.
        variable: The environment variable that was looked at, None where a path was given.
        path: The file, None where the variable is not set.
        factors: What is laid over the defaults: factor per group, per white-listed key.
        ignored: What the file holds and nobody allowed, as KEY or KEY/group.
        reason: Why not everything is in force; None where it is, or where none is asked for.
    """

    status: Status
    variable: str | None
    path: str | None
    factors: Mapping[str, Mapping[str, float]]
    ignored: tuple[str, ...]
    reason: str | None

    def to_json(self) -> dict[str, Any]:
        """The explanation as plain values."""
        factors = {key: dict(found) for key, found in self.factors.items()}
        return self._asdict() | {"factors": factors, "ignored": list(self.ignored)}


def load(
    defaults: Mapping[str, Any],
    path_or_env: str | os.PathLike[str] = VARIABLE,
    *,
    allowed: Allowed | None = None,
    bounds: tuple[float, float] = BOUNDS,
    strict: bool = False,
    logger: Logger | None = None,
) -> dict[str, Any]:
    """A copy of the defaults with the overrides of a file laid over, if somebody asked for any.

    A factor outside the bounds refuses the whole file, unless it is the very default of its
    group, which overrides nothing. Keys and groups that are not white-listed are left out,
    and the warning names them.

    Args:
        defaults: The application's own settings, such as
            `{"CONDITION_PRICE_FACTOR": {"new": 1.0}}`; never changed.
        path_or_env: The name of an environment variable (upper-case letters, digits and
            `_`) that holds the file's path, or the path itself. No such variable, or an
            empty one: no change.
        allowed: The keys a file may set, for the groups that the defaults know; as a
            mapping, the further groups of each. None: `ALLOWED`.
        bounds: The lowest and the highest factor, both included.
        strict: Raise where a warning would be logged.
        logger: Where the one warning goes; None: the logger `calreg.overrides`.

    Raises:
        UsageError: Bounds or a white-list that make no sense.
        InputError: Only if strict: the file is not used, or not all of it.
    """
    found = explain(path_or_env, defaults=defaults, allowed=allowed, bounds=bounds)
    if found.reason is not None and strict:
        raise InputError(found.reason, where=found.path, hint=_hint(found), code="overrides")
    if found.reason is not None:
        _warn(found, logger)
    return _merged(defaults, found.factors)


def explain(
    path_or_env: str | os.PathLike[str] = VARIABLE,
    *,
    defaults: Mapping[str, Any] | None = None,
    allowed: Allowed | None = None,
    bounds: tuple[float, float] = BOUNDS,
) -> Explained:
    """What `load` would do with the same arguments, and why; nothing is logged.

    Args:
        path_or_env: As in `load`.
        defaults: As in `load`; None where they are not known: any group is taken then, and
            outside the bounds only a factor that was so before anything was applied, as an
            overrides document says.
        allowed: As in `load`.
        bounds: As in `load`.

    Raises:
        UsageError: Bounds or a white-list that make no sense.
    """
    _check_bounds(bounds)
    groups = _allowed_groups(allowed, defaults)
    variable, path = _located(path_or_env)
    if path is None:
        return Explained("off", variable, None, {}, (), None)
    try:
        data = _read(path)
        blocks = _blocks(data)
        taken = {key: block for key, block in blocks.items() if key in groups}
        for key, block in taken.items():
            known = _first_factors(data) if defaults is None else _default_factors(defaults, key)
            _check_block(key, block, known, bounds)
    except InputError as error:
        return Explained("refused", variable, path, {}, (), error.message)
    factors, ignored = _sorted_out(blocks, groups)
    if not ignored:
        return Explained("in force", variable, path, factors, (), None)
    status: Status = "in part" if any(factors.values()) else "refused"
    return Explained(status, variable, path, factors, ignored, _not_allowed(ignored))


def _located(path_or_env: str | os.PathLike[str]) -> tuple[str | None, str | None]:
    """The variable asked for, if it is one, and the path."""
    text = os.fsdecode(path_or_env)
    if not isinstance(path_or_env, str) or not _is_variable(text):
        return None, text
    # An empty variable is one that was switched off.
    return text, os.environ.get(text) or None


def _is_variable(text: str) -> bool:
    # Lower-case text is a path: a file that is taken for a variable would go unnoticed.
    plain = text.replace("_", "A")
    return plain.isascii() and plain.isalnum() and plain.isupper() and not plain[0].isdigit()


def _read(path: str) -> dict[str, Any]:
    import json

    raw = _bytes_of(path)
    try:
        data = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"is not JSON: {error.msg} at {place}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 text at byte {error.start}") from error
    except RecursionError as error:
        raise InputError("is nested too deep") from error
    except ValueError as error:
        # A number of thousands of digits.
        raise InputError(f"is not read: {error}") from error
    if not isinstance(data, dict):
        raise InputError(f"expected a JSON object, got {_in_words(data)}")
    return data


def _bytes_of(path: str) -> bytes:
    from pathlib import Path

    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        # Before it is opened: to open a FIFO waits for a writer, to open a device acts.
        _check_plain_file(Path(path).stat().st_mode)
        with os.fdopen(os.open(path, flags), "rb") as file:
            _check_plain_file(os.fstat(file.fileno()).st_mode)
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise InputError("is not there: no such file") from error
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise InputError(f"is no path: {error}") from error
    if len(raw) > MAX_BYTES:
        raise InputError(f"is too large: more than {MAX_BYTES:,} bytes")
    return raw


def _check_plain_file(mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    kind = "is a directory" if stat.S_ISDIR(mode) else "is a FIFO, a socket or a device"
    raise InputError(f"{kind}, expected a file")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise InputError(f"has the key {_quoted(key)} twice in one object")
        found[key] = value
    return found


def _no_constant(text: str) -> float:
    raise InputError(f"holds {text}, which is not a JSON number")


def _blocks(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The file's groups per key: of a plain file, or of an overrides document."""
    if "schema" not in data:
        if not data:
            raise InputError(f'expected {{"{ALLOWED[0]}": {{group: factor}}}}, got an empty object')
        return data
    schema, name, factors = data["schema"], data.get("name"), data.get("factors")
    _check_schema(schema)
    if not isinstance(name, str):
        raise InputError(f"at /name: expected text, got {_in_words(name)}")
    return {name: factors}


def _check_schema(schema: Any) -> None:
    if not (isinstance(schema, str) and schema.startswith(_SCHEMA)):
        raise InputError(f"at /schema: expected an overrides document, got {_in_words(schema)}")
    major, _, minor = schema.removeprefix(_SCHEMA).partition(".")
    if major != _MAJOR or not (minor.isascii() and minor.isdigit()):
        raise InputError(f"is of schema {_quoted(schema)}; this program reads {_SCHEMA}{_MAJOR}.0")


def _check_block(
    key: str, block: Any, defaults: Mapping[str, Any], bounds: tuple[float, float]
) -> None:
    if not isinstance(block, dict):
        raise InputError(f"at {_pointer(key)}: expected an object, got {_in_words(block)}")
    low, high = bounds
    for group, value in block.items():
        where = f"at {_pointer(key, group)}"
        if not _is_number(value):
            raise InputError(f"{where}: expected a number, got {_in_words(value)}")
        default = defaults.get(group)
        is_default = _is_number(default) and value == default
        if not (low <= value <= high or is_default):
            known = f"its default {default!r}" if _is_number(default) else "its default"
            raise InputError(
                f"{where}: {_in_words(value)} is out of bounds, "
                f"expected {low} to {high}, or {known}"
            )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _default_factors(defaults: Mapping[str, Any] | None, key: str) -> Mapping[str, Any]:
    found = (defaults or {}).get(key, {})
    if not isinstance(found, Mapping):
        kind = type(found).__name__
        raise InputError(f"at {_pointer(key)}: the default is no mapping of groups but {kind}")
    return found


def _first_factors(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The factors before anything was applied, as far as a file says them."""
    history = data.get("history") if "schema" in data else None
    first = history[0] if isinstance(history, list) and history else None
    before = first.get("before") if isinstance(first, dict) else None
    if not isinstance(before, dict):
        return {}
    return {g: value for g, value in before.items() if _is_number(value) and 0 < value <= _MOST}


def _allowed_groups(
    allowed: Allowed | None, defaults: Mapping[str, Any] | None
) -> dict[str, Collection[str] | None]:
    """The groups that may be set, per key; None for any."""
    listed = ALLOWED if allowed is None else allowed
    more = listed if isinstance(listed, Mapping) else dict.fromkeys(listed, ())
    if isinstance(listed, str) or any(isinstance(extra, str) for extra in more.values()):
        raise UsageError(f"expected a collection of names in allowed, got the text {listed!r}")
    if defaults is None:
        return dict.fromkeys(more)
    return {key: {*_groups_of(defaults.get(key)), *extra} for key, extra in more.items()}


def _groups_of(factors: Any) -> Collection[str]:
    return factors.keys() if isinstance(factors, Mapping) else ()


def _check_bounds(bounds: tuple[float, float]) -> None:
    is_pair = len(bounds) == 2 and all(map(_is_number, bounds))
    if is_pair and 0.0 < bounds[0] <= bounds[1] < inf:
        return
    raise UsageError(f"expected bounds 0 < lowest <= highest, got {bounds!r}", code="bounds")


def _sorted_out(
    blocks: Mapping[str, Any], groups: Mapping[str, Collection[str] | None]
) -> tuple[dict[str, dict[str, float]], tuple[str, ...]]:
    """What may be laid over the defaults, and the names of what may not."""
    factors: dict[str, dict[str, float]] = {}
    ignored = []
    for key, block in blocks.items():
        if key not in groups:
            ignored.append(key)
            continue
        known = groups[key]
        factors[key] = {}
        for group, value in block.items():
            if known is None or group in known:
                factors[key][group] = float(value)
            else:
                ignored.append(f"{key}/{group}")
    return factors, tuple(ignored)


def _not_allowed(ignored: tuple[str, ...]) -> str:
    shown = ", ".join(_quoted(name) for name in ignored[:_SHOWN])
    more = f" and {len(ignored) - _SHOWN} more" if len(ignored) > _SHOWN else ""
    return f"not white-listed: {shown}{more}"


def _merged(
    defaults: Mapping[str, Any], factors: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    found: dict[str, Any] = _copied(defaults)
    for key, block in factors.items():
        if block:
            found[key] = {**found.get(key, {}), **block}
    return found


def _copied(value: Any) -> Any:
    from copy import Error, deepcopy

    # A read-only view cannot be copied as such.
    if isinstance(value, Mapping):
        return {key: _copied(inner) for key, inner in value.items()}
    try:
        return deepcopy(value)
    except (TypeError, Error):  # a lock, an open file: the application's own, as it is
        return value


def _warn(found: Explained, logger: Logger | None) -> None:
    from logging import getLogger

    said = "used in part only" if found.status == "in part" else "not used, the defaults hold"
    target = getLogger("calreg.overrides") if logger is None else logger
    target.warning("overrides %s: %s: %s", said, _plain(found.path or ""), found.reason)


def _hint(found: Explained) -> str:
    if found.variable is None:
        return "Put the file right."
    return f"Put the file right, or unset {found.variable} to go on with the defaults."


def _pointer(*steps: str) -> str:
    escaped = (_short(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return "".join(f"/{_plain(step)}" for step in escaped)


def _plain(text: str) -> str:
    # One line in the log, whatever a path or a key holds.
    return text if text and text.isprintable() else repr(text)


def _quoted(text: str) -> str:
    return repr(_short(text))


def _short(text: str, most: int = 60) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}…"


def _in_words(value: Any) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    # An integer may have thousands of digits.
    return _short(repr(value), 30)
