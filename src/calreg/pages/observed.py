"""What the dashboard shows, as values: heads over their versions, runs, findings.

`calreg.site.observing` reads them out of a registry; the pages are functions of them. Whatever
follows from them alone (is a head settled, since when, how many items are missing) is here,
so that the overview, a head's page and a test say the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from typing import Literal, NamedTuple

from calreg.documents import METRICS, HeadRow, LabelCalibration, Pin, Run, Withdrawal
from calreg.gate import Finding
from calreg.names import HeadName

__all__ = [
    "STANDINGS",
    "FoundByGate",
    "HeadDetail",
    "HeadSeen",
    "LabelPoint",
    "LabelSeen",
    "Missing",
    "Observed",
    "Point",
    "PublishedSeen",
    "RunSeen",
    "Standing",
    "standing_of",
]

Standing = Literal["unstable", "undecided", "noise", "withdrawn", "new", "stable"]
STANDINGS: tuple[Standing, ...] = (
    "unstable",
    "withdrawn",
    "undecided",
    "noise",
    "new",
    "stable",
)
"""How a head stands after its newest version, from the one that most needs a look."""


class Point(NamedTuple):
    """A head in one run. The rows of older runs come without their labels."""

    version: int
    timestamp: str
    row: HeadRow

    @property
    def standing(self) -> Standing:
        """The verdict in one word; `new` where there was nothing to compare with."""
        return standing_of(self.row)


def standing_of(row: HeadRow) -> Standing:
    """The verdict on a head in one word; `noise` where sampling alone may explain it."""
    if row.reference_version is None:
        return "new"
    if row.verdict == "undecided" and row.evidence == "noise":
        return "noise"
    return row.verdict


class Missing(NamedTuple):
    """How many items would tell drift from noise; `is_more`: beside those that are there."""

    items: int
    is_more: bool


@dataclass(frozen=True)
class HeadSeen:
    """A head and its last versions.

    Args:
        name: Its full name.
        points: Its last runs, the oldest first; none for a head imported without a run.
        reference_version: What production would read; None after its only version was withdrawn.
        reference_digest: Of those bytes; None with the version.
        display_name: What people call it, where that is something else.
        pin: Why no run moves its reference.
        withdrawn: Its versions that are unfit for use.
    """

    name: HeadName
    points: tuple[Point, ...]
    reference_version: int | None
    reference_digest: str | None = None
    display_name: str | None = None
    pin: Pin | None = None
    withdrawn: Mapping[int, Withdrawal] = field(default_factory=dict)

    @property
    def newest(self) -> Point | None:
        """The last run that it was in."""
        return self.points[-1] if self.points else None

    @cached_property
    def standing(self) -> Standing:
        """How it stands after its newest version."""
        if self.reference_version is None and self.withdrawn:
            return "withdrawn"
        return self.points[-1].standing if self.points else "new"

    @cached_property
    def settled_since(self) -> int | None:
        """The first of its newest versions that were all stable; None if the newest is not."""
        stable = takewhile(lambda point: point.standing == "stable", reversed(self.points))
        versions = [point.version for point in stable]
        return versions[-1] if versions and self.standing == "stable" else None

    @property
    def missing(self) -> Missing | None:
        """How many items would tell; None where that is no question, or not known."""
        if self.standing != "noise" or self.newest is None:
            return None
        row = self.newest.row
        if row.items_needed is None:
            return None
        if row.file_count is None or row.items_needed <= row.file_count:
            return Missing(row.items_needed, is_more=False)
        if "both sides" in (row.reason or ""):
            return Missing(row.items_needed, is_more=False)
        return Missing(row.items_needed - row.file_count, is_more=True)

    @property
    def size(self) -> float:
        """The largest metric of the newest version in units of its limit; 0 if none is known."""
        return max_size(self.newest.row) or 0.0 if self.newest is not None else 0.0


def max_size(row: HeadRow) -> float | None:
    """The largest metric or shift relative to its limit; None where nothing was compared."""
    sizes = [
        value / row.thresholds[name]
        for name in METRICS
        if (value := row.metrics[name]) is not None and row.thresholds[name] > 0.0
    ]
    if row.decision is not None:
        shifts = (
            (getattr(row.decision, name), limit) for name, limit in row.decision.limits.items()
        )
        sizes += [shift / limit for shift, limit in shifts if shift is not None and limit > 0.0]
    if row.factor is not None and row.factor.factor_shift is not None:
        limits = row.factor.limits.values()
        sizes += [row.factor.factor_shift / limit for limit in limits if limit > 0.0]
    return max(sizes, default=None)


class RunSeen(NamedTuple):
    """A run, and how its heads stood; the counts are None where its parts were collected."""

    run: Run
    standings: Mapping[Standing, int] | None
    moved: int


class PublishedSeen(NamedTuple):
    """What production reads: the number of its index, the commit it was made from, until when."""

    seq: int
    commit: str
    issued: str
    expires: str


class FoundByGate(NamedTuple):
    """What the gate says of a commit against what is published.

    Args:
        base: What it was compared with, in words; None: with nothing, as nothing is published.
        head: The commit that was judged.
        findings: Worst first.
        heads: How many heads the change touches.
        at: When it was asked; None where the answer does not depend on it.
    """

    base: str | None
    head: str
    findings: tuple[Finding, ...]
    heads: int
    at: str | None = None

    @property
    def blocking(self) -> int:
        """How many findings block."""
        return sum(found.severity == "error" for found in self.findings)


@dataclass(frozen=True)
class Observed:
    """A registry as one commit holds it, for people.

    Args:
        name: What it is called.
        commit: The commit; None for a branch without one.
        heads: All of them, by name.
        runs: The last ones, the newest first.
        run_count: How many there are.
        published: What production reads; None if nothing is published here.
    """

    name: str
    commit: str | None
    heads: tuple[HeadSeen, ...]
    runs: tuple[RunSeen, ...]
    run_count: int
    published: PublishedSeen | None = None

    @cached_property
    def by_name(self) -> Mapping[str, HeadSeen]:
        """The heads by full name."""
        return {head.name.full: head for head in self.heads}

    @cached_property
    def worst_first(self) -> Sequence[HeadSeen]:
        """The heads by how much somebody should look at them."""
        rank = {standing: place for place, standing in enumerate(STANDINGS)}
        return sorted(
            self.heads, key=lambda head: (rank[head.standing], -head.size, head.name.full)
        )

    def standing(self, *wanted: Standing) -> Sequence[HeadSeen]:
        """The heads that stand so, worst first."""
        return [head for head in self.worst_first if head.standing in wanted]


# --- one head -----------------------------------------------------------------------------------


class LabelPoint(NamedTuple):
    """Where a label's scores lay in one version; None where its document does not say."""

    version: int
    p5: float | None
    median: float | None
    p95: float | None


