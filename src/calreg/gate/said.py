"""What a rule says, before anybody decided how severe it is."""

from __future__ import annotations

from dataclasses import dataclass

from calreg.gate.values import Severity

__all__ = ["Said"]


@dataclass(frozen=True, slots=True)
class Said:
    """One problem.

    Args:
        problem: What, expected, got; made one printable line later.
        path: The file.
        head: The head's full name.
        severity: If it is less, or more, than the rule's default.
        hint: What to do.
        pointer: The keys that lead to the place in the file.
    """

    problem: str
    path: str | None = None
    head: str | None = None
    severity: Severity | None = None
    hint: str | None = None
    pointer: tuple[str, ...] = ()
