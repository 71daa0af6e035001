"""What a picture of the feedback loop says in words: the answer first, then what it is made of.

What noise explains is said to be noise, and never called too low or too high.
"""

from __future__ import annotations

from collections.abc import Sequence

from calreg.report.numbers import count_text, date_text, number_text, plural
from calreg.report.pictures.feedback_history import Event
from calreg.report.pictures.feedback_rows import (
    Document,
    Row,
    change_of,
    error_rows,
    factor_rows,
    known,
    part_of,
    worst_first,
)
from calreg.report.pictures.phrases import enumerated, rounded, short

__all__ = [
    "answer",
    "changed_text",
    "factor_text",
    "facts",
    "head_of",
    "probability_note",
    "undrawn_text",
]


def head_of(document: Document) -> str:
    """What the picture is of."""
    run, time = document.get("id"), document.get("timestamp")
    name = f"Feedback {short(str(run))}" if run else "Feedback"
    return f"{name}, {date_text(str(time))} UTC" if time else name


def answer(document: Document, events: Sequence[Event] = ()) -> str:
    """How far off predictions are and what would mend it, in one sentence."""
    parts = [*_prices_text(document), *_factors_text(document)]
    if not parts:
        parts = _probabilities_text(document) or _history_text(events)
    text = "; ".join(parts) if parts else "nothing to compare yet"
    return _sentence(text)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _prices_text(document: Document) -> list[str]:
    rows = error_rows(document, {})
    if not rows or (bias := rows[0]["bias"]) is None:
        return []
    low, high = rows[0]["bias_low"], rows[0]["bias_high"]
    if bias == 0.0:
        return ["prices are predicted right on average"]
    way = f"{rounded(abs(bias))} too {'low' if bias < 0.0 else 'high'}"
    if low is not None and low <= 0.0 <= high:
        return [f"prices are predicted right on average, as far as can be told ({way})"]
    return [f"prices are predicted {way} on average"]


def _factors_text(document: Document) -> list[str]:
    names = worst_first(document)
    rows = factor_rows(document, {name: short(name) for name in names})
    if not rows:
        return []
    needed = [row for row in rows if row["status"] == "ok" and row["change"]]
    if needed:
        return [_needed_text(needed, len(rows))]
    unsure = [row for row in rows if row["status"] == "too few"]
    if len(unsure) == len(rows):
        return ["there are too few pairs to say anything about factors"]
    others = f" ({plural(len(unsure), 'group')} with too few pairs to tell)" if unsure else ""
    return [f"no group would need another factor{others}"]


def _needed_text(needed: Sequence[Row], groups: int) -> str:
    worst = needed[0]
    first = f"{worst['group']} would need a factor {_way(worst['change'])}"
    match len(needed):
        case 1:
            return first
        case 2:
            return f"{first}, {needed[1]['group']} one {_way(needed[1]['change'])}"
    return (
        f"{len(needed):,} of {groups:,} groups would need another factor, "
        f"most of all {worst['group']}: {_way(worst['change'])}"
    )


def _way(change: float) -> str:
    size = rounded(abs(100.0 * change)).removesuffix(".0")
    return f"{size} % {'higher' if change > 0.0 else 'lower'}"


def _probabilities_text(document: Document) -> list[str]:
    error = known(part_of(document, "probability").get("ece10"))
    return [] if error is None else [f"probabilities of a sale are off by {error:.3f} on average"]


def _history_text(events: Sequence[Event]) -> list[str]:
    """How often factors were changed, and what the last change did."""
    changing = [event for event in events if event.changes]
    if not changing:
        return ["no factor was changed so far"] if events else []
    last = changing[-1]
    named = [
        f"{short(name)} {number_text(before)} → {number_text(after)}"
        for name, (before, after) in list(last.changes.items())[:3]
    ]
    more = f" and {len(last.changes) - 3:,} more" if len(last.changes) > 3 else ""
    times = "once" if len(changing) == 1 else f"{len(changing):,} times"
    return [f"factors were changed {times}, last on {last.when[:10]}: {', '.join(named)}{more}"]


def facts(document: Document, events: Sequence[Event]) -> list[str]:
    """What the answer was made of, and what else there is to know."""
    price = part_of(document, "price")
    parts = [
        _counts_text(document),
        _figure_text("MAE", price, "mae"),
        _figure_text("bias", price, "bias"),
    ]
    first = " · ".join(part for part in parts if part)
    probabilities = [
        f"{text} (ECE of ten bins; as many items of a perfect model: {_perfect(document)})"
        for text in _probabilities_text(document)
    ]
    said = answer(document, events).casefold()
    found = [first, *probabilities, *_history_text(events)]
    return [_sentence(text) for text in found if text and text.casefold() != said]


def _counts_text(document: Document) -> str:
    pairs = known(part_of(document, "price").get("n"))
    matched = known(part_of(document, "data", "keys").get("matched"))
    joined = f" of {count_text(int(matched))} matched keys" if matched is not None else ""
    return f"{count_text(int(pairs))} price pairs{joined}" if pairs is not None else ""


def _figure_text(title: str, figures: Document, name: str) -> str:
    value, ends = known(figures.get(name)), figures.get(f"{name}_interval")
    if value is None:
        return ""
    within = f" (95 %: {rounded(ends[0])} to {rounded(ends[1])})" if ends else ""
    return f"{title} {rounded(value)}{within}"


def _perfect(document: Document) -> str:
    return number_text(known(part_of(document, "probability").get("ece10_perfect")))


def probability_note(document: Document) -> str:
    """The figures of the calibration curve."""
    found = part_of(document, "probability")
    count = count_text(int(known(found.get("n")) or 0))
    error = number_text(known(found.get("ece10")))
    return f"ECE10 {error}, a perfect model {_perfect(document)}; {count} items"


def factor_text(row: Row) -> str:
    """The factor in force, the suggested one, and whether to believe it."""
    before, after = number_text(row["before"]), number_text(row["suggested"])
    return f"{before} → {after}, {row['status']}"


def changed_text(events: Sequence[Event], group: str) -> str:
    """The first and the last factor of a group, and how far they are apart."""
    factors = [
        factor
        for event in events
        for side in (("before",) if event.action == "run" else ("before", "after"))
        if (factor := known(part_of(event.row, side).get(group))) is not None
    ]
    if not factors:
        return "never in force"
    change = change_of(factors[0], factors[-1])
    if not change:
        return f"{number_text(factors[-1])}, as before"
    return f"{number_text(factors[0])} → {number_text(factors[-1])}, {_way(change)}"


def undrawn_text(names: Sequence[str]) -> str:
    """Which groups have no picture."""
    if not names:
        return ""
    return f"Not drawn, since others need a look first: {enumerated(names)}."
