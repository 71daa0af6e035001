"""Several ways of calibrating a head, judged on one holdout, and which of them to take.

Every option is tuned on its own calibration set, which may first be given rows of a pool,
and judged on the very same items. An option that cannot be tuned is a finding, not the end;
only if none can, there is nothing to compare.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from calreg.documents import Json
from calreg.errors import InputError, UsageError
from calreg.evaluate import LabelEvidence
from calreg.labelled import LabelledScores
from calreg.tuning.cautions import Caution
from calreg.tuning.paired import difference_interval
from calreg.tuning.rebalance import (
    NegativesWanted,
    Rebalanced,
    Surroundings,
    add_negatives,
    mine_negatives,
)
from calreg.tuning.request import Request
from calreg.tuning.rule import Rule, derived_rule
from calreg.tuning.tune import Tuned, outputs_of, tune

__all__ = ["Addition", "Comparison", "Mining", "Option", "Tried", "compare"]

_SIMPLEST_FIRST = ("threshold", "temperature", "platt", "beta", "histogram", "isotonic")


@dataclass(frozen=True, slots=True, eq=False)
class Addition:
    """Clean negatives by chance; `labels` as in `add_negatives`."""

    pool: LabelledScores
    wanted: NegativesWanted
    labels: Collection[str] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Mining:
    """The hardest negatives of a label."""

    pool: LabelledScores
    wanted: NegativesWanted
    label: str


@dataclass(frozen=True, slots=True, eq=False)
class Option:
    """One way of calibrating: how, on what, and what is added to it (mined rows first)."""

    name: str
    request: Request
    calibration: LabelledScores
    mining: Mining | None = None
    addition: Addition | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """What came of an option: it was tuned, or there is a `problem` in words."""

    option: Option
    tuned: Tuned | None = None
    steps: tuple[Rebalanced, ...] = ()
    problem: str | None = None
    cautions: tuple[Caution, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of the calibration set, with those that were added."""
        return self.steps[-1].scores.rows if self.steps else self.option.calibration.rows

    @property
    def holdout(self) -> Mapping[str, LabelEvidence]:
        """What the labels did on the holdout; empty if the option was not tuned."""
        labels = self.tuned.labels if self.tuned is not None else {}
        return {
            label: found.holdout for label, found in labels.items() if found.holdout is not None
        }


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """All options by name, in their order, and what the rule says about them.

    Args:
        tried: What came of each.
        rule: What decides.
        values: The rule's figure on the holdout; None where it is not defined.
        recommended: None if no option keeps the rule.
        keeping: The options that keep the rule's limits.
        reasons: By every other option, why not.
        not_clearly_worse: Those that lose by no more than these few items could do.
        cautions: What to know about the comparison as a whole.
    """

    tried: Mapping[str, Tried]
    rule: Rule
    values: Mapping[str, float | None]
    recommended: str | None
    keeping: tuple[str, ...]
    reasons: Mapping[str, tuple[str, ...]]
    not_clearly_worse: tuple[str, ...]
    cautions: tuple[Caution, ...]

    def to_json(self) -> Json:
        """Options with all their figures, and the recommendation."""
        return {
            "options": {
                name: _tried_json(found, self.rule, self.values[name])
                for name, found in self.tried.items()
            },
            "recommendation": {
                "option": self.recommended,
                "rule": self.rule.to_json(),
                "reasons": {name: "; ".join(why) for name, why in self.reasons.items()},
                "not_clearly_worse": list(self.not_clearly_worse),
            },
            "warnings": [caution.to_json() for caution in self.cautions],
        }


def _tried_json(tried: Tried, rule: Rule, value: float | None) -> Json:
    own = tried.option.calibration
    return {
        "status": "tuned" if tried.tuned is not None else "failed",
        "problem": tried.problem,
        "calibration": {
            "files": list(own.files),
            "rows": own.rows,
            "rejected": dict(own.rejected),
            "rows_with_added": tried.rows,
        },
        "rebalancing": [step.meta for step in tried.steps],
        "request": tried.option.request.to_json(),
        "figure": {"name": rule.best.name, "value": value},
        "tune": tried.tuned.to_json() if tried.tuned is not None else None,
        "warnings": [caution.to_json() for caution in tried.cautions],
    }


@dataclass(slots=True)
class _Findings:
    reasons: dict[str, tuple[str, ...]] = field(default_factory=dict)
    close: list[str] = field(default_factory=list)


