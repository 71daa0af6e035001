"""From a registry to what people look at: heads over versions, runs, one head in detail.

Everything is read from one commit, in a handful of processes whatever the number of heads. A
version's folder never changes, so what an earlier observation read is not read again. No
clock is asked: the same commit is observed alike whenever that is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from calreg.documents import (
    Calibration,
    LabelCalibration,
    ModelRun,
    load_calibration,
    load_model_run,
)
from calreg.errors import CalregError, InputError
from calreg.git import Repository, Stored
from calreg.names import HeadName, model_run_path
from calreg.pages.observed import (
    HeadDetail,
    HeadSeen,
    LabelPoint,
    LabelSeen,
    Observed,
    Point,
    PublishedSeen,
    RunSeen,
    Standing,
    standing_of,
)
from calreg.registry import Registry, Snapshot
from calreg.registry.stable import read_stable
from calreg.retag import RetagRules, changed_intervals

__all__ = ["MAX_VERSIONS", "detail_of", "details_of", "observe", "observed_at"]

MAX_VERSIONS = 50
"""The last versions of a head that are looked at, where heads are few."""

_LEAST_VERSIONS = 8
_MAX_POINTS = 20_000  # of all heads together: about 40 MB
_MAX_BYTES = 16 * 2**20
_AT_ONCE = 20

_Part = tuple[str, int]
"""A model, and the number of a run."""


def observe(
    registry: Registry, snapshot: Snapshot | None = None, *, before: Observed | None = None
) -> Observed:
    """All that the overview shows of a registry.

    Args:
        registry: Where.
        snapshot: The commit of it; None: its newest.
        before: An earlier observation of the same registry, whose versions are not read again.

    Raises:
        InputError: A document is not valid.
    """
    now = registry.at() if snapshot is None else snapshot
    return observed_at(now, _published(registry.repository), before=before)


def observed_at(
    now: Snapshot, published: PublishedSeen | None, *, before: Observed | None = None
) -> Observed:
    """All that the overview shows of one commit; as `observe`.

    Args:
        now: The commit.
        published: What production reads.
        before: As in `observe`.
    """
    names = now.known_heads if now.commit is not None else []
    limit = max(_LEAST_VERSIONS, min(MAX_VERSIONS, _MAX_POINTS // max(len(names), 1)))
    seen = _Seen(before)
    for part in _parts(now, limit, seen.known):
        seen.add(part)
    numbers = now.run_numbers
    return Observed(
        name=now.settings.name,
        commit=now.commit,
        heads=tuple(_head(now, name, seen.points(name, limit)) for name in names),
        runs=tuple(_runs(now, numbers[-limit:], seen)),
        run_count=len(numbers),
        published=published,
    )


class _Seen:
    """Rows of runs as they are read: per head, and counted per run."""

    def __init__(self, before: Observed | None) -> None:
        self.known: set[_Part] = set()
        self._points: dict[HeadName, dict[int, Point]] = {}
        for head in before.heads if before is not None else ():
            self._points[head.name] = {point.version: point for point in head.points}
            self.known |= {(head.name.model, point.version) for point in head.points}
        self.earlier = {found.run.version: found for found in before.runs} if before else {}
        self._standings: dict[int, Counter[Standing]] = {}
        self._moved: Counter[int] = Counter()

    def add(self, part: ModelRun) -> None:
        """Take note of a model's part of a run."""
        standings = self._standings.setdefault(part.version, Counter())
        for head, row in part.heads.items():
            name = HeadName(part.model, head)
            point = Point(part.version, part.timestamp, row)
            self._points.setdefault(name, {})[part.version] = point
            standings[standing_of(row)] += 1
            self._moved[part.version] += row.reference_update == "updated"

    def points(self, name: HeadName, limit: int) -> tuple[Point, ...]:
        """A head's last versions, the oldest first; labels are kept of the newest alone."""
        found = sorted(self._points.get(name, {}).items())[-limit:]
        older = [_without_labels(point) for _, point in found[:-1]]
        return (*older, *(point for _, point in found[-1:]))

    def standings(self, version: int) -> tuple[Mapping[Standing, int] | None, int]:
        """How the heads of a run stood, and how many references it moved."""
        if version in self._standings:
            return self._standings[version], self._moved[version]
        found = self.earlier.get(version)
        return (None, 0) if found is None else (found.standings, found.moved)


def _without_labels(point: Point) -> Point:
    return point._replace(row=replace(point.row, labels={})) if point.row.labels else point


def _parts(snapshot: Snapshot, limit: int, known: set[_Part]) -> Iterator[ModelRun]:
    """Each model's part of its last runs, but for those that are known."""
    wanted = [
        (model, number)
        for model, numbers in snapshot.version_folders.items()
        for number in numbers[-limit:]
        if (model, number) not in known
    ]
    for start in range(0, len(wanted), _AT_ONCE):
        paths = [snapshot.full(model_run_path(*part)) for part in wanted[start : start + _AT_ONCE]]
        raw = snapshot.tree.read_many(paths, max_bytes=_MAX_BYTES)
        yield from (load_model_run(raw[path], where=path) for path in paths if path in raw)


def _head(snapshot: Snapshot, name: HeadName, points: tuple[Point, ...]) -> HeadSeen:
    reference = snapshot.references.get(name)
    return HeadSeen(
        name=name,
        points=points,
        reference_version=reference.version if reference is not None else None,
        reference_digest=reference.digest if reference is not None else None,
        display_name=reference.calibration.display_name if reference is not None else None,
        pin=snapshot.pins.heads.get(name.full),
        withdrawn=snapshot.withdrawn.heads.get(name.full, {}),
    )


