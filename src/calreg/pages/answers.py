"""The sentence at the top of each page: its question, answered in words.

Pure functions of what was observed. Names are cut to what tells them apart; counts are
exact, estimates say "about".
"""

from __future__ import annotations

from collections.abc import Sequence

from calreg.documents import HeadRow
from calreg.pages.observed import FoundByGate, HeadSeen, Missing, Observed, RunSeen, Standing
from calreg.report.numbers import count_text, limited_text, plural, version_text
from calreg.report.runs import METRIC_HEADERS

__all__ = [
    "WORDS",
    "gate_answer",
    "head_answer",
    "head_word",
    "missing_text",
    "overview_answer",
    "runs_answer",
    "short_names",
    "standing_counts",
]

WORDS: dict[Standing, str] = {
    "unstable": "unstable",
    "withdrawn": "withdrawn",
    "undecided": "undecided",
    "noise": "noise?",
    "new": "new",
    "stable": "stable",
}
"""The word for how a head stands, as the command line says it."""

_NAMED = 3


def head_word(head: HeadSeen) -> str:
    """How a head stands, in one word; an unstable one has drifted if chance does not explain it."""
    newest = head.newest
    if head.standing == "unstable" and newest is not None and newest.row.evidence == "drift":
        return "drifted"
    return WORDS[head.standing]


def short_names(heads: Sequence[HeadSeen], among: Sequence[HeadSeen]) -> list[str]:
    """Their own names, without the model, where that is enough to tell them from all others."""
    counts: dict[str, int] = {}
    for head in among:
        counts[head.name.head] = counts.get(head.name.head, 0) + 1
    return [
        head.name.head if counts.get(head.name.head, 0) < 2 else head.name.full for head in heads
    ]


def missing_text(missing: Missing) -> str:
    """How many items a head needs, in words: `about 2,600 more items`.

    On both sides: in the reference too, which has too few to tell anything from.
    """
    items = _two_digits(missing.items)
    if missing.is_more:
        return f"about {items:,} more items"
    return f"about {items:,} items on both sides"