def compare(
    options: Sequence[Option],
    around: Surroundings,
    *,
    rule: Rule | None = None,
    seed: int = 0,
    progress: Callable[[str, int], None] = lambda _name, _done: None,
) -> Comparison:
    """Tune every option, judge it on the one holdout, and recommend one by the rule.

    Args:
        options: Of different names, at least one.
        around: The holdout, and what else rows could stand in.
        rule: What decides; None for what the objectives imply.
        seed: Of the intervals of differences.
        progress: Is told the option that comes next, and how many are done.

    Raises:
        InputError: No option could be tuned; objectives that imply no rule; a rule for
            labels that are not there.
    """
    rule = rule or derived_rule([option.request for option in options], around.holdout.labels)
    _check_rule(rule, around.holdout)
    tried = {}
    for number, option in enumerate(options):
        progress(option.name, number)
        tried[option.name] = _try(option, around)
    if all(found.tuned is None for found in tried.values()):
        why = "; ".join(f"{name}: {found.problem}" for name, found in tried.items())
        raise InputError(f"no option could be tuned: {why}", code="no-option")
    return _judged(tried, rule, around.holdout, seed)


def _check_rule(rule: Rule, holdout: LabelledScores) -> None:
    for bound in rule.bounds:
        named = bound.limit if isinstance(bound.limit, Mapping) else {}
        if unknown := [label for label in named if label not in holdout.labels]:
            raise InputError(
                f"the rule limits {bound.figure.words} of {unknown[0]!r}; labels are "
                f"{', '.join(holdout.labels)}",
                code="rule",
            )


# --- trying ---------------------------------------------------------------------------------


def _try(option: Option, around: Surroundings) -> Tried:
    steps: list[Rebalanced] = []
    try:
        _check_labels(option, around.holdout)
        for step in _rebalanced(option, around):
            steps.append(step)  # noqa: PERF402 -- what was done before a refusal is kept
        scores = steps[-1].scores if steps else option.calibration
        tuned = tune(
            scores, around.holdout, option.request, train=around.train, groups=around.groups
        )
        _check_same_holdout(tuned, around.holdout)
    except (InputError, UsageError) as error:
        # Bad luck of one option is a finding about it; the others are still worth comparing.
        return Tried(option, steps=tuple(steps), problem=str(error))
    return Tried(option, tuned, tuple(steps), cautions=tuple(_on_steps(steps)))


def _check_labels(option: Option, holdout: LabelledScores) -> None:
    labels = option.calibration.labels
    if different := labels.keys() ^ holdout.labels.keys():
        side = "calibration set" if min(different) in labels else "holdout"
        raise InputError(
            f"only the {side} has the label {min(different)!r}: figures of other labels do not "
            "compare",
            code="labels",
        )


def _rebalanced(option: Option, around: Surroundings) -> Iterator[Rebalanced]:
    scores = option.calibration
    if (mining := option.mining) is not None:
        way = option.request.direction_of(mining.label)
        mined = mine_negatives(
            scores, mining.pool, mining.wanted, around, label=mining.label, direction=way
        )
        scores = mined.scores
        yield mined
    if (addition := option.addition) is not None:
        yield add_negatives(scores, addition.pool, addition.wanted, around, labels=addition.labels)


def _check_same_holdout(tuned: Tuned, holdout: LabelledScores) -> None:
    for label, found in tuned.labels.items():
        if found.holdout is None or found.holdout.digest != holdout.digest(label):
            raise InputError(
                f"label {label!r} was judged on other items of the holdout than those of the "
                "other options: rows without a score for every label are no use to a softmax",
                code="holdout",
            )


def _on_steps(steps: Sequence[Rebalanced]) -> Iterator[Caution]:
    for step in steps:
        if step.added_trained_on:
            pool = step.meta["pool_shared"]["train"]["rows"]
            yield Caution(
                "pool_trained_on",
                step.meta.get("label"),
                f"the model was trained on {step.added_trained_on:,} of {step.added:,} added "
                f"rows ({pool:,} of {step.meta['pool_rows']:,} of the pool): it scores them "
                "better than fresh ones; exclude_train: true leaves them out",
            )
        elif step.added_trained_on is None:
            yield Caution(
                "pool_train_unknown",
                step.meta.get("label"),
                "nobody said what the model was trained on (train: FILE), so rows of the pool "
                "may be of it: scores of those are better than of fresh ones",
            )


