"""What a person's decision about one head writes: a recorded move, pins, the reference.

A roll-back and a pin are sticky: no run moves the head until the pin is lifted by name,
or its time is over.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from calreg.documents import Move, Pin, Pins, checked_bytes, timestamp_text
from calreg.documents.moves import Action
from calreg.errors import InputError, RegistryError
from calreg.names import PINS_PATH, HeadName, move_path
from calreg.plan.message import move_message
from calreg.plan.state import Reference, RegistryState

__all__ = [
    "MovePlan",
    "pins_after",
    "plan_pin",
    "plan_promote",
    "plan_rollback",
    "plan_unpin",
    "recorded",
    "refuse_withdrawn",
    "writable",
]


@dataclass(frozen=True, slots=True)
class MovePlan:
    """A decision as it would be committed; `files` has paths relative to the registry's root."""

    move: Move
    files: Mapping[str, bytes]
    message: str
    delete: Collection[str] = ()

    @property
    def timestamp(self) -> str:
        """When it was decided."""
        return self.move.timestamp

    @property
    def heads(self) -> Collection[HeadName]:
        """The one head that it is about."""
        return (HeadName.parse(self.move.head),)


def plan_promote(
    state: RegistryState, target: Reference, *, by: str, reason: str, timestamp: str
) -> MovePlan:
    """Move a head's reference to a newer version.

    Args:
        state: The registry as it is.
        target: The version to move to, with its bytes.
        by: Who decides.
        reason: Why.
        timestamp: When, as it stands in documents.

    Raises:
        RegistryError: The head is pinned, the version is withdrawn, or it is not newer than
            the reference's.
        InputError: No reason, or one that cannot be written.
    """
    name, before = target.name, _held(state, target.name)
    _refuse_pinned(state, name, timestamp)
    refuse_withdrawn(state, target)
    if before is not None and target.version <= before:
        raise _not_that_way(name, before, target.version, wanted="newer")
    return _plan(
        state, "promote", name, target, pin=None, by=by, reason=reason, timestamp=timestamp
    )


def plan_rollback(
    state: RegistryState, target: Reference, *, by: str, reason: str, timestamp: str
) -> MovePlan:
    """Move a head's reference to an older version, and pin it there until somebody lifts it.

    A pinned head may be rolled back further: to be safer is never refused.

    Raises:
        RegistryError: The version is not older than the reference's, or withdrawn.
        InputError: No reason, or one that cannot be written.
    """
    name, before = target.name, _held(state, target.name)
    if before is None or target.version >= before:
        raise _not_that_way(name, before, target.version, wanted="older")
    refuse_withdrawn(state, target)
    pin = Pin(target.version, by, reason.strip(), timestamp)
    return _plan(
        state, "rollback", name, target, pin=pin, by=by, reason=reason, timestamp=timestamp
    )


def plan_pin(
    state: RegistryState,
    target: Reference,
    *,
    by: str,
    reason: str,
    timestamp: str,
    until: str | None = None,
) -> MovePlan:
    """Hold a head's reference at a version (moved there if it is at another).

    Args:
        state: The registry as it is.
        target: The version to hold, with its bytes.
        by: Who decides.
        reason: Why.
        timestamp: When, as it stands in documents.
        until: An ISO 8601 date or time after which the pin no longer binds; UTC if it does
            not say. None: until it is lifted.

    Raises:
        RegistryError: The head is pinned at another version, or this one is withdrawn.
        InputError: `until` is no time, or over already; no reason.
    """
    name = target.name
    if target.version != _held(state, name):
        _refuse_pinned(state, name, timestamp)
    refuse_withdrawn(state, target)
    ends = _until(until, now=timestamp) if until is not None else None
    pin = Pin(target.version, by, reason.strip(), timestamp, ends)
    return _plan(state, "pin", name, target, pin=pin, by=by, reason=reason, timestamp=timestamp)


def plan_unpin(
    state: RegistryState, name: HeadName, *, by: str, reason: str, timestamp: str
) -> MovePlan:
    """Lift a head's pin; its reference stays until the next run or promotion moves it.

    Raises:
        RegistryError: The head has no pin.
        InputError: No reason, or one that cannot be written.
    """
    if name.full not in state.pins.heads:
        raise RegistryError(
            f"{name} is not pinned", hint="calreg show lists the pins.", code="not-pinned"
        )
    return _plan(state, "unpin", name, None, pin=None, by=by, reason=reason, timestamp=timestamp)