def _runs(snapshot: Snapshot, numbers: list[int], seen: _Seen) -> Iterator[RunSeen]:
    """The runs of some numbers, the newest first."""
    for number in reversed(numbers):
        known = seen.earlier.get(number)
        run = known.run if known is not None else snapshot.run(number)
        yield RunSeen(run, *seen.standings(number))


# --- what is published --------------------------------------------------------------------------


def _published_tip(repository: Repository) -> str | None:
    """The newest publication that is here, without asking anybody: the remote's, or our own."""
    remote = Stored(repository).remote_name
    refs = [f"refs/remotes/{remote}/stable"] if remote is not None else []
    tips = (repository.tip(ref) for ref in (*refs, "refs/heads/stable"))
    return next((tip for tip in tips if tip is not None), None)


def _published(repository: Repository) -> PublishedSeen | None:
    tip = _published_tip(repository)
    if tip is None:
        return None
    try:
        index = read_stable(repository, tip, branch="stable").index
    except CalregError:
        return None  # whoever pulls is told what is wrong; here it is no answer to anything
    return PublishedSeen(index.seq, index.commit, index.issued, index.expires)


# --- one head -----------------------------------------------------------------------------------


def detail_of(snapshot: Snapshot, seen: HeadSeen, *, rules: RetagRules | None = None) -> HeadDetail:
    """All that a head's page shows; as `details_of`."""
    return next(details_of(snapshot, [seen], rules=rules))


def details_of(
    snapshot: Snapshot, heads: Sequence[HeadSeen], *, rules: RetagRules | None = None
) -> Iterator[HeadDetail]:
    """All that heads' pages show, in their order; documents are read in a process for a few heads.

    Args:
        snapshot: The commit that was observed.
        heads: As observed in it.
        rules: What counts as another outcome.

    Raises:
        InputError: A document is not valid.
    """
    for start in range(0, len(heads), _AT_ONCE):
        some = heads[start : start + _AT_ONCE]
        wanted = [_wanted(snapshot, seen) for seen in some]
        paths = [path for found in wanted for path in found.values()]
        raw = snapshot.tree.read_many(paths, max_bytes=_MAX_BYTES)
        for seen, found in zip(some, wanted, strict=True):
            versions = {
                number: load_calibration(raw[path], where=path)
                for number, path in found.items()
                if path in raw
            }
            yield _detail(seen, versions, rules or RetagRules())


def _wanted(snapshot: Snapshot, seen: HeadSeen) -> dict[int, str]:
    """Where the head's versions that are looked at would lie, the oldest first."""
    numbers = {point.version for point in seen.points}
    numbers |= {point.row.reference_version or 0 for point in seen.points[-1:]} - {0}
    numbers |= {seen.reference_version} if seen.reference_version is not None else set()
    return {number: snapshot.full(seen.name.version_path(number)) for number in sorted(numbers)}


def _detail(seen: HeadSeen, versions: Mapping[int, Calibration], rules: RetagRules) -> HeadDetail:
    new_version = max(versions, default=None)
    compared = _compared_with(seen, new_version)
    new = versions.get(new_version) if new_version is not None else None
    before = versions.get(compared) if compared is not None else None
    shares = _shares(before, new, rules)
    return HeadDetail(
        seen=seen,
        labels=tuple(
            LabelSeen(
                name,
                new.labels.get(name) if new is not None else None,
                before.labels.get(name) if before is not None else None,
                tuple(_trend(versions, name)),
                shares.get(name),
            )
            for name in _ordered(seen, new, before)
        ),
        new_version=new_version,
        before_version=before.version if before is not None else None,
    )


def _compared_with(seen: HeadSeen, new_version: int | None) -> int | None:
    """The reference; if that is the newest version already, the one that it replaced."""
    if seen.reference_version != new_version or seen.newest is None:
        return seen.reference_version
    return seen.newest.row.reference_version


def _ordered(seen: HeadSeen, new: Calibration | None, before: Calibration | None) -> list[str]:
    """The labels of both, that which decided first, then those that failed, then by name."""
    names = {*(new.labels if new else ()), *(before.labels if before else ())}
    row = seen.newest.row if seen.newest is not None else None

    def order(name: str) -> tuple[bool, int, str]:
        found = row.labels.get(name) if row is not None else None
        is_first = row is not None and row.label == name
        return not is_first, -len(found.failed_metrics) if found is not None else 0, name

    return sorted(names, key=order)


def _trend(versions: Mapping[int, Calibration], label: str) -> Iterator[LabelPoint]:
    for number, calibration in versions.items():
        numbers = calibration.labels.get(label)
        if numbers is None:
            continue
        low, high = numbers.bounds
        known = numbers.distribution.quantiles
        yield LabelPoint(number, low, None if known is None else known["p50"], high)


def _shares(
    before: Calibration | None, new: Calibration | None, rules: RetagRules
) -> dict[str, float]:
    """Per label the share of items whose outcome differs, where that can be told."""
    if before is None or new is None:
        return {}
    found = {}
    for name in sorted(before.labels.keys() & new.labels.keys()):
        share = _share(before.labels[name], new.labels[name], rules)
        if share is not None:
            found[name] = share
    return found


def _share(before: LabelCalibration, new: LabelCalibration, rules: RetagRules) -> float | None:
    histogram = new.distribution.histogram
    if histogram is None:
        return None
    try:
        changed = changed_intervals(before, new, rules)
    except InputError:
        return None  # one of the two cannot be applied to scores
    return None if changed is None else float(changed.share_of(histogram))
