"""What a gate is asked, and what it says: a change between two sides, findings, a table of heads.

Nothing here decides. A side is a listing and a function that reads: whoever has git hands in
one that reads blobs in batches, a test hands in a dict. The head side is hostile: names, modes,
sizes and bytes are whatever somebody wrote, and no value here promises more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

from calreg.documents import Json
from calreg.documents.run import Evidence, Verdict
from calreg.labelled import LabelledScores

__all__ = [
    "SEVERITIES",
    "Action",
    "Change",
    "FileAt",
    "Finding",
    "HeadResult",
    "Holdout",
    "Judged",
    "Read",
    "Severity",
    "Side",
    "Touch",
]

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""From the one that blocks to the one that only says."""

Action = Literal["new", "moved", "kept", "held", "rolled back", "withdrawn", "removed", "changed"]
"""What became of a head's reference: made, moved on, left by a stable or a held run, moved back by
hand, taken away by a withdrawal, taken away by nobody who may, overwritten without a record."""

Metrics = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the gate says.

    Args:
        rule: The rule's name, which `calreg gate --explain` takes.
        severity: An `error` blocks; a `warning` and a `note` do not.
        path: The file, relative to the registry's root, or with a `/` before it to that of the
            repository if it lies outside; as it is named in the tree, so it may hold anything.
            None for what is about no single file.
        head: The head's full name; None for what is about no single head.
        problem: One printable line: what, expected, got.
        line: Where in the file, from 1.
        hint: What to do, in one line.
    """

    rule: str
    severity: Severity
    path: str | None
    head: str | None
    problem: str
    line: int | None = None
    hint: str | None = None

    def to_json(self) -> Json:
        """All of it; what is not there is null."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True, slots=True)
class FileAt:
    """An entry of a tree: mode as six octal digits, object id, size in bytes if it is known."""

    mode: str
    oid: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Touch:
    """A file that differs between the sides: what it was, what it is; None: not there."""

    path: str
    old: FileAt | None
    new: FileAt | None


Read = Callable[[Collection[str]], Mapping[str, bytes]]
"""From paths to bytes; paths that are no files on that side are left out of what it returns.

Called a few times with all paths at once. Nothing is asked for that `FileAt.size` says is too
large; a reader may also leave out whatever it finds too large.
"""


@dataclass(frozen=True, slots=True)
class Side:
    """A registry in one commit.

    Args:
        listing: Every path below the registry's folder, relative to it: files, submodules and
            links alike, whatever they are called, those of nested registries included; but of
            a folder called `vN` (N from 1, no leading zero) only the folder itself, with mode
            `040000`. Sizes need not be known here. A path that is no UTF-8 comes with
            `surrogateescape`.
        read: Reads files, in folders `vN` too.
    """

    listing: Mapping[str, FileAt]
    read: Read


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody wants to change in one registry.

    Args:
        base: What is there now, which is trusted; None if the registry is new.
        head: What is to be there.
        touches: All files below the registry's folder that differ in mode or object, those in
            folders `vN` one by one, and folders that no file accounts for, with mode `040000`;
            sizes of new files are known.
        outside: Files of the repository that differ and are not below the registry's folder,
            paths from the root of the repository.
        folder: The registry's folder in the repository; empty for its root.
    """

    base: Side | None
    head: Side
    touches: tuple[Touch, ...]
    outside: tuple[Touch, ...] = ()
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Holdout:
    """Scores with truth that the gate was given itself, by a head's full name."""

    heads: Mapping[str, LabelledScores]


@dataclass(frozen=True, slots=True)
class HeadResult:
    """What the change does to one head, by the gate's own figures.

    Args:
        head: Its full name.
        version: The newest version that the change gives it; else what its reference holds.
        samples: Scores behind that version.
        metrics: The six drift metrics, recomputed; None where they cannot be.
        noise: Their noise.
        failed_metrics: What is not below its limit.
        f1_before: The least F1 of the labels of the reference in the base, on its holdout (or
            what it was chosen on); None where nothing decides.
        f1_after: The same of the reference afterwards.
        verdict: None if no run of the change is about the head.
        evidence: Likewise.
        action: What becomes of its reference.
        reference_before: The version that the reference holds in the base.
        reference_after: The version that it holds afterwards.
        findings: How many findings name the head.
        worst: The worst severity of those.
    """

    head: str
    version: int | None
    samples: int | None
    metrics: Metrics
    noise: Metrics
    failed_metrics: tuple[str, ...]
    f1_before: float | None
    f1_after: float | None
    verdict: Verdict | None
    evidence: Evidence | None
    action: Action
    reference_before: int | None
    reference_after: int | None
    findings: int = 0
    worst: Severity | None = None

    def to_json(self) -> Json:
        """All of it; what is not there is null."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        return {
            **plain,
            "metrics": dict(self.metrics),
            "noise": dict(self.noise),
            "failed_metrics": list(self.failed_metrics),
        }


@dataclass(frozen=True, slots=True)
class Judged:
    """The gate's answer.

    `findings` stand worst first, then by path, rule and head, whatever the order of files;
    `heads` has every head that the change touches, by full name. `registry` is its name, None
    where that could not be read.
    """

    findings: tuple[Finding, ...]
    heads: Mapping[str, HeadResult] = field(default_factory=dict)
    registry: str | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing blocks."""
        return not any(found.severity == "error" for found in self.findings)

    def to_json(self) -> Json:
        """The report as other programs read it."""
        return {
            "ok": self.ok,
            "registry": self.registry,
            "findings": [found.to_json() for found in self.findings],
            "heads": {head: result.to_json() for head, result in self.heads.items()},
        }
