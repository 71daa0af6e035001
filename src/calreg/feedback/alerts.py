"""Alert rules on the figures of a run: `mae:+50%`, `abs(bias)>0.10`.

A rule is a value and its text. One that compares looks at a metric's change since a
baseline, an earlier run or the middle of several; one that limits looks at the metric
alone, and at prices relative to the mean outcome. What cannot be told is an alert, too: a
figure that is missing never passes. Nothing here exits or prints.

To add a metric: a line in `METRICS`, in the unit it has.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from numbers import Real
from statistics import median
from typing import Any, Literal, TypeAlias

from calreg.errors import UsageError
from calreg.names import nearest

__all__ = [
    "EXAMPLES",
    "METRICS",
    "Alert",
    "AlertRule",
    "Figures",
    "baseline_of",
    "evaluate",
    "parse_alert",
]

EXAMPLES = ("mae:+50%", "sell_through:-20%", "abs(bias)>0.10", "median_ratio<0.9")
"""One rule of every form, as it is written."""

Unit: TypeAlias = Literal["price", "ratio", "days"]

METRICS: Mapping[str, Unit] = {
    "mae": "price",
    "rmse": "price",
    "bias": "price",
    "mape": "ratio",
    "median_ratio": "ratio",
    "brier": "ratio",
    "ece10": "ratio",
    "sell_through": "ratio",
    "median_days": "days",
}
"""What a rule may be about. Prices are limited relative to the mean outcome."""

MEAN_OUTCOME = "mean_outcome"
"""The figure that prices are relative to."""

Figures: TypeAlias = Mapping[str, float | None]
"""The figures of one run, of all rows or of one group: metric to number, None for absent."""

Verdict: TypeAlias = Literal["fired", "could_not_tell"]

_SUBJECT = r"\s*(?:(?P<abs>abs)\(\s*(?P<inner>\w+)\s*\)|(?P<metric>\w+))\s*"
_NUMBER = r"(?:[0-9]{1,9}(?:\.[0-9]{1,15})?|\.[0-9]{1,15})"
_CHANGE = re.compile(rf"{_SUBJECT}:\s*(?P<sign>[+-])\s*(?P<number>{_NUMBER})\s*%\s*", re.ASCII)
_LIMIT = re.compile(
    rf"{_SUBJECT}(?P<sign>[<>]=?)\s*(?P<number>-?{_NUMBER})\s*(?P<percent>%?)\s*", re.ASCII
)
_SIGNED = frozenset({"bias"})


@dataclass(frozen=True, slots=True)
class AlertRule:
    """When a figure is worth a person's attention; made by `parse_alert`.

    Args:
        metric: One of `METRICS`.
        is_absolute: Whether its sign does not count.
        sign: `+` and `-` for a change since the baseline; `>`, `>=`, `<`, `<=` for a limit.
        number: The change as a share (0.5 is 50 %), or the limit.
    """

    metric: str
    is_absolute: bool
    sign: Literal["+", "-", ">", ">=", "<", "<="]
    number: float

    @property
    def compares(self) -> bool:
        """Whether the rule needs a baseline."""
        return self.sign in {"+", "-"}

    @property
    def text(self) -> str:
        """The canonical text: one per rule, and `parse_alert` reads it back.

        >>> parse_alert("abs( bias ) > 10%").text
        'abs(bias)>0.1'
        """
        subject = f"abs({self.metric})" if self.is_absolute else self.metric
        if self.compares:
            return f"{subject}:{self.sign}{_written(float(f'{self.number * 100:.15g}'))}%"
        return f"{subject}{self.sign}{_written(self.number)}"


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule that did not pass: it fired, or nobody could tell.

    `value` is the figure judged (of prices, under a limit: relative to the mean outcome)
    and `limit` what it had to stay clear of, `baseline` the figure it was compared with;
    None where there is none. `place` is the group, None for all rows.
    """

    rule: str
    metric: str
    place: str | None
    verdict: Verdict
    value: float | None
    limit: float | None
    baseline: float | None
    reason: str

    def to_json(self) -> dict[str, Any]:
        """The alert as plain values."""
        return asdict(self)


