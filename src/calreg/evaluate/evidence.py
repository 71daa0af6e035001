"""Everything a label did on one set of items with truth: the evidence for its calibration.

`LabelEvidence` is the whole of it, as `tune` and `compare` report it; its `trial` is the
part that a calibration document keeps. To add a figure: a field here, a line in `to_json`,
a row in docs/evidence.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calreg.calibrate.guarantee import empirical_false_positives
from calreg.documents import FIGURES, Confusion, Direction, Json, Trial
from calreg.evaluate.checked import checked_firing
from calreg.evaluate.intervals import RATES, Interval, bootstrap_intervals, clopper_pearson
from calreg.evaluate.probability import SCHEMES, Ece, brier, ece, nll
from calreg.evaluate.ranking import Auroc, Ranking
from calreg.labelled import Floats, Truth

__all__ = ["BINS", "LabelEvidence", "Saturation", "confusion_of", "evidence_of"]

BINS = 15
"""Bins of the calibration errors; part of their names."""

_FIGURE_DECIMALS = 12


@dataclass(frozen=True, slots=True)
class Saturation:
    """The strictest score that occurs: no threshold can tell the items there apart.

    Args:
        score: The highest score, or the lowest where low scores fire.
        positives: Positives with that score.
        negatives: Negatives with that score.
    """

    score: float
    positives: int
    negatives: int


@dataclass(frozen=True, slots=True)
class LabelEvidence:
    """What one label's scores, decision and probabilities did on one set.

    Args:
        digest: sha256 that names the set.
        positives: Items whose truth is 1.
        negatives: Items whose truth is 0.
        confusion: Counts under the decision; None if there is none.
        intervals: Of each of precision, recall and fpr by Clopper–Pearson, of f1 by the
            bootstrap; empty without a decision.
        bootstrap: Of all four by the bootstrap; empty without a decision.
        auroc: None where the set has one class.
        average_precision: None where it has no positives.
        brier: None without probabilities, as the next two.
        nll: As above.
        eces: By scheme; empty without probabilities.
        saturation: None where the set has no items.
        allowed_false_positives: How many the FPR limit allows on these very negatives, with
            no promise for others; None without a limit.
    """

    digest: str
    positives: int
    negatives: int
    confusion: Confusion | None
    intervals: Mapping[str, Interval]
    bootstrap: Mapping[str, Interval]
    auroc: Auroc | None
    average_precision: float | None
    brier: float | None
    nll: float | None
    eces: Mapping[str, Ece]
    saturation: Saturation | None
    allowed_false_positives: int | None

    def to_json(self) -> Json:
        """Every figure by name, the same keys always; null is "not there" or "not defined"."""
        top, area = self.saturation, self.auroc
        return {
            "digest": self.digest,
            "positives": self.positives,
            "negatives": self.negatives,
            **self._decision_json(),
            "auroc": area.value if area is not None else None,
            "auroc_interval": [area.low, area.high] if area is not None else None,
            "average_precision": self.average_precision,
            "brier": self.brier,
            "nll": self.nll,
            **self._ece_json(),
            "top_score": top.score if top is not None else None,
            "at_top_score": top.positives + top.negatives if top is not None else None,
            "negatives_at_top_score": top.negatives if top is not None else None,
            "allowed_false_positives": self.allowed_false_positives,
        }

    @property
    def trial(self) -> Trial:
        """The part that a document keeps.

        Figures have 12 decimals: the last digits of an exponential differ between processors,
        and documents must not.
        """
        values = self.to_json()
        figures = {
            name: round(values[name], _FIGURE_DECIMALS)
            for name in FIGURES
            if values[name] is not None
        }
        return Trial(self.digest, self.positives, self.negatives, self.confusion, figures)

    def _decision_json(self) -> dict[str, Any]:
        counts = self.confusion
        if counts is None:
            names = ("tp", "fp", "fn", "tn", *RATES, *(f"{name}_interval" for name in RATES))
            return dict.fromkeys((*names, "bootstrap"))
        rates = {name: getattr(counts, name) for name in RATES}
        own = {f"{name}_interval": list(self.intervals[name]) for name in RATES}
        drawn = {f"{name}_interval": list(self.bootstrap[name]) for name in RATES}
        return {**counts.to_json(), **rates, **own, "bootstrap": drawn}

    def _ece_json(self) -> dict[str, float | None]:
        data: dict[str, float | None] = {}
        for scheme in SCHEMES:
            found, name = self.eces.get(scheme), f"ece{BINS}_{scheme}"
            data[name] = found.value if found is not None else None
            data[f"{name}_perfect"] = found.perfect if found is not None else None
            data[f"{name}_debiased"] = found.debiased if found is not None else None
        return data


def evidence_of(
    scores: Floats,
    truth: Truth,
    *,
    direction: Direction,
    fires: NDArray[np.bool_] | None,
    probabilities: Floats | None,
    digest: str,
    seed: int = 0,
    fpr_limit: float | None = None,
) -> LabelEvidence:
    """What a label did on these items. A figure that this set cannot give is None.

    Args:
        scores: Raw scores, shape (n,), finite; what AUROC and average precision rank by.
        truth: Shape (n,); of one class is fine: a holdout may be so.
        direction: Which end of the scores speaks for the label.
        fires: What was decided, shape (n,); None where nothing was.
        probabilities: What was said, shape (n,), in [0, 1]; None where nothing was.
        digest: Names the set.
        seed: Of the bootstrap.
        fpr_limit: The false positive rate that was asked for.

    Raises:
        InputError: Arrays of different lengths or a wrong type, a score that is not finite,
            or a probability outside [0, 1].
        UsageError: A limit that is not inside (0, 1).
    """
    ranking = Ranking.of(scores, truth, direction)
    positives, negatives = ranking.positives.size, ranking.negatives.size
    confusion = confusion_of(fires, truth) if fires is not None else None
    has_said = probabilities is not None and truth.size > 0
    said = probabilities if probabilities is not None and has_said else None
    intervals, bootstrap = _intervals(confusion, seed)
    allowed = empirical_false_positives(negatives, fpr_limit) if fpr_limit is not None else None
    return LabelEvidence(
        digest=digest,
        positives=positives,
        negatives=negatives,
        confusion=confusion,
        intervals=intervals,
        bootstrap=bootstrap,
        auroc=ranking.auroc() if positives and negatives else None,
        average_precision=ranking.average_precision() if positives else None,
        brier=brier(said, truth) if said is not None else None,
        nll=nll(said, truth) if said is not None else None,
        eces={scheme: ece(said, truth, BINS, scheme) for scheme in SCHEMES}
        if said is not None
        else {},
        saturation=Saturation(*ranking.at_top()) if truth.size else None,
        allowed_false_positives=allowed,
    )


def confusion_of(fires: NDArray[np.bool_], truth: Truth) -> Confusion:
    """The four counts of decisions against truth.

    Raises:
        InputError: Not bool, or another number of decisions than of truth.

    >>> confusion_of(np.array([True, True, False]), np.array([True, False, False]))
    Confusion(tp=1, fp=1, fn=0, tn=1)
    """
    checked_firing(fires, truth)
    tp = int(np.count_nonzero(fires & truth))
    fp = int(np.count_nonzero(fires)) - tp
    fn = int(np.count_nonzero(truth)) - tp
    return Confusion(tp=tp, fp=fp, fn=fn, tn=truth.size - tp - fp - fn)


def _intervals(
    confusion: Confusion | None, seed: int
) -> tuple[dict[str, Interval], dict[str, Interval]]:
    if confusion is None:
        return {}, {}
    if not confusion.total:
        nothing = dict.fromkeys(RATES, (0.0, 1.0))
        return nothing, nothing
    drawn = bootstrap_intervals(confusion, seed=seed)
    own = {
        "precision": clopper_pearson(confusion.tp, confusion.tp + confusion.fp),
        "recall": clopper_pearson(confusion.tp, confusion.positives),
        "f1": drawn["f1"],
        "fpr": clopper_pearson(confusion.fp, confusion.negatives),
    }
    return own, drawn
