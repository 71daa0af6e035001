"""What two sets of calibrations make of a library: what changes, and what need not be touched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.text import Text

from calreg.report.numbers import UNICODE, Signs, count_text, number_text, plural
from calreg.report.table import Column, rows
from calreg.retag import LabelCounts, Mover, RetagCounts, RetagRules

__all__ = ["retag_json", "retag_lines"]

_MAX_LABELS = 20
_DIGITS = 4


def retag_lines(
    counts: RetagCounts,
    rules: RetagRules,
    sides: tuple[str, str],
    *,
    width: int | None,
    signs: Signs = UNICODE,
) -> list[Text]:
    """Labels by the share of their scores that changes, the farthest movers, what it comes to."""
    lines = [_title(rules, sides, signs)]
    changed = sorted(
        (one for one in counts.labels if one.changed), key=lambda one: -one.changed / one.scores
    )
    if changed:
        columns = _label_columns(changed[:_MAX_LABELS], counts, signs)
        lines += [Text(), *rows(columns, width=width, signs=signs)]
    lines += _rest(len(changed[_MAX_LABELS:]), len(counts.labels) - len(changed), signs)
    if counts.movers:
        lines += [Text(), *rows(_mover_columns(counts.movers, signs), width=width, signs=signs)]
    return [*lines, Text(), *_sum(counts, signs)]


def _title(rules: RetagRules, sides: tuple[str, str], signs: Signs) -> Text:
    cuts = ", ".join(f"{cut:g}" for cut in rules.tiers)
    what = signs.joined(
        [f"a value moves by {rules.min_change:g} or more", "fired", f"tier {cuts}" if cuts else ""]
    )
    return Text.assemble((f"Retag  {sides[0]} {signs.arrow} {sides[1]}", "bold"), f"  {what}")


def _label_columns(shown: Sequence[LabelCounts], counts: RetagCounts, signs: Signs) -> list[Column]:
    present = [name for name, total in counts.reasons.items() if total]
    return [
        Column("head", [one.head.full for one in shown], can_shrink=True),
        Column("label", [one.label for one in shown], can_shrink=True),
        Column("scores", [count_text(one.scores) for one in shown], is_right=True),
        Column("change", [count_text(one.changed) for one in shown], is_right=True),
        Column("share", [share_text(one.changed / one.scores) for one in shown], is_right=True),
        *(
            Column(name, [_or_nothing(one.reasons[name], signs) for one in shown], is_right=True)
            for name in present
        ),
    ]


def _or_nothing(count: int, signs: Signs) -> str:
    return count_text(count) if count else signs.nothing


def share_text(share: float) -> str:
    """A share in per cent, never rounded to nothing or to all.

    >>> share_text(0.0812), share_text(0.0), share_text(1e-5), share_text(0.99999)
    ('8.1 %', '0 %', '< 0.1 %', '> 99.9 %')
    """
    if share in {0.0, 1.0}:
        return f"{100 * share:.0f} %"
    if share < 0.001:
        return "< 0.1 %"
    return "> 99.9 %" if share > 0.999 else f"{100 * share:.1f} %"


def _rest(more: int, same: int, signs: Signs) -> list[Text]:
    parts = [
        f"{more:,} more change (all with --json)" if more else "",
        f"{plural(same, 'label does', 'labels do')} not change" if same else "",
    ]
    text = signs.joined(parts)
    return [Text(f"{signs.more} {text}", "dim")] if text else []


def _mover_columns(movers: Sequence[Mover], signs: Signs) -> list[Column]:
    def numbers(name: str, values: Sequence[float]) -> Column:
        cells = [number_text(value, digits=_DIGITS, signs=signs) for value in values]
        return Column(name, cells, is_right=True)

    items = [one.item if one.item is not None else signs.nothing for one in movers]
    return [
        Column("farthest", items, can_shrink=True),
        Column("head", [one.head.full for one in movers], can_shrink=True),
        Column("label", [one.label for one in movers], can_shrink=True),
        numbers("score", [one.score for one in movers]),
        numbers("before", [one.before for one in movers]),
        numbers("after", [one.after for one in movers]),
        Column("why", [one.why for one in movers]),
    ]


def _sum(counts: RetagCounts, signs: Signs) -> list[Text]:
    why = [f"{total:,} {name}" for name, total in counts.reasons.items() if total]
    scores = f"{counts.changed:,} of {plural(counts.scores, 'score')} change"
    lines = [Text(f"{scores}{': ' if why else ''}{signs.joined(why)}")]
    if counts.unreadable:
        lines.append(Text(f"{plural(counts.unreadable, 'score')} unreadable, left as they are"))
    if counts.absent:
        named = ", ".join(name.full for name in counts.absent[:3])
        more = f" and {len(counts.absent) - 3} more" if len(counts.absent) > 3 else ""
        lines.append(Text(f"! changed too, but without scores here: {named}{more}", "yellow"))
    saved = f"{share_text(counts.saved)} of the library saved"
    if counts.items is None or counts.changed_items is None:
        lines.append(Text(f"{saved} (of scores: no column names the items)", "bold"))
    else:
        again = f"{counts.changed_items:,} of {plural(counts.items, 'item')} to tag again"
        lines.append(Text(signs.joined([again, saved]), "bold"))
    return lines


def retag_json(counts: RetagCounts, rules: RetagRules, sides: tuple[str, str]) -> dict[str, Any]:
    """The same for programs, unrounded and of all labels."""
    heads: dict[str, dict[str, Any]] = {}
    for one in counts.labels:
        found = {"scores": one.scores, "changed": one.changed, "reasons": dict(one.reasons)}
        heads.setdefault(one.head.full, {})[one.label] = found
    return {
        "from": sides[0],
        "to": sides[1],
        "min_change": rules.min_change,
        "tiers": list(rules.tiers),
        "rows": counts.rows,
        "scores": counts.scores,
        "unreadable": counts.unreadable,
        "changed": counts.changed,
        "reasons": counts.reasons,
        "items": counts.items,
        "changed_items": counts.changed_items,
        "saved": counts.saved,
        "heads": heads,
        "movers": [_mover_json(one) for one in counts.movers],
        "absent": [name.full for name in counts.absent],
    }


def _mover_json(mover: Mover) -> dict[str, Any]:
    return {
        "item": mover.item,
        "head": mover.head.full,
        "label": mover.label,
        "score": mover.score,
        "before": mover.before,
        "after": mover.after,
        "why": mover.why.split("+"),
    }
