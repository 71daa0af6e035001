"""By which rule one way of calibrating is recommended over the others, in words and numbers.

A rule is one figure to have as good as possible, within limits on others. Where nobody
states one, it is what the options were tuned for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from calreg.calibrate.objectives import Objective
from calreg.documents import Json
from calreg.errors import InputError
from calreg.evaluate import LabelEvidence
from calreg.tuning.figures import Figure, Together, figure_named, figure_of_labels
from calreg.tuning.request import Request

__all__ = ["Bound", "Rule", "derived_rule", "stated_rule"]

Limits = Mapping[str, float | Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit on a figure of each label: by label, or one for all of them.

    `limit` is the most where less is better, the least where more is.
    """

    figure: Figure
    limit: float | Mapping[str, float]

    def of(self, label: str) -> float | None:
        """The limit of one label; None where it has none."""
        return self.limit.get(label) if isinstance(self.limit, Mapping) else self.limit

    @property
    def text(self) -> str:
        """The limit in words."""
        side = "at least" if self.figure.is_better_high else "at most"
        if not isinstance(self.limit, Mapping):
            return f"every {self.figure.words} {side} {self.limit:g}"
        parts = [f"of {label} {side} {limit:g}" for label, limit in self.limit.items()]
        return f"{self.figure.words} {', '.join(parts)}"

    def broken_by(self, label: str, evidence: LabelEvidence) -> str | None:
        """In words how a label breaks the limit; None where it keeps it or has none."""
        limit = self.of(label)
        if limit is None:
            return None
        value = self.figure.of(evidence)
        if value is None:
            return f"{self.figure.words} of {label} is not defined"
        if self.figure.keeps(value, limit):
            return None
        verb = "is below" if self.figure.is_better_high else "exceeds"
        text = f"{self.figure.words} of {label} {_unlike(value, limit)} {verb} {limit:g}"
        low, high = evidence.intervals.get(self.figure.name, (value, value))
        if low <= limit <= high:
            text += f" (which lies within its interval, {low:.3f} to {high:.3f})"
        return text

    def to_json(self) -> float | dict[str, float]:
        """As a comparison's file says it."""
        return dict(self.limit) if isinstance(self.limit, Mapping) else self.limit


def _unlike(value: float, other: float) -> str:
    """A value with three decimals, or as many as tell it from the other."""
    for digits in range(3, 17):
        text = f"{value:.{digits}f}"
        if float(text) != float(f"{other:.{digits}f}"):
            return text
    return repr(value)


@dataclass(frozen=True, slots=True)
class Rule:
    """What to have as good as possible, within which limits; `is_derived` if nobody said so."""

    best: Together
    bounds: tuple[Bound, ...] = ()
    is_derived: bool = False

    @property
    def text(self) -> str:
        """The rule in words."""
        most = "highest" if self.best.figure.is_better_high else "lowest"
        limits = " and ".join(bound.text for bound in self.bounds)
        return f"{most} {self.best.words}{f' with {limits}' if limits else ''}"

    def compared(self, value: float, other: float) -> str:
        """Two values of the figure, the worse one first, in words.

        >>> stated_rule("macro_f1", None, {}).compared(0.41, 0.5218)
        'macro F1 0.410 < 0.522'
        """
        sign = "<" if self.best.figure.is_better_high else ">"
        return f"{self.best.words} {_unlike(value, other)} {sign} {_unlike(other, value)}"

    def to_json(self) -> Json:
        """The rule for a program."""
        side = "maximize" if self.best.figure.is_better_high else "minimize"
        return {
            "text": self.text,
            side: self.best.name,
            "limits": {bound.figure.name: bound.to_json() for bound in self.bounds},
            "is_derived": self.is_derived,
        }


def stated_rule(maximize: str | None, minimize: str | None, limits: Limits) -> Rule:
    """The rule that somebody stated.

    Raises:
        InputError: No figure or two, an unknown one, or one to have as bad as possible.
    """
    if (maximize is None) == (minimize is None):
        raise InputError(
            "expected either maximize or minimize",
            hint="maximize: macro_recall, or minimize: macro_nll",
            code="rule",
        )
    best = figure_of_labels(maximize or minimize or "")
    if best.figure.is_better_high != (maximize is not None):
        meant = "maximize" if best.figure.is_better_high else "minimize"
        raise InputError(
            f"{best.words} is better {'higher' if best.figure.is_better_high else 'lower'}",
            hint=f"{meant}: {best.name}",
            code="rule",
        )
    return Rule(best, tuple(Bound(figure_named(name), limit) for name, limit in limits.items()))


def derived_rule(requests: Sequence[Request], labels: Iterable[str]) -> Rule:
    """The rule that objectives imply: what they have as good as possible, within their limits.

    Where options have several kinds of objectives, a limit on the FPR comes before one on
    recall or precision, these before F-measures, Youden's J and costs. Of different limits
    on one label the strictest counts. Without any threshold it is the lowest NLL.

    Raises:
        InputError: Objectives that cannot be put into one rule.
    """
    aims = [
        (label, objective)
        for label in labels
        for request in requests
        if (objective := request.objective_of(label)) is not None
    ]
    for kind, (best, limited) in _LIMITED.items():
        if any(objective.kind == kind for _, objective in aims):
            bound = Bound(figure_named(limited), _strictest(aims, kind, figure_named(limited)))
            return Rule(figure_of_labels(best), (bound,), is_derived=True)
    for kind in ("max-f", "youden", "min-cost"):
        texts = sorted({objective.text for _, objective in aims if objective.kind == kind})
        if len(texts) > 1:
            raise InputError(
                f"objectives differ ({', '.join(texts)}), so they imply no rule",
                hint="recommend: {maximize: macro_f1} says what the best option is.",
                code="rule",
            )
        if texts:
            name = texts[0].removeprefix("max-").removeprefix("min-")
            return Rule(figure_of_labels(f"macro_{name}"), is_derived=True)
    return Rule(figure_of_labels("macro_nll"), is_derived=True)


_LIMITED = {
    "max-recall@fpr": ("macro_recall", "fpr"),
    "max-precision@recall": ("macro_precision", "recall"),
    "max-recall@precision": ("macro_recall", "precision"),
}


def _strictest(
    aims: Sequence[tuple[str, Objective]], kind: str, figure: Figure
) -> float | dict[str, float]:
    found: dict[str, float] = {}
    for label, objective in aims:
        limit = objective.limit
        if objective.kind == kind and limit is not None:
            best = found.get(label, limit)
            found[label] = max(best, limit) if figure.is_better_high else min(best, limit)
    every = {label for label, _ in aims}
    if len(set(found.values())) == 1 and found.keys() == every:
        return next(iter(found.values()))
    return found