def _two_digits(items: int) -> int:
    """An estimated count, rounded up to two digits: it is an estimate, and reads as one."""
    unit: int = 10 ** max(len(str(items)) - 2, 0)
    return -(-items // unit) * unit


# --- the overview -------------------------------------------------------------------------------


def overview_answer(observed: Observed) -> str:
    """Whether the heads have settled, and what those that have not need."""
    if not observed.heads:
        return "No head has been calibrated yet."
    stable = len(observed.standing("stable"))
    drifted = [head for head in observed.standing("unstable") if head_word(head) == "drifted"]
    unstable = [head for head in observed.standing("unstable") if head not in drifted]
    others = [
        _named(drifted, observed, "has drifted", "have drifted"),
        _named(unstable, observed, "is unstable", "are unstable"),
        _named(observed.standing("withdrawn"), observed, "has no reference", "have no reference"),
        _named(observed.standing("undecided"), observed, "could not be told", "could not be told"),
        _needing(observed),
        _named(observed.standing("new"), observed, "is new", "are new"),
    ]
    said = [part for part in others if part]
    return "; ".join([_settled(stable, len(observed.heads)), *said]) + "."


def _settled(stable: int, total: int) -> str:
    if stable == total:
        return f"All {total:,} heads are settled" if total > 1 else "The one head is settled"
    if total == 1:
        return "The one head is not settled yet"
    if not stable:
        return f"None of {plural(total, 'head')} is settled yet"
    return f"{stable:,} of {plural(total, 'head')} {'is' if stable == 1 else 'are'} settled"


def _named(found: Sequence[HeadSeen], observed: Observed, one: str, many: str) -> str | None:
    if not found:
        return None
    if len(found) == 1:
        return f"{short_names(found, observed.heads)[0]} {one}"
    if len(found) <= _NAMED:
        names = short_names(found, observed.heads)
        return f"{', '.join(names[:-1])} and {names[-1]} {many}"
    return f"{len(found):,} {many}"


def _needing(observed: Observed) -> str | None:
    """Which head needs more items; of several how many do, and which needs most."""
    found = observed.standing("noise")
    known = [(head, need) for head in found if (need := head.missing) is not None]
    names = dict(
        zip((head.name for head in found), short_names(found, observed.heads), strict=True)
    )
    if not found:
        return None
    if len(found) == len(known) == 1:
        head, need = known[0]
        return f"{names[head.name]} needs {missing_text(need)}"
    said = f"{plural(len(found), 'head')} cannot be told from noise yet"
    if not known:
        return said
    head, need = max(known, key=lambda pair: pair[1].items)
    return f"{said} ({names[head.name]} needs {missing_text(need)})"


# --- a head -------------------------------------------------------------------------------------


def head_answer(head: HeadSeen) -> str:
    """Whether a head can be relied on, why, and what it needs."""
    newest = head.newest
    if newest is None:
        return "It was imported; no run has looked at it yet."
    row, reference = newest.row, version_text(newest.row.reference_version)
    if head.standing == "withdrawn":
        return "Its reference was withdrawn, and there is no other."
    if head.standing == "new":
        return f"It is new: v{newest.version} is its first version, with nothing to compare with."
    if head.standing == "stable":
        return (
            f"Settled since v{head.settled_since}: v{newest.version} lies within every limit of "
            f"the reference, {reference}."
        )
    if head.standing == "noise":
        need = head.missing
        tell = f"; {missing_text(need)} would tell" if need is not None else ""
        return (
            f"v{newest.version} differs from the reference, {reference}, by no more than "
            f"sampling explains{tell}."
        )
    if head.standing == "undecided":
        return f"Whether v{newest.version} differs from {reference} could not be told."
    verb = "has drifted" if row.evidence == "drift" else "is unstable"
    return f"It {verb}: {_failed(head)} of v{newest.version} against {reference}. {_moved(head)}"


def _failed(head: HeadSeen) -> str:
    row = head.points[-1].row
    failed = row.failed_metrics
    numbers = [
        f"{METRIC_HEADERS[name]} {limited_text(row.metrics[name], row.thresholds[name])}"
        f" (limit {row.thresholds[name]:g})"
        for name in failed
        if name in METRIC_HEADERS
    ]
    others = [_other(row, name) for name in failed if name not in METRIC_HEADERS]
    said = [*others, *numbers]
    more = len(said) - 2
    return ", ".join(said[:2]) + (f" and {plural(more, 'more metric')}" if more > 0 else "")


def _other(row: HeadRow, name: str) -> str:
    """What failed beside the six metrics, with its number if it has one."""
    words = name.replace("_", " ")
    moved = row.factor if row.factor is not None else row.decision
    value = getattr(moved, name, None)
    if moved is None or value is None:
        return words
    limit = moved.limits[name]
    return f"{words} {limited_text(value, limit)} (limit {limit:g})"


def _moved(head: HeadSeen) -> str:
    row = head.points[-1].row
    if row.reference_update == "updated":
        return f"The reference moved on to {version_text(row.reference_after)}."
    if row.reference_update == "held":
        return f"The reference stays at {version_text(row.reference_after)}: {row.reason}."
    return f"The reference stays at {version_text(row.reference_after)}."


# --- runs and findings --------------------------------------------------------------------------


def standing_counts(found: RunSeen) -> str:
    """How the heads of a run stood, in words: `15 stable, 1 unstable, 1 within noise`."""
    if found.standings is None:
        return "collected"
    order: tuple[Standing, ...] = ("stable", "unstable", "undecided", "noise", "new")
    counts = found.standings
    words = {**WORDS, "noise": "within noise"}
    return ", ".join(f"{counts[one]:,} {words[one]}" for one in order if counts.get(one))


def runs_answer(observed: Observed) -> str:
    """What the newest run found."""
    if not observed.runs:
        return "There was no run yet."
    newest = observed.runs[0]
    run = newest.run
    moved = {0: "no reference moved", 1: "1 reference moved"}.get(
        newest.moved, f"{newest.moved:,} references moved"
    )
    left = f"; {plural(len(run.excluded), 'head')} left out" if run.excluded else ""
    scores = count_text(run.inputs.accepted)
    return f"Run {run.version}, of {scores} scores, found {standing_counts(newest)}; {moved}{left}."


def gate_answer(found: FoundByGate) -> str:
    """Whether what is on the branch may be published."""
    since = f"what has changed since {found.base}"
    what = since if found.base is not None else "a first publication"
    if found.blocking:
        verb = "finding blocks" if found.blocking == 1 else "findings block"
        return f"No: {found.blocking:,} {verb} {what}."
    if found.findings:
        return f"Yes: nothing blocks {what}; {plural(len(found.findings), 'finding')} to read."
    return f"Yes: the gate has nothing to say to {what}."