def parse_alert(text: str) -> AlertRule:
    """The rule that a text names.

    `mae:+50%` fires where MAE is at least half as high again as the baseline's, and
    `sell_through:-20%` where sell-through lost at least a fifth; `abs(bias)>0.10` where the
    bias is more than a tenth of the mean outcome either way (for a ratio or days, the limit
    is the number itself).

    Raises:
        UsageError: It names none, an unknown metric, or a number that makes no sense.

    >>> parse_alert("mae:+50%")
    AlertRule(metric='mae', is_absolute=False, sign='+', number=0.5)
    """
    found = _CHANGE.fullmatch(text) or _LIMIT.fullmatch(text)
    if found is None:
        raise _no_rule(text)
    part: dict[str, Any] = found.groupdict()
    metric = _known(text, part["inner"] or part["metric"])
    is_absolute, sign = part["abs"] is not None, part["sign"]
    is_share = "percent" not in part or bool(part["percent"])
    number = float(part["number"])
    rule = AlertRule(metric, is_absolute, sign, _shared(number) if is_share else number)
    _refuse_senseless(text, rule)
    return rule


def evaluate(
    rules: Iterable[AlertRule],
    figures: Figures,
    baseline: Figures | None = None,
    *,
    place: str | None = None,
) -> tuple[Alert, ...]:
    """The rules that do not pass, in their order: those that fired and those nobody can tell.

    Args:
        rules: What to look at.
        figures: The run's, with `mean_outcome` for limits on prices.
        baseline: What changes are measured from; None where there is no earlier run.
        place: The group that the figures are of, None for all rows.

    >>> [alert] = evaluate([parse_alert("mae:+50%")], {"mae": 9.0}, {"mae": 4.0})
    >>> alert.verdict, alert.limit, alert.reason
    ('fired', 6.0, 'mae rose from 4 to 9 (+125 %)')
    """
    judged = (
        _change(rule, figures, baseline, place) if rule.compares else _limit(rule, figures, place)
        for rule in rules
    )
    return tuple(alert for alert in judged if alert is not None)


def baseline_of(history: Sequence[Figures], *, last: int = 1) -> dict[str, float] | None:
    """What to measure changes from: per metric, the median of the last runs that have it.

    Args:
        history: The figures of earlier runs, oldest first, the one judged not among them.
        last: How many runs count; 1 is the run before. A baseline of several shows a slow
            creep that no two neighbouring runs show.

    Returns:
        Metric to number, without those that none of the runs has; None without a run.

    Raises:
        UsageError: `last` is below 1.

    >>> baseline_of([{"mae": 4.0}, {"mae": 9.0}, {"mae": 5.0}], last=3)
    {'mae': 5.0}
    """
    if last < 1:
        raise UsageError(f"expected at least 1 run to compare with, got {last}", code="alert")
    runs = history[-last:]
    if not runs:
        return None
    metrics = {metric: None for run in runs for metric in run}
    known = {
        metric: [value for run in runs if (value := _figure(run, metric)) is not None]
        for metric in metrics
    }
    return {metric: median(values) for metric, values in known.items() if values}


def _change(
    rule: AlertRule, figures: Figures, baseline: Figures | None, place: str | None
) -> Alert | None:
    value, before = _judged(rule, figures), _judged(rule, baseline or {})
    if value is None:
        return _untold(rule, place, None, before, _absence(figures, rule.metric))
    if before is None:
        missing = "there is no earlier run"
        if baseline is not None:
            missing = f"in the baseline {_absence(baseline, rule.metric)}"
        return _untold(rule, place, value, None, f"{rule.metric} is {value:.6g}, {missing}")
    if before < 0.0:
        reason = f"the baseline is negative, {before:.6g}: no share of it is a change"
        return _untold(rule, place, value, before, reason)
    share = rule.number if rule.sign == "+" else -rule.number
    limit = before + before * share
    # Of nothing there is no share: only staying at nothing passes.
    is_clear = value < limit if rule.sign == "+" else value > limit
    if is_clear or value == before == 0.0:
        return None
    percent = f" ({(value - before) / before:+.0%})".replace("%", " %") if before > 0.0 else ""
    way = "rose" if value > before else "fell"
    reason = f"{_subject(rule)} {way} from {before:.6g} to {value:.6g}{percent}"
    return Alert(rule.text, rule.metric, place, "fired", value, limit, before, reason)


