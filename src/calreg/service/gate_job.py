"""What the gate says of all that is on main and not published yet; in the worker's process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from calreg.service.working import Desk, Progress

if TYPE_CHECKING:
    from calreg.git import Repository

__all__ = ["Findings", "GateJob", "stable_refs"]


class Findings(NamedTuple):
    """What was judged, against what, and what the gate found."""

    commit: str
    published: str | None
    findings: list[dict[str, Any]]

    @property
    def errors(self) -> list[dict[str, Any]]:
        """Those that block."""
        return [one for one in self.findings if one["severity"] == "error"]


@dataclass(frozen=True, slots=True)
class GateJob:
    """`calreg gate --published` of a commit, as of a moment."""

    commit: str
    moment: datetime

    name: ClassVar[str] = "the gate"

    def do(self, desk: Desk, tell: Callable[[Progress], None]) -> Findings:  # noqa: ARG002 -- nobody watches
        """Judge.

        Raises:
            CalregError: It could not be told.
        """
        from calreg.documents import timestamp_text
        from calreg.gate import judge
        from calreg.registry.changes import change_between

        registry = desk.registry()
        published = _published(registry.repository)
        change = change_between(
            registry.repository, registry.prefix, published, self.commit, as_it_is=True
        )
        judged = judge(change, now=timestamp_text(self.moment))
        return Findings(self.commit, published, [one.to_json() for one in judged.findings])


def stable_refs(repository: Repository) -> tuple[str, ...]:
    """Where the branch that production reads may be: at the remote, which counts, and here."""
    from calreg.git import Stored

    remote = Stored(repository).remote_name
    here = "refs/heads/stable"
    return (f"refs/remotes/{remote}/stable", here) if remote is not None else (here,)


def _published(repository: Repository) -> str | None:
    """The commit of main that production's references were taken from; None: nothing is."""
    from calreg.registry.stable import read_stable

    tips = (repository.tip(ref) for ref in stable_refs(repository))
    tip = next((found for found in tips if found is not None), None)
    return None if tip is None else read_stable(repository, tip, branch="stable").index.commit
