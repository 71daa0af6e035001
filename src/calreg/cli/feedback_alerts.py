"""Alert rules on runs of the feedback, and what they mean for the exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calreg.feedback.alerts import Alert, AlertRule, baseline_of, evaluate, parse_alert

__all__ = ["FIRED", "UNTOLD", "Judged", "Watch", "figures_of", "judge"]

FIRED = 1
UNTOLD = 3

_LEAST_PAIRS = 10  # a group of fewer says nothing that somebody should be called for


@dataclass(frozen=True, slots=True)
class Watch:
    """What was asked for: the rules, how many earlier runs to compare with, and groups too."""

    rules: tuple[AlertRule, ...]
    last: int = 1
    groups: bool = False

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Watch:
        """The watch that options of a command describe.

        Raises:
            UsageError: A rule that is none.
        """
        rules = tuple(parse_alert(text) for text in options["alerts"])
        return cls(rules, options["baseline"], options["alert_groups"])


@dataclass(frozen=True, slots=True)
class Judged:
    """The rules that did not pass, apart from those that wait for a second run."""

    alerts: tuple[Alert, ...]
    waiting: tuple[AlertRule, ...] = ()

    @property
    def untold(self) -> tuple[Alert, ...]:
        """The alerts that nobody can tell."""
        return tuple(alert for alert in self.alerts if alert.verdict == "could_not_tell")

    @property
    def exit_code(self) -> int:
        """1 if one fired, 3 if one could not be told, else 0."""
        if len(self.untold) < len(self.alerts):
            return FIRED
        return UNTOLD if self.alerts else 0


def judge(watch: Watch, line: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]]) -> Judged:
    """What the rules say of one run's line.

    Args:
        watch: What was asked for.
        line: The run's line of the history.
        earlier: The lines of runs before it; those of the same data are no comparison.
    """
    before = [one for one in earlier if one["data_digest"] != line["data_digest"]]
    baseline = baseline_of([figures_of(one) for one in before], last=watch.last)
    waiting = tuple(rule for rule in watch.rules if rule.compares and baseline is None)
    rules = [rule for rule in watch.rules if rule not in waiting]
    alerts = list(evaluate(rules, figures_of(line), baseline))
    if watch.groups:
        for group, figures in (line.get("groups") or {}).items():
            if (figures.get("n") or 0) < _LEAST_PAIRS:
                continue
            known = [one["groups"][group] for one in before if group in (one.get("groups") or {})]
            found = evaluate(
                rules, figures, baseline_of(known, last=watch.last) or None, place=group
            )
            alerts += [alert for alert in found if alert.verdict == "fired"]
    return Judged(tuple(alerts), waiting)


def figures_of(line: Mapping[str, Any]) -> dict[str, Any]:
    """Figure to number of all rows of a run."""
    return {
        name: value
        for kind in ("price", "probability", "holding")
        for name, value in (line.get(kind) or {}).items()
        if name != "n"
    }
