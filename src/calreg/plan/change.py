"""What every plan is: a change to a registry as a value, whoever thought of it.

A run, a move by hand, a list of keys: each says which files it writes, byte for byte, and
what the commit that holds them is called. Whoever publishes needs to know no more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol, runtime_checkable

from calreg.names import HeadName

__all__ = ["Plan", "Removing", "removed_by"]


class Plan(Protocol):
    """A change to a registry; all paths are relative to the registry's root."""

    @property
    def files(self) -> Mapping[str, bytes]:
        """What it writes."""
        ...

    @property
    def message(self) -> str:
        """The message of the commit that it becomes."""
        ...

    @property
    def timestamp(self) -> str:
        """When it was made, as it stands in documents."""
        ...

    @property
    def heads(self) -> Collection[HeadName]:
        """The heads whose references it was made from."""
        ...


@runtime_checkable
class Removing(Plan, Protocol):
    """A plan that takes files away, too."""

    @property
    def delete(self) -> Collection[str]:
        """What is no longer there afterwards."""
        ...


def removed_by(plan: Plan) -> Collection[str]:
    """The paths that a plan takes away; most take none."""
    return plan.delete if isinstance(plan, Removing) else ()
