"""What each rule of the gate allows and what it blocks: a module per rule, a function per case.

A case is a base, a head side and options. An allowed one passes the whole gate, without a word
from its rule; a blocked one gets the finding that it names. A new case is a function with a
decorator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gate_builder import Registry, Tree

__all__ = ["Asked", "Case", "Cases", "ask"]


@dataclass(frozen=True)
class Asked:
    """What the gate is asked."""

    base: Tree | None
    head: Tree
    options: Mapping[str, Any]


def ask(base: Registry | None, head: Registry, **options: Any) -> Asked:
    return Asked(None if base is None else base.tree, head.tree, options)


@dataclass(frozen=True)
class Case:
    """A change, and what its rule says: nothing if it is allowed."""

    make: Callable[[], Asked]
    says: str | None = None
    severity: str = "error"


@dataclass
class Cases:
    """The cases of one rule."""

    rule: str
    allowed_ones: list[Case] = field(default_factory=list)
    blocked_ones: list[Case] = field(default_factory=list)

    def allowed(self, make: Callable[[], Asked]) -> Callable[[], Asked]:
        """Take a case that passes."""
        self.allowed_ones.append(Case(make))
        return make

    def blocked(
        self, says: str, severity: str = "error"
    ) -> Callable[[Callable[[], Asked]], Callable[[], Asked]]:
        """Take a case of which the rule says something."""

        def take(make: Callable[[], Asked]) -> Callable[[], Asked]:
            self.blocked_ones.append(Case(make, says, severity))
            return make

        return take
