"""What withdrawing a version writes: the list that readers refuse by, and the reference moved.

A withdrawn version is unfit for any use: it is on the list for good, no move makes it the
reference again, and a client that has it installed is told. If production reads it, the
reference goes back to an earlier version and stays there until the pin is lifted; if there
is no earlier one, the head has no reference any more.
"""

from __future__ import annotations

from calreg.documents import Move, Pin, Withdrawal, checked_bytes
from calreg.errors import RegistryError
from calreg.names import WITHDRAWN_PATH, HeadName
from calreg.plan.moves import MovePlan, pins_after, recorded, refuse_withdrawn, writable
from calreg.plan.state import Reference, RegistryState

__all__ = ["plan_withdraw"]


def plan_withdraw(
    state: RegistryState,
    name: HeadName,
    version: int,
    *,
    fallback: Reference | None,
    by: str,
    reason: str,
    timestamp: str,
) -> MovePlan:
    """Mark a version as unfit for any use, and take production off it.

    Args:
        state: The registry as it is.
        name: The head.
        version: The version, which exists.
        fallback: Where the reference goes if it holds that version; None: nowhere, it is
            removed. Not given for a version that the reference does not hold.
        by: Who decides.
        reason: Why.
        timestamp: When, as it stands in documents.

    Raises:
        RegistryError: It is withdrawn already, or the fallback is no help.
        InputError: No reason, or one that cannot be written.
    """
    _refuse_repeat(state, name, version)
    reference = state.references.get(name)
    held = reference.version if reference else None
    if fallback is not None:
        _check_fallback(state, fallback, version, held)
    why = Withdrawal(writable(by, what="name"), writable(reason, what="reason"), timestamp)
    withdrawn = state.withdrawn.with_(name.full, version, why)
    files = {WITHDRAWN_PATH: checked_bytes("withdrawn", withdrawn, where=WITHDRAWN_PATH)}
    after, pins = held, state.pins
    if held == version:
        after = fallback.version if fallback else None
        pin = Pin(fallback.version, why.by, why.why, timestamp) if fallback else None
        pins = pins_after(pins, name, pin)
    move = Move(
        number=state.highest_move + 1,
        timestamp=timestamp,
        action="withdraw",
        head=name.full,
        before=held,
        after=after,
        by=why.by,
        reason=why.why,
        version=version,
    )
    if held == version and fallback is not None:
        files[name.reference_path] = fallback.raw
    removed = (name.reference_path,) if held is not None and after is None else ()
    return recorded(state, move, files, pins, delete=removed)


def _refuse_repeat(state: RegistryState, name: HeadName, version: int) -> None:
    found = state.withdrawal_of(name, version)
    if found is not None:
        raise RegistryError(
            f"v{version} of {name} is {found.text}",
            hint="Nothing is left to do here; calreg stable publish tells production.",
            code="already-withdrawn",
        )


def _check_fallback(
    state: RegistryState, fallback: Reference, version: int, held: int | None
) -> None:
    if held != version:
        at = "there is none" if held is None else f"it is at v{held}"
        raise RegistryError(
            f"the reference of {fallback.name} does not hold v{version}, {at}: it need not move",
            hint="Leave out --to.",
            code="not-the-reference",
        )
    if fallback.version == version:
        raise RegistryError(
            f"v{version} cannot take the place of itself",
            hint="Name another.",
            code="wrong-version",
        )
    refuse_withdrawn(state, fallback)