# --- judging --------------------------------------------------------------------------------


def _judged(
    tried: Mapping[str, Tried], rule: Rule, holdout: LabelledScores, seed: int
) -> Comparison:
    values = {name: rule.best.of(found.holdout) for name, found in tried.items()}
    found = _Findings()
    for name, one in tried.items():
        if why := tuple(_disqualified(one, rule, values[name])):
            found.reasons[name] = why
    keeping = tuple(name for name in tried if name not in found.reasons)
    best = _best(keeping, tried, rule, values)
    for name in keeping:
        if best is not None and name != best:
            _loses(name, best, tried, rule, values, holdout, seed, found)
    return Comparison(
        tried=tried,
        rule=rule,
        values=values,
        recommended=best,
        keeping=keeping,
        reasons={name: found.reasons[name] for name in tried if name in found.reasons},
        not_clearly_worse=tuple(found.close),
        cautions=tuple(_on_whole(tried, best)),
    )


def _disqualified(tried: Tried, rule: Rule, value: float | None) -> Iterator[str]:
    if tried.problem is not None:
        yield tried.problem
        return
    if tried.tuned is not None and any(
        caution.code == "tuned_on_holdout" for caution in tried.tuned.cautions
    ):
        yield "its calibration set is the holdout, so its figures say nothing"
    for bound in rule.bounds:
        for label, evidence in tried.holdout.items():
            if (broken := bound.broken_by(label, evidence)) is not None:
                yield broken
    if value is None:
        yield f"{rule.best.words} is not defined for it"
    counts = [one.confusion for one in tried.holdout.values() if one.confusion is not None]
    if counts and not any(one.tp + one.fp for one in counts):
        yield "it fires on no item of the holdout, which keeps any limit and catches nothing"


def _best(
    names: Sequence[str],
    tried: Mapping[str, Tried],
    rule: Rule,
    values: Mapping[str, float | None],
) -> str | None:
    """The best value; of equal ones the simplest method, then the first."""
    known = {name: value for name in names if (value := values[name]) is not None}
    sign = -1.0 if rule.best.figure.is_better_high else 1.0
    return min(known, key=lambda name: (sign * known[name], _rank(tried[name])), default=None)


def _rank(tried: Tried) -> int:
    """How simple a method is: the fewer numbers it fits, the less it can overfit."""
    return _SIMPLEST_FIRST.index(tried.option.request.method)


def _loses(
    name: str,
    best: str,
    tried: Mapping[str, Tried],
    rule: Rule,
    values: Mapping[str, float | None],
    holdout: LabelledScores,
    seed: int,
    found: _Findings,
) -> None:
    value, most = values[name], values[best]
    words = rule.best.words
    if value is None or most is None:
        return
    if value == most:
        found.close.append(name)
        methods = [tried[one].option.request.method for one in (best, name)]
        is_simpler = _rank(tried[best]) < _rank(tried[name])
        reason = (
            f"{methods[0]} is simpler than {methods[1]}"
            if is_simpler
            else f"{best} stands before it"
        )
        found.reasons[name] = (f"the same {words} as {best}, {most:.3f}, and {reason}",)
        return
    text = f"{rule.compared(value, most)} of {best}"
    interval = _interval(tried[best], tried[name], rule, holdout, seed)
    if interval is not None and interval[0] <= 0.0 <= interval[1]:
        found.close.append(name)
        text += (
            f", within the interval of the difference ({interval[0]:+.3f} to "
            f"{interval[1]:+.3f}): not clearly worse"
        )
    found.reasons[name] = (text,)


def _interval(
    best: Tried, other: Tried, rule: Rule, holdout: LabelledScores, seed: int
) -> tuple[float, float] | None:
    if best.tuned is None or other.tuned is None:
        return None
    said = [
        outputs_of(tuned.calibrations(), holdout, tuned.request)
        for tuned in (best.tuned, other.tuned)
    ]
    return difference_interval(holdout, said[0], said[1], rule.best, seed=seed)


def _on_whole(tried: Mapping[str, Tried], best: str | None) -> Iterator[Caution]:
    judged = sum(found.tuned is not None for found in tried.values())
    if best is not None and judged > 1:
        yield Caution(
            "chosen_on_holdout",
            None,
            f"the best of {judged} options on one holdout looks better there than it is: judge "
            "it once more on items that chose nothing",
        )
