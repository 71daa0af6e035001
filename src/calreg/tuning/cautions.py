"""What a person should know before believing a tuned head: warnings, with their counts.

A caution changes nothing: it names the rows or figures that make a result doubtful. A new
one is a generator here and a line in `_PER_LABEL` or `cautions_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from calreg.calibrate.guarantee import negatives_needed
from calreg.calibrate.objectives import Objective
from calreg.documents import Confusion, LabelCalibration
from calreg.evaluate import ITEM, FoundDirection, LabelEvidence, Shared, overlap
from calreg.labelled import LabelledScores
from calreg.tuning.request import Request

__all__ = ["Caution", "Judged", "cautions_of"]

_FEW_POSITIVES = 10
_ISOTONIC_ROWS = 1_000
_ISOTONIC_CLASS = 100
_OVERFIT = 0.02

Sets = tuple[LabelledScores, LabelledScores | None, LabelledScores | None]


@dataclass(frozen=True, slots=True)
class Caution:
    """One warning; `label` is None where it concerns the whole head."""

    code: str
    label: str | None
    message: str

    def to_json(self) -> dict[str, str | None]:
        """The warning as `--json` shows it."""
        return {"code": self.code, "label": self.label, "message": self.message}


@dataclass(frozen=True, slots=True)
class Judged:
    """All that cautions about one label look at."""

    label: LabelCalibration
    objective: Objective | None
    asked: str
    found: FoundDirection
    calibration: LabelEvidence
    holdout: LabelEvidence | None


_Found = Iterator[tuple[str, str]]


def cautions_of(
    labels: Mapping[str, Judged],
    overall: Mapping[str, Mapping[str, float] | None],
    sets: Sets,
    request: Request,
    *,
    groups: Collection[str] = (),
) -> Iterator[Caution]:
    """Every warning about a tuned head: on its sets, on each label, on the whole."""
    for code, message in _on_sets(sets, groups):
        yield Caution(code, None, message)
    for label, judged in labels.items():
        for check in _PER_LABEL:
            for code, message in check(judged, request):
                yield Caution(code, label, message)
    for code, message in _on_whole(labels, overall, request):
        yield Caution(code, None, message)


# --- sets -----------------------------------------------------------------------------------


def _on_sets(sets: Sets, groups: Collection[str]) -> _Found:
    calibration, holdout, train = sets
    for name, scores in (("calibration", calibration), ("holdout", holdout)):
        if scores is not None:
            yield from _repeated(name, scores)
    if holdout is None:
        yield (
            "no_holdout",
            (
                "no holdout: every figure is of the items the numbers were chosen on; fresh items "
                "do worse"
            ),
        )
    elif _is_same(calibration, holdout):
        yield (
            "tuned_on_holdout",
            (
                f"the holdout is the calibration set ({calibration.rows:,} rows): its figures say "
                "nothing about fresh items"
            ),
        )
    else:
        yield from _in_common(calibration, holdout, ("calibration", "holdout"), groups)
        yield from _other_scale(calibration, holdout)
    if train is not None:
        yield from _in_common(calibration, train, ("calibration", "training"), groups)
        if holdout is not None:
            yield from _in_common(holdout, train, ("holdout", "training"), groups)


def _repeated(name: str, scores: LabelledScores) -> _Found:
    """Rows of one set that bear the same name: one item counted several times, or no names."""
    named = [item for item in scores.items.tolist() if item] if scores.items is not None else []
    repeated = len(named) - len(set(named))
    if repeated:
        yield (
            f"repeated_items_{name}",
            (
                f"{repeated:,} of {len(named):,} rows of {name} have the item of another row: "
                "what stands twice counts twice"
            ),
        )


def _other_scale(calibration: LabelledScores, holdout: LabelledScores) -> _Found:
    """Labels whose holdout lies mostly where calibration has no scores at all."""
    for label, column in calibration.labels.items():
        low, high = column.scores.min(), column.scores.max()
        found = holdout.labels[label].scores
        outside = int(np.count_nonzero((found < low) | (found > high)))
        if 2 * outside > found.size:
            yield (
                "other_scale",
                (
                    f"{label}: {outside:,} of {found.size:,} scores of the holdout lie outside "
                    f"those of calibration ({low:.4g} to {high:.4g}): is it the same scale?"
                ),
            )


def _is_same(calibration: LabelledScores, holdout: LabelledScores) -> bool:
    return calibration.rows == holdout.rows and all(
        calibration.digest(label) == holdout.digest(label) for label in calibration.labels
    )


def _in_common(
    left: LabelledScores,
    right: LabelledScores,
    names: tuple[str, str],
    groups: Collection[str],
) -> _Found:
    found = overlap(left, right, groups=[name for name in groups if name in right.keys])
    where = f"{names[0]} and {names[1]}"
    for kind, shared in found.rows.items():
        if shared.values == 0:
            continue
        if kind == ITEM and not _scores_agree(left, right):
            yield (
                "item_names_repeat",
                (
                    f"{where} share {shared.values:,} item names, but not their scores: row "
                    "numbers are no names. Say which column is one: --column item=NAME"
                ),
            )
            continue
        yield (
            f"shared_rows_{names[0]}_{names[1]}",
            (
                f"{where} share rows, by {kind}: {_counts(shared, names)}; figures look better "
                "than they are"
            ),
        )
    for group, shared in found.split_groups.items():
        if shared.values:
            yield (
                f"split_groups_{names[0]}_{names[1]}",
                (
                    f"{where} share {shared.values:,} of the groups in {group}: "
                    f"{_counts(shared, names)}; items of a group know each other"
                ),
            )


def _scores_agree(left: LabelledScores, right: LabelledScores) -> bool:
    """Whether items of one name mostly have one score, as one item must under one model."""
    label = next(label for label in left.labels if label in right.labels)
    sides = []
    for scores in (left, right):
        column = scores.labels[label]
        named = scores.items[column.rows].tolist() if scores.items is not None else []
        sides.append(dict(zip(named, column.scores.tolist(), strict=True)))
    both = sides[0].keys() & sides[1].keys()
    agreeing = sum(1 for item in both if sides[0][item] == sides[1][item])
    return 2 * agreeing >= len(both)


def _counts(shared: Shared, names: tuple[str, str]) -> str:
    return (
        f"{shared.left_rows:,} of {shared.left.size:,} rows of {names[0]}, "
        f"{shared.right_rows:,} of {shared.right.size:,} of {names[1]}"
    )


# --- labels ---------------------------------------------------------------------------------


def _direction(judged: Judged, _request: Request) -> _Found:
    found = judged.found
    size = f"AUROC {found.auroc:.3f} ({found.low:.3f} to {found.high:.3f})"
    if not found.is_determined and judged.asked == "auto":
        yield (
            "direction_undetermined",
            (
                f"{size} does not tell which way the scores point; taken as "
                f"{judged.label.direction}. Say which it is with --direction"
            ),
        )
    elif found.is_determined and judged.asked not in {"auto", found.direction}:
        yield (
            "direction_contradicted",
            (
                f"{size}: {found.direction} scores speak for it, and --direction "
                f"{judged.asked} was given"
            ),
        )
    elif found.is_determined and found.direction == "lower" and judged.asked == "auto":
        yield (
            "direction_lower",
            f"{size} for high scores: low scores speak for it, and that is what is stored",
        )


def _few_positives(judged: Judged, _request: Request) -> _Found:
    for name, side in (("calibration", judged.calibration), ("the holdout", judged.holdout)):
        if side is not None and 0 < side.trial.positives < _FEW_POSITIVES:
            yield (
                "few_positives",
                f"positives in {name}: only {side.trial.positives:,}; a few items decide",
            )


def _status(judged: Judged, request: Request) -> _Found:
    decision = judged.label.decision
    if decision is None:
        return
    trial = judged.calibration.trial
    if decision.status == "infeasible":
        yield (
            "infeasible",
            (
                f"no threshold reaches {decision.objective} on {trial.positives:,} positives and "
                f"{trial.negatives:,} negatives: it never fires (null, not 1.0)"
            ),
        )
    elif decision.status == "fires_always":
        yield (
            "fires_always",
            (
                f"{decision.objective} is best served by firing on all {_rows(judged):,} items: "
                "the threshold decides nothing"
            ),
        )
    elif decision.status == "fires_never":
        yield ("fires_never", f"{decision.objective} is best served by never firing")
    elif decision.status == "too_few_positives":
        yield (
            "too_few_positives",
            (
                f"positives: {trial.positives:,}, and --min-positives is "
                f"{request.min_positives:,}: no threshold"
            ),
        )
    elif decision.status == "too_few_negatives" and decision.guarantee is None:
        yield (
            "too_few_negatives",
            (
                f"negatives: {trial.negatives:,}, and --min-negatives is "
                f"{request.min_negatives:,}: no threshold"
            ),
        )


def _rows(judged: Judged) -> int:
    return judged.calibration.trial.positives + judged.calibration.trial.negatives


def _negatives(judged: Judged, request: Request) -> _Found:
    objective, negatives = judged.objective, judged.calibration.trial.negatives
    limit = objective.limit if objective is not None else None
    if objective is None or objective.kind != "max-recall@fpr" or limit is None:
        return
    allowed = judged.calibration.allowed_false_positives
    if allowed == 0:
        yield (
            "few_negatives",
            f"{100 * limit:.3g} % of {negatives:,} negatives allows no false positive",
        )
    if request.guarantee is not None:
        needed = negatives_needed(limit, request.guarantee)
        if negatives < needed:
            yield (
                "too_few_negatives",
                (
                    f"an FPR of {limit:.3g} with confidence {request.guarantee:g} needs "
                    f"{needed:,} negatives, there are {negatives:,}: no threshold"
                ),
            )


def _isotonic(judged: Judged, _request: Request) -> _Found:
    trial = judged.calibration.trial
    least = min(trial.positives, trial.negatives)
    if judged.label.method == "isotonic" and (
        _rows(judged) < _ISOTONIC_ROWS or least < _ISOTONIC_CLASS
    ):
        yield (
            "isotonic_overfits",
            (
                f"isotonic on {_rows(judged):,} rows, {least:,} of the rarer class, overfits: it "
                f"wants {_ISOTONIC_ROWS:,} and {_ISOTONIC_CLASS:,}; platt or beta need fewer"
            ),
        )


def _missed(judged: Judged, _request: Request) -> _Found:
    objective = judged.objective
    if objective is None or objective.limit is None or judged.holdout is None:
        return
    counts = (judged.calibration.trial.confusion, judged.holdout.trial.confusion)
    figure = _LIMITED.get(objective.kind)
    if figure is None or counts[0] is None or counts[1] is None:
        return
    if judged.label.decision is None or judged.label.decision.threshold is None:
        return
    name, value, is_met = figure
    if is_met(counts[0], objective.limit) and not is_met(counts[1], objective.limit):
        yield (
            "target_missed_on_holdout",
            (
                f"{name} is {value(counts[0]):.4g} on calibration and {value(counts[1]):.4g} on "
                f"the holdout, which misses {objective.text}"
            ),
        )


_Value = Callable[[Confusion], float]
_Met = Callable[[Confusion, float], bool]
_LIMITED: Mapping[str, tuple[str, _Value, _Met]] = {
    "max-recall@fpr": ("FPR", lambda c: c.fpr, lambda c, limit: c.fpr <= limit),
    "max-precision@recall": ("recall", lambda c: c.recall, lambda c, limit: c.recall >= limit),
    "max-recall@precision": (
        "precision",
        lambda c: c.precision,
        lambda c, limit: c.precision >= limit,
    ),
}


def _saturation(judged: Judged, _request: Request) -> _Found:
    decision, top = judged.label.decision, judged.calibration.saturation
    if decision is None or decision.threshold is None or top is None:
        return
    cut = decision.threshold if judged.label.method == "threshold" else decision.score_threshold
    tied = top.positives + top.negatives
    if tied > 1 and cut == top.score:
        yield (
            "saturated",
            (
                f"the threshold is the saturation point {cut!r}: {tied:,} items tie there, "
                f"{top.negatives:,} of them negative, and no score tells them apart"
            ),
        )


def _below_interval(judged: Judged, _request: Request) -> _Found:
    objective = judged.objective
    if objective is None or objective.kind != "max-f" or judged.holdout is None:
        return
    here, there = judged.calibration.trial.confusion, judged.holdout.trial.confusion
    interval = judged.calibration.intervals.get("f1")
    if objective.beta != 1.0 or here is None or there is None or interval is None:
        return
    if not there.f1 >= interval[0]:
        yield (
            "worse_on_holdout",
            (
                f"F1 is {here.f1:.3f} on calibration ({interval[0]:.3f} to {interval[1]:.3f}) and "
                f"{there.f1:.3f} on the holdout"
            ),
        )


_PER_LABEL: tuple[Callable[[Judged, Request], _Found], ...] = (
    _direction,
    _few_positives,
    _status,
    _negatives,
    _isotonic,
    _missed,
    _saturation,
    _below_interval,
)


# --- the whole ------------------------------------------------------------------------------


def _on_whole(
    labels: Mapping[str, Judged],
    overall: Mapping[str, Mapping[str, float] | None],
    request: Request,
) -> _Found:
    here, there = overall["calibration"], overall["holdout"]
    if here is None or there is None:
        return
    before, after = there.get("nll_before"), there.get("nll")
    if before is not None and after is not None and after > before:
        yield (
            "map_worse_on_holdout",
            (
                f"NLL on the holdout is {before:.3f} with the scores as they came and {after:.3f} "
                "with the probabilities: the map makes it worse"
            ),
        )
    if "macro_f1" not in here:
        return
    kinds = {judged.objective.kind for judged in labels.values() if judged.objective is not None}
    if kinds != {"max-f"}:
        return
    for name, text in (("macro_f1", "macro-F1"), ("micro_f1", "micro-F1")):
        if request.average == "micro" and name == "macro_f1":
            continue  # nobody asked for it: that it differs is no sign of anything
        if here[name] - there[name] > _OVERFIT:
            yield (
                "overfit",
                (
                    f"{text} is {here[name]:.3f} on calibration and {there[name]:.3f} on the "
                    "holdout: what was chosen on these items overfits them"
                ),
            )
            return