def _limit(rule: AlertRule, figures: Figures, place: str | None) -> Alert | None:
    value = _judged(rule, figures)
    if value is None:
        return _untold(rule, place, None, None, _absence(figures, rule.metric))
    relative = ""
    if METRICS[rule.metric] == "price":
        mean = _figure(figures, MEAN_OUTCOME)
        if mean is None or not mean > 0.0:
            got = _absence(figures, MEAN_OUTCOME) if mean is None else f"it is {mean:.6g}"
            reason = f"{rule.metric} is {value:.6g}, no share of the mean outcome: {got}"
            return _untold(rule, place, None, None, reason)
        value /= mean
        relative = f" of the mean outcome, {mean:.6g}"
    if not _crosses(value, rule):
        return None
    reason = f"{_subject(rule)} is {value:.4g}{relative}"
    return Alert(rule.text, rule.metric, place, "fired", value, rule.number, None, reason)


def _crosses(value: float, rule: AlertRule) -> bool:
    match rule.sign:
        case ">":
            return value > rule.number
        case ">=":
            return value >= rule.number
        case "<":
            return value < rule.number
        case _:
            return value <= rule.number


def _untold(
    rule: AlertRule, place: str | None, value: float | None, baseline: float | None, reason: str
) -> Alert:
    limit = None if rule.compares else rule.number
    return Alert(
        rule.text,
        rule.metric,
        place,
        "could_not_tell",
        value,
        limit,
        baseline,
        f"could not tell: {reason}",
    )


def _judged(rule: AlertRule, figures: Figures) -> float | None:
    value = _figure(figures, rule.metric)
    return abs(value) if value is not None and rule.is_absolute else value


def _figure(figures: Figures, metric: str) -> float | None:
    """The figure as a finite number; None for what is none."""
    value = figures.get(metric)
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    return float(value) if math.isfinite(value) else None


def _absence(figures: Figures, metric: str) -> str:
    value = figures.get(metric)
    return f"{metric} is {'missing' if value is None else repr(value)}"


def _subject(rule: AlertRule) -> str:
    return f"abs({rule.metric})" if rule.is_absolute else rule.metric


def _known(text: str, metric: str) -> str:
    if metric in METRICS:
        return metric
    raise UsageError(
        f"{text!r}: unknown metric {metric!r}", hint=nearest(metric, METRICS), code="alert"
    )


def _refuse_senseless(text: str, rule: AlertRule) -> None:
    if rule.compares:
        if rule.metric in _SIGNED and not rule.is_absolute:
            raise _senseless(
                text, "no share of what may be negative", f"Write abs({rule.metric}):+50%."
            )
        if not rule.number > 0.0:
            raise _senseless(text, "a change above 0 %", f"for example {rule.metric}:+50%")
        if rule.sign == "-" and not rule.number <= 1.0:
            raise _senseless(text, "a fall of at most 100 %", f"for example {rule.metric}:-20%")
    elif rule.is_absolute and rule.number < 0.0:
        raise _senseless(text, "a limit of at least 0 for abs(…)", "for example abs(bias)>0.10")


def _senseless(text: str, expected: str, hint: str) -> UsageError:
    return UsageError(f"{text!r}: expected {expected}", hint=hint, code="alert")


def _no_rule(text: str) -> UsageError:
    """Refuse a text, with the form that was probably meant."""
    expected = "expected METRIC:+N%, METRIC:-N%, METRIC>N or abs(METRIC)>N"
    hint = f"for example {' or '.join(EXAMPLES[:3])}"
    metric, colon, change = text.partition(":")
    if colon and re.fullmatch(rf"\s*[+-]?\s*{_NUMBER}\s*%?\s*", change, re.ASCII):
        number = change.strip().strip("+-% ")
        sign = "-" if "-" in change else "+"
        hint = f"Did you mean {metric.strip()}:{sign}{number}%?"
    return UsageError(f"{text[:80]!r}: {expected}", hint=hint, code="alert")


def _shared(percent: float) -> float:
    # As the decimal that was written: 7 % is 0.07.
    return float(f"{percent / 100.0:.15g}")


def _written(number: float) -> str:
    return f"{Decimal(repr(number)):f}".removesuffix(".0")
