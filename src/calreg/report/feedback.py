"""What predictions and outcomes say: how far off, by group, and which factors would mend it.

The first line answers, the table shows it, the groups that need a factor first. What one
should know before believing a figure stands below; `--json` has every figure unrounded.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from calreg.documents import Suggestions
from calreg.feedback.alerts import Alert, AlertRule
from calreg.feedback.values import REASONS, Reject
from calreg.report.numbers import UNICODE, Signs, count_text, number_text, plural
from calreg.report.table import Column, fits, rows

__all__ = ["alert_lines", "factor_text", "feedback_lines", "money_text"]

_MAX_GROUPS = 40
_MAX_REJECTS = 10
_MAX_NUMBERS = 100
_ORDER = {"ok": 0, "within_noise": 1, "too_few": 2}
_WORDS = {"ok": "another factor", "within_noise": "within noise", "too_few": "too few pairs"}
# What narrow terminals go without, first to last.
_LESS = ({"sold"}, {"RMSE"}, {"MAPE"}, {"ratio 95 %"}, {"bias"})

_Json = Mapping[str, Any]


def money_text(value: float | None, *, signs: Signs = UNICODE) -> str:
    """A price, in its own unit.

    >>> money_text(-1.4447878), money_text(None)
    ('-1.44', '–')
    """
    return number_text(value, digits=2, signs=signs)


def factor_text(value: float | None, *, signs: Signs = UNICODE) -> str:
    """A factor with four decimals.

    >>> factor_text(0.85)
    '0.8500'
    """
    return number_text(value, digits=4, signs=signs)


def feedback_lines(
    document: Suggestions, rejects: Sequence[Reject], *, width: int | None, signs: Signs = UNICODE
) -> list[Text]:
    """The report of one run.

    Args:
        document: What the run said.
        rejects: What was not accepted, by place.
        width: Columns of the terminal; None: no limit.
        signs: What the stream can show.
    """
    return [
        *_reading(document, rejects, signs),
        Text(),
        Text(_answer(document), "bold"),
        Text(),
        *_table(document, width, signs),
        Text(),
        *_probability(document.probability, signs),
        *_holding(document.holding, signs),
        *(Text.assemble(("! ", "yellow"), warning) for warning in document.warnings or ()),
    ]


def _reading(document: Suggestions, rejects: Sequence[Reject], signs: Signs) -> list[Text]:
    keys = document.data["keys"]
    before, after = document.data.get("rows", (0, 0))
    lines = [
        Text(
            "Joined   "
            + signs.joined(
                [
                    f"{before:,} predictions and {after:,} outcomes",
                    f"{plural(keys['matched'], 'key')} matched",
                    f"{keys['predicted_only']:,} predicted only",
                    f"{keys['outcome_only']:,} outcome only",
                    _twice(keys),
                ]
            )
        )
    ]
    counts: Mapping[str, int] = document.data["rejects"]
    if not counts:
        return lines
    told = ", ".join(f"{count:,} {REASONS.get(why, why)}" for why, count in sorted(counts.items()))
    lines.append(Text.assemble(("! ", "yellow"), f"{sum(counts.values()):,} rejected ({told}):"))
    # What is no row at all first, whatever line it stands on.
    ordered = sorted(rejects, key=lambda one: one.reason != "garbled")
    lines += [Text(f"  {reject}") for reject in ordered[:_MAX_REJECTS]]
    if len(ordered) > _MAX_REJECTS:
        lines += _rest(ordered[_MAX_REJECTS:], signs)
    return lines


def _rest(rejects: Sequence[Reject], signs: Signs) -> list[Text]:
    """The others: a count per file, and the numbers of lines that are no rows."""
    garbled = [f"{one.line:,}" for one in rejects if one.reason == "garbled" and one.line]
    where = Counter(one.source for one in rejects)
    files = ", ".join(
        f"{count:,} in {source if source.isprintable() else repr(source)}"
        for source, count in sorted(where.items())
    )
    lines = [Text(f"  {signs.more} and {files} (all with --json)", "dim")]
    if garbled:
        more = f" {signs.more}" if len(garbled) > _MAX_NUMBERS else ""
        lines.append(
            Text(f"  garbled, too: lines {', '.join(garbled[:_MAX_NUMBERS])}{more}", "dim")
        )
    return lines


def _twice(keys: _Json) -> str:
    more = keys["predicted_more_than_once"], keys["outcome_more_than_once"]
    return f"{more[0]:,} and {more[1]:,} keys more than once" if any(more) else ""


def _answer(document: Suggestions) -> str:
    """How far off the predictions were, in a sentence."""
    price = document.price
    if not price["n"]:
        return "No item has both a predicted and a realized price: nothing is said of prices."
    bias, mean = price["bias"], price.get("mean_outcome")
    way = "too dear" if bias > 0 else "too cheap"
    share = f" ({100.0 * abs(bias) / mean:.1f} % of the mean outcome)" if mean else ""
    asked = sum(one["status"] == "ok" for one in document.suggestions.values())
    groups = plural(asked, "group asks", "groups ask") if asked else "no group asks"
    error = f"{money_text(abs(bias))} {way} on average{share}"
    return f"Predictions were {error}; {groups} for another factor."


def _table(document: Suggestions, width: int | None, signs: Signs) -> list[Text]:
    found = document.suggestions
    ordered = sorted(document.groups, key=lambda group: _rank(group, found.get(group)))
    shown = ordered[: _MAX_GROUPS if width is not None else None]
    columns = _columns(document, shown, signs)
    for headers in _LESS:
        if not fits(columns, width):
            columns = [column for column in columns if column.header not in headers]
    lines = rows(columns, width=width, signs=signs)
    if more := len(ordered) - len(shown):
        lines.append(Text(f"{signs.more} {more:,} more groups (all in a pipe, or --json)", "dim"))
    return lines


def _rank(group: str, one: _Json | None) -> tuple[float, float, str]:
    if one is None:
        return 3, 0.0, group
    wanted = one["suggested_factor"]
    move = abs(math.log(wanted / one["current_factor"])) if wanted else 0.0
    return _ORDER.get(one["status"], 3), -move, group


def _columns(document: Suggestions, groups: Sequence[str], signs: Signs) -> list[Column]:
    """A line per group, and one of all of them at the end."""
    figures = [*(document.groups[group] for group in groups), document.price]
    found = [document.suggestions.get(group, {}) for group in groups] + [{}]
    held = [
        *(document.groups[group].get("holding") or {} for group in groups),
        document.holding,
    ]

    def money(name: str) -> Column:
        cells = [money_text(one.get(name), signs=signs) for one in figures]
        return Column(_HEADERS[name], cells, is_right=True)

    return [
        Column("group", [*groups, "all"], can_shrink=True),
        Column("pairs", [count_text(one["n"]) for one in figures], is_right=True),
        money("mae"),
        money("rmse"),
        money("bias"),
        Column("MAPE", [_percent(one.get("mape"), signs) for one in figures], is_right=True),
        Column("sold", [_percent(one.get("sell_through"), signs) for one in held], is_right=True),
        Column(
            "outcome/prediction",
            [number_text(one["median_ratio"], signs=signs) for one in figures],
            is_right=True,
        ),
        Column(
            "ratio 95 %",
            [_interval(one.get("median_ratio_interval"), signs) for one in figures],
            is_right=True,
        ),
        Column("factor", [_factor(one, "current_factor", signs) for one in found], is_right=True),
        Column(
            "suggested", [_factor(one, "suggested_factor", signs) for one in found], is_right=True
        ),
        Column("", [_status(one.get("status"), signs) for one in found]),
    ]


_HEADERS = {"mae": "MAE", "rmse": "RMSE", "bias": "bias"}


def _percent(value: float | None, signs: Signs) -> str:
    return signs.nothing if value is None else f"{100.0 * value:.1f} %"


def _interval(ends: Sequence[float] | None, signs: Signs) -> str:
    return signs.nothing if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}"


def _factor(one: _Json, name: str, signs: Signs) -> str:
    return factor_text(one.get(name), signs=signs) if one else ""


def _status(status: str | None, signs: Signs) -> Text:
    if status is None:
        return Text()
    if status == "ok":
        return Text(f"{signs.failed} {_WORDS[status]}", "yellow")
    return Text(_WORDS.get(status, status), "dim")


def _probability(found: _Json, signs: Signs) -> list[Text]:
    if not found["n"]:
        return [Text("Probabilities: none of a row that is known to have sold or not")]
    perfect = found.get("ece10_perfect")
    parts = [
        f"Probabilities of {count_text(found['n'])}",
        f"Brier {number_text(found['brier'], digits=4, signs=signs)}",
        f"ECE10 {number_text(found['ece10'], digits=4, signs=signs)}"
        + (f" (a perfect model's here {number_text(perfect, digits=4)})" if perfect else ""),
        f"said {_percent(found.get('mean_probability'), signs)}",
        f"came {_percent(found.get('base_rate'), signs)}",
    ]
    return [Text(signs.joined(parts))]


def _holding(found: _Json, signs: Signs) -> list[Text]:
    if not found["n"]:
        return []
    days, said = found["median_days"], found.get("predicted_median_days")
    parts = [
        f"Sold {found['sold']:,} of {found['n']:,} ({_percent(found['sell_through'], signs)})",
        _days(days),
        f"predicted {said:.3g} days" if said is not None else "",
        f"{found['censored']:,} unsold count as held longer" if found.get("censored") else "",
    ]
    return [Text(signs.joined(parts))]


def _days(days: float | None) -> str:
    if days is None:
        return "fewer than half sold in time: no median of days"
    return f"median {days:.3g} days to sell"


def alert_lines(
    alerts: Sequence[Alert], waiting: Sequence[AlertRule], *, signs: Signs = UNICODE
) -> list[Text]:
    """Which rules did not pass, and which wait for an earlier run to compare with."""
    lines = []
    for alert in alerts:
        place = f"{alert.place}: " if alert.place is not None else ""
        sign = signs.failed if alert.verdict == "fired" else "?"
        text = f"{place}{alert.reason} (rule {alert.rule})"
        lines.append(Text.assemble((f"{sign} alert: ", "red"), text))
    if waiting:
        rules = ", ".join(rule.text for rule in waiting)
        lines.append(
            Text(f"No earlier run to compare with yet: {rules} waits for the next.", "dim")
        )
    return [Text(), *lines] if lines else []