@dataclass(frozen=True)
class LabelSeen:
    """A label of a head: its numbers in two versions, and where its scores lay over versions.

    Args:
        name: The label.
        new: Its numbers in the newest version; None if that has it no more.
        before: Its numbers in the version compared with; None if that does not have it.
        trend: Per version, the oldest first.
        retag_share: The share of items whose outcome differs between the two, estimated from
            the newest histogram; None where that cannot be told.
    """

    name: str
    new: LabelCalibration | None
    before: LabelCalibration | None
    trend: tuple[LabelPoint, ...] = ()
    retag_share: float | None = None


@dataclass(frozen=True)
class HeadDetail:
    """All that a head's page shows beside what the overview does.

    Args:
        seen: The head.
        labels: Of its two versions, the one that needs a look first.
        new_version: The newest version that is there; None if all were collected.
        before_version: What it is compared with: the reference, or, if that is the newest
            version already, the one that it replaced; None if there is none.
    """

    seen: HeadSeen
    labels: tuple[LabelSeen, ...]
    new_version: int | None
    before_version: int | None

    @property
    def is_moved(self) -> bool:
        """Whether the newest version is the reference already."""
        return self.new_version is not None and self.new_version == self.seen.reference_version

    @property
    def retag_range(self) -> tuple[float, float] | None:
        """The share of items that one label at least changes: between the largest and the sum.

        None where it cannot be told of some label, or nothing is compared.
        """
        shares = [label.retag_share for label in self.labels]
        known = [share for share in shares if share is not None]
        if not shares or len(known) < len(shares):
            return None
        return max(known), min(sum(known), 1.0)
