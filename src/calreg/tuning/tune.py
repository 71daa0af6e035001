"""One head's calibration from scores with truth: direction, map, threshold, evidence.

The order is fixed: which way scores point, then the map to probabilities (by likelihood),
then the threshold on its output (by the objective), and only then the holdout, which
decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calreg.calibrate import describe
from calreg.calibrate.distribution import MAX_SCORE
from calreg.calibrate.thresholds import Cut
from calreg.documents import Direction, LabelCalibration
from calreg.errors import InputError
from calreg.evaluate import (
    FoundDirection,
    LabelEvidence,
    evidence_of,
    judge_direction,
)
from calreg.labelled import Floats, LabelledColumn, LabelledScores
from calreg.methods import fires
from calreg.names import nearest
from calreg.tuning.cautions import Caution, Judged, cautions_of
from calreg.tuning.deciding import cuts_of, decision_of
from calreg.tuning.maps import aligned, fit_maps, probabilities
from calreg.tuning.overall import overall_figures
from calreg.tuning.request import Request

__all__ = ["Grids", "Outputs", "Tuned", "TunedLabel", "outputs_of", "tune"]

Grids = Callable[[str], tuple[float, float] | None]

_MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class TunedLabel:
    """One label's calibration, and everything that was found on the way.

    `empirical` is the plain optimum where a guarantee chose another threshold.
    """

    label: LabelCalibration
    found: FoundDirection
    calibration: LabelEvidence
    holdout: LabelEvidence | None
    empirical: Cut | None

    def to_json(self) -> dict[str, Any]:
        """The label as `tune --json` shows it."""
        decision = self.label.decision
        chosen = decision.to_json() if decision is not None else {}
        nothing = dict.fromkeys(("threshold", "status", "objective", "comparator"))
        empirical = self.empirical
        return {
            **nothing,
            **chosen,
            "method": self.label.method,
            "parameters": dict(self.label.parameters),
            "direction": self.label.direction,
            "direction_found": {
                "direction": self.found.direction,
                "is_determined": self.found.is_determined,
                "auroc": self.found.auroc,
                "auroc_interval": [self.found.low, self.found.high],
            },
            "empirical": None
            if empirical is None
            else {
                "threshold": empirical.threshold,
                "status": empirical.status,
                **empirical.confusion.to_json(),
            },
            "calibration": self.calibration.to_json(),
            "holdout": self.holdout.to_json() if self.holdout is not None else None,
        }


@dataclass(frozen=True, slots=True)
class Tuned:
    """A head's labels, tuned; what they do together; and what to know before using them.

    `overall` is None for a set that is not there, and for labels that decide nothing.
    """

    labels: Mapping[str, TunedLabel]
    request: Request
    overall: Mapping[str, Mapping[str, float] | None]
    cautions: tuple[Caution, ...]

    @property
    def temperature(self) -> float | None:
        """The one temperature of the head, where that is its method."""
        first = next(iter(self.labels.values())).label
        found = first.parameters.get("temperature")
        return found if isinstance(found, float) else None

    def calibrations(self) -> dict[str, LabelCalibration]:
        """What goes into the head's document."""
        return {label: found.label for label, found in self.labels.items()}

    def to_json(self) -> dict[str, Any]:
        """The shape that `tune --json` promises."""
        return {
            "request": self.request.to_json(),
            "labels": {label: found.to_json() for label, found in self.labels.items()},
            "temperature": self.temperature,
            "overall": dict(self.overall),
            "warnings": [caution.to_json() for caution in self.cautions],
        }


def tune(
    calibration: LabelledScores,
    holdout: LabelledScores | None,
    request: Request,
    *,
    train: LabelledScores | None = None,
    grids: Grids = lambda _label: None,
    groups: Collection[str] = (),
) -> Tuned:
    """Calibrate every label of a head on one set, and judge it on another.

    Args:
        calibration: What everything is chosen on.
        holdout: What the choice is judged on; decides nothing.
        request: How to calibrate.
        train: What the model was trained on; only looked at for rows it shares.
        grids: The ends of a label's histogram, where they are fixed already.
        groups: Key columns that name groups, which must not be split across sets.

    Raises:
        InputError: Labels that cannot be tuned, by name: truth of one class, constant
            scores, absent from the holdout; a map that does not fit the scores.
    """
    _check(calibration, holdout, request)
    if request.link == "softmax":
        calibration = aligned(calibration)
        holdout = None if holdout is None else aligned(holdout)
    found = {
        label: judge_direction(column.scores, column.truth)
        for label, column in calibration.labels.items()
    }
    directions = {label: _direction(label, found[label], request) for label in found}
    labels, empirical = _calibrated(calibration, directions, request, grids)
    on_calibration, all_calibration = _judge(labels, calibration, request)
    on_holdout, all_holdout = _judge(labels, holdout, request)
    tuned = {
        label: _tuned(
            one, found[label], on_calibration[label], on_holdout.get(label), empirical.get(label)
        )
        for label, one in labels.items()
    }
    overall = {"calibration": all_calibration, "holdout": all_holdout}
    cautions = cautions_of(
        {label: _judged(label, one, request) for label, one in tuned.items()},
        overall,
        (calibration, holdout, train),
        request,
        groups=groups,
    )
    return Tuned(tuned, request, overall, tuple(cautions))


