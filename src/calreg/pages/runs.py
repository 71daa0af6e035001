"""The page of runs: what did the newest one find, and how have the heads stood since the first?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from calreg.pages.answers import WORDS, runs_answer
from calreg.pages.board import Place, ago, board, scrolled, table
from calreg.pages.drawing import Draw
from calreg.pages.html import Html, Part, joined, tag
from calreg.pages.observed import Observed, RunSeen, Standing
from calreg.pages.specs import runs_spec
from calreg.pages.starting import start_form
from calreg.report.numbers import count_text, plural

__all__ = ["Tried", "runs_page", "runs_picture"]

_COLUMNS: tuple[Standing, ...] = ("stable", "unstable", "undecided", "noise", "new")
_KEYS = {
    "stable": "var(--stable)",
    "new": "var(--fresh)",
    "noise? or undecided": "var(--unsure)",
    "unstable": "var(--drifted)",
}
_MAX_FILES = 3
_MAX_EXCLUDED = 100


@dataclass(frozen=True, slots=True)
class Tried:
    """A run that the service was asked for, published or not.

    Args:
        id: What the service calls it.
        trigger: Who asked: `api`, or the service itself (`automatic`).
        started: When, as documents write times.
        status: What became of it.
        step: What it is at, if it is going on.
        problem: What went wrong, if something did.
        version: The run's number in the registry; None if it was not published.
        is_known: Whether that run had been made before, of the same scores.
    """

    id: str
    trigger: str
    started: str
    status: str
    step: str | None = None
    problem: str | None = None
    version: int | None = None
    is_known: bool = False


def runs_page(
    observed: Observed,
    place: Place,
    *,
    draw: Draw | None,
    tried: Sequence[Tried] = (),
    can_run: bool = False,
    is_signed_in: bool = False,
) -> bytes:
    """The page of runs.

    Args:
        observed: The registry.
        place: Where the page lies.
        draw: What draws charts; None: there are none.
        tried: The service's last runs, the newest first.
        can_run: Whether a run can be started from here.
        is_signed_in: Whether whoever looks has shown a key already.
    """
    return board(
        "Runs",
        tag("h1", runs_answer(observed)),
        start_form(place, is_signed_in=is_signed_in) if can_run else None,
        runs_picture(observed, draw),
        _excluded(observed),
        *([tag("h2", "Runs"), _runs(observed)] if observed.runs else []),
        _tried(tried),
        place=place,
        registry=observed.name,
        here="runs",
        commit=observed.commit,
    )


def runs_picture(observed: Observed, draw: Draw | None) -> Html | None:
    """How many heads stood how after each run: a chart, and its numbers."""
    runs = [found for found in observed.runs if found.standings is not None]
    if not runs:
        return None
    spec = runs_spec(runs) if draw is not None and len(runs) > 1 else None
    first, last = runs[-1], runs[0]
    words = (
        f"Heads by verdict after each run: stable {_stable(first)} after run "
        f"{first.run.version}, {_stable(last)} after run {last.run.version}."
    )
    rows = [
        tag(
            "tr",
            tag("th", str(found.run.version), scope="row", class_="n"),
            *(tag("td", count_text((found.standings or {}).get(one, 0)), class_="n")
              for one in _COLUMNS),
        )
        for found in runs
    ]  # fmt: skip
    columns = [("Run", True), *((WORDS[one], True) for one in _COLUMNS)]
    return tag(
        "figure",
        tag("figcaption", tag("b", "Heads after each run"), " from the bottom: ", *_keys())
        if spec
        else None,
        draw(spec, words) if spec is not None and draw is not None else None,
        tag(
            "details",
            tag("summary", "The numbers" if spec else "Heads after each run"),
            scrolled(table(columns, rows), "Heads by verdict after each run"),
            class_="fit",
        ),
        class_="runs",
    )


def _stable(found: RunSeen) -> str:
    counts: Mapping[Standing, int] = found.standings or {}
    return f"{counts.get('stable', 0):,} of {plural(sum(counts.values()), 'head')}"


def _keys() -> list[Html]:
    return [
        tag(
            "span",
            tag("svg", tag("path", d="M0 0H16V8H0Z", fill=colour), viewBox="0 0 16 8",
                aria_hidden="true"),
            word,
            class_="key",
        )
        for word, colour in _KEYS.items()
    ]  # fmt: skip


def _runs(observed: Observed) -> Html:
    columns = [
        ("Run", True), ("When", False), ("Scores", True), ("Rejected", True), ("Heads", True),
        *((WORDS[one].capitalize(), True) for one in _COLUMNS),
        ("References moved", True), ("Left out", True), ("Source", False),
    ]  # fmt: skip
    whole = scrolled(table(columns, [_run(found) for found in observed.runs]), "Runs")
    older = observed.run_count - len(observed.runs)
    more = tag("p", f"{plural(older, 'older run')}: calreg history.", class_="soft")
    return joined([whole, more if older > 0 else None])


def _run(found: RunSeen) -> Html:
    run, counts = found.run, found.standings
    shown = [count_text(counts.get(one, 0)) if counts is not None else "–" for one in _COLUMNS]
    return tag(
        "tr",
        tag("th", str(run.version), scope="row", class_="n"),
        tag("td", ago(run.timestamp)),
        tag("td", count_text(run.inputs.accepted), class_="n"),
        tag("td", count_text(sum(run.inputs.rejected.values())), class_="n",
            title=", ".join(f"{n:,} {why}" for why, n in run.inputs.rejected.items() if n)),
        tag("td", count_text(run.summary.get("total_heads")), class_="n"),
        *(tag("td", text, class_="n") for text in shown),
        tag("td", count_text(found.moved) if counts is not None else "–", class_="n"),
        tag("td", count_text(len(run.excluded)), class_="n"),
        tag("td", _source(run.inputs.kind, run.inputs.files), class_="soft"),
    )  # fmt: skip


def _source(kind: str, files: Sequence[str]) -> str:
    if not files:
        return kind
    named = ", ".join(file.rpartition("/")[2] for file in files[:_MAX_FILES])
    more = len(files) - _MAX_FILES
    return f"{named} and {more:,} more" if more > 0 else named


def _excluded(observed: Observed) -> Html | None:
    excluded = observed.runs[0].run.excluded if observed.runs else {}
    if not excluded:
        return None
    shown = sorted(excluded.items())[:_MAX_EXCLUDED]
    more = len(excluded) - len(shown)
    lines: list[Part] = [tag("li", tag("b", head), f": {why}") for head, why in shown]
    lines += [tag("li", f"and {more:,} more")] if more > 0 else []
    return joined([tag("h2", f"Left out of run {observed.runs[0].run.version}"), tag("ul", *lines)])


def _status(one: Tried) -> str:
    if one.version is None:
        return one.status
    return f"nothing new: run {one.version}" if one.is_known else f"{one.status}: run {one.version}"


def _tried(tried: Sequence[Tried]) -> Html | None:
    if not tried:
        return None
    rows = [
        tag(
            "tr",
            tag("th", tag("code", one.id), scope="row"),
            tag("td", ago(one.started)),
            tag("td", one.trigger),
            tag("td", _status(one)),
            tag("td", one.problem or one.step, class_="bad" if one.problem else "soft"),
        )
        for one in tried
    ]
    columns = [("Asked for", False), ("When", False), ("By", False), ("Status", False), ("", False)]
    whole = scrolled(table(columns, rows), "Runs that this service was asked for")
    return joined([tag("h2", "Asked for here"), whole])