def _held(state: RegistryState, name: HeadName) -> int | None:
    reference = state.references.get(name)
    return reference.version if reference else None


def _refuse_pinned(state: RegistryState, name: HeadName, now: str) -> None:
    pin = state.binding_pin(name, now)
    if pin is not None:
        until = f" until {pin.until}" if pin.until else ""
        raise RegistryError(
            f"{name} is pinned to v{pin.pinned_to}{until} by {pin.by}: {pin.why}",
            hint=f"Lift the pin first: calreg unpin {name} --reason …",
            code="pinned",
        )


def _not_that_way(
    name: HeadName, before: int | None, wanted_version: int, *, wanted: str
) -> RegistryError:
    if before is None:
        return RegistryError(f"{name} has no reference that could be moved", code="no-reference")
    if wanted_version == before:
        return RegistryError(f"{name} is at v{before} already", code="already-there")
    other = {"newer": "rollback", "older": "promote"}[wanted]
    return RegistryError(
        f"v{wanted_version} of {name} is not {wanted} than v{before}, which the reference holds",
        hint=f"To move it there: calreg {other} {name} v{wanted_version} --reason …",
        code="wrong-direction",
    )


def _until(text: str, *, now: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            f"{text!r} is not a date or time", hint="Write it as 2027-01-31.", code="until"
        ) from error
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    written = timestamp_text(aware)
    # As times, not as text: one of them may lack the milliseconds.
    if not datetime.fromisoformat(now) < aware:
        raise InputError(
            f"until {written} is over already, it is {now}", hint="Give a later date.", code="until"
        )
    return written


def _plan(
    state: RegistryState,
    action: Action,
    name: HeadName,
    target: Reference | None,
    *,
    pin: Pin | None,
    by: str,
    reason: str,
    timestamp: str,
) -> MovePlan:
    before = _held(state, name)
    move = Move(
        number=state.highest_move + 1,
        timestamp=timestamp,
        action=action,
        head=name.full,
        before=before,
        after=target.version if target else before,
        by=writable(by, what="name"),
        reason=writable(reason, what="reason"),
        until=pin.until if pin else None,
    )
    files = {}
    if target is not None and target.version != before:
        files[name.reference_path] = target.raw
    return recorded(state, move, files, pins_after(state.pins, name, pin))


def recorded(
    state: RegistryState,
    move: Move,
    files: Mapping[str, bytes],
    pins: Pins,
    delete: Collection[str] = (),
) -> MovePlan:
    """The plan of a decision: what it changes, the pins it leaves, and its record."""
    written = dict(files)
    if pins != state.pins:
        written[PINS_PATH] = checked_bytes("pins", pins, where=PINS_PATH)
    path = move_path(move.number)
    written[path] = checked_bytes("move", move, where=path)
    return MovePlan(move, written, move_message(move), delete)


def writable(text: str, *, what: str) -> str:
    """A text that a record may hold, without white space around it.

    Raises:
        InputError: It is empty or no text.
    """
    if not text.strip():
        raise InputError(f"expected a {what}, got an empty one", hint=f"Give a {what}.", code=what)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"the {what} {text!r} is not UTF-8 text", code=what) from error
    return text.strip()


def pins_after(pins: Pins, name: HeadName, pin: Pin | None) -> Pins:
    """The pins once a head has this one, or none."""
    # A pin whose time is over goes with the promotion that it no longer forbids.
    others = {head: held for head, held in pins.heads.items() if head != name.full}
    return Pins(others if pin is None else dict(sorted({**others, name.full: pin}.items())))


def refuse_withdrawn(state: RegistryState, target: Reference) -> None:
    """Refuse a version that is unfit for any use.

    Raises:
        RegistryError: It is; with since when, who said so and why.
    """
    found = state.withdrawal_of(target.name, target.version)
    if found is not None:
        raise RegistryError(
            f"v{target.version} of {target.name} is {found.text}",
            hint=f"Choose another version: calreg show {target.name}",
            code="withdrawn",
        )