def _calibrated(
    scores: LabelledScores,
    directions: Mapping[str, Direction],
    request: Request,
    grids: Grids,
) -> tuple[dict[str, LabelCalibration], Mapping[str, Cut]]:
    """Every label's map and decision, and the plain cuts of those that have a guarantee."""
    maps = fit_maps(scores, directions, request) if request.map_method else None
    outputs = probabilities(scores, maps, request) if maps else None
    chosen, empirical = cuts_of(scores, outputs, directions, request)
    labels = {
        label: LabelCalibration(
            method=request.method,
            parameters=maps[label] if maps else {},
            distribution=describe(column.scores, grid=grids(label)),
            direction=directions[label],
            is_logit=scores.is_logit,
            decision=decision_of(
                label, chosen.get(label), column, maps, outputs, directions, request
            ),
        )
        for label, column in scores.labels.items()
    }
    return labels, empirical


def _check(calibration: LabelledScores, holdout: LabelledScores | None, request: Request) -> None:
    problems = [
        f"{label!r}: {problem}"
        for label, column in calibration.labels.items()
        if (problem := _problem(column)) is not None
    ]
    if problems:
        more = f"; and {len(problems) - _MAX_NAMED} more" if len(problems) > _MAX_NAMED else ""
        raise InputError(
            f"cannot tune label {'; '.join(problems[:_MAX_NAMED])}{more}",
            hint="Bring items of both kinds whose scores differ, or name the labels that can be "
            "tuned: --label NAME",
            code="label",
        )
    named = request.objectives.keys() | request.directions.keys()
    if unknown := sorted(named - calibration.labels.keys()):
        raise InputError(
            f"no label {unknown[0]!r} to choose anything for",
            hint=nearest(unknown[0], calibration.labels),
            code="unknown-label",
        )
    if holdout is None:
        return
    if missing := sorted(calibration.labels.keys() - holdout.labels.keys()):
        raise InputError(
            f"the holdout has no label {missing[0]!r}; it has {', '.join(holdout.labels)}",
            code="unknown-label",
        )
    if calibration.is_logit != holdout.is_logit:
        raise InputError(
            "one of calibration and holdout has logits, the other scores",
            hint="Columns are logit_<label> in both, or score_<label> in both.",
            code="columns",
        )


def _problem(column: LabelledColumn) -> str | None:
    if column.scores.size == 0:
        return "no scores"
    if column.positives == 0 or column.negatives == 0:
        only = 1 if column.positives else 0
        return f"all {column.scores.size:,} truths are {only}"
    if column.scores.min() == column.scores.max():
        return f"all {column.scores.size:,} scores are {float(column.scores[0])!r}"
    largest = float(np.abs(column.scores).max())
    if not largest <= MAX_SCORE:
        return f"expected scores within ±{MAX_SCORE:g}, got one of size {largest:g}"
    return None


def _direction(label: str, found: FoundDirection, request: Request) -> Direction:
    asked = request.direction_of(label)
    if asked != "auto":
        return asked
    return found.direction if found.is_determined else "higher"


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """What calibrated labels say of a set, by label; None where they say nothing of the kind.

    Args:
        probabilities: float64, in the order of the label's scores.
        fires: bool, in the same order.
    """

    probabilities: Mapping[str, Floats | None]
    fires: Mapping[str, NDArray[np.bool_] | None]


def outputs_of(
    labels: Mapping[str, LabelCalibration], scores: LabelledScores, request: Request
) -> Outputs:
    """Probabilities and decisions: the very ones that production would come to."""
    said: Mapping[str, Floats] = {}
    if request.map_method is not None:
        maps = {label: one.parameters for label, one in labels.items()}
        wanted = {label: scores.labels[label] for label in labels}
        said = probabilities(replace(scores, labels=wanted), maps, request)
    return Outputs(
        {label: said.get(label) for label in labels},
        {
            label: fires(one, scores.labels[label].scores, output=said.get(label))
            if one.decision is not None
            else None
            for label, one in labels.items()
        },
    )


def _judge(
    labels: Mapping[str, LabelCalibration], scores: LabelledScores | None, request: Request
) -> tuple[dict[str, LabelEvidence], Mapping[str, float] | None]:
    """Every label's evidence on a set, and the figures of all labels together."""
    if scores is None:
        return {}, None
    outputs = outputs_of(labels, scores, request)
    found = {
        label: evidence_of(
            scores.labels[label].scores,
            scores.labels[label].truth,
            direction=one.direction or "higher",
            fires=outputs.fires[label],
            probabilities=outputs.probabilities[label],
            digest=scores.digest(label),
            seed=request.seed,
            fpr_limit=request.fpr_limit_of(label),
        )
        for label, one in labels.items()
    }
    return found, overall_figures(found, scores, outputs.probabilities, request) or None


def _tuned(
    label: LabelCalibration,
    found: FoundDirection,
    calibration: LabelEvidence,
    holdout: LabelEvidence | None,
    empirical: Cut | None,
) -> TunedLabel:
    judged = replace(
        label,
        calibration=calibration.trial,
        holdout=holdout.trial if holdout is not None else None,
    )
    return TunedLabel(judged, found, calibration, holdout, empirical)


def _judged(label: str, one: TunedLabel, request: Request) -> Judged:
    return Judged(
        label=one.label,
        objective=request.objective_of(label),
        asked=request.direction_of(label),
        found=one.found,
        calibration=one.calibration,
        holdout=one.holdout,
    )
