"""The slow and obvious way to the best threshold, in exact fractions, to compare with."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from calreg.calibrate.objectives import Objective
from calreg.documents.decision import Confusion

NEVER = math.inf


def decimal(number: float | None) -> Fraction:
    assert number is not None
    return Fraction(repr(number))


def share(part: int | Fraction, whole: int | Fraction) -> Fraction:
    return Fraction(part) / Fraction(whole) if whole else Fraction(0)


def counts_at(scores: np.ndarray, truth: np.ndarray, threshold: float) -> Confusion:
    fires = [score >= threshold for score in scores.tolist()]
    pairs = list(zip(fires, truth.tolist(), strict=True))
    return Confusion(
        tp=pairs.count((True, True)),
        fp=pairs.count((True, False)),
        fn=pairs.count((False, True)),
        tn=pairs.count((False, False)),
    )


def f_measure(counts: Confusion, beta: float | None) -> Fraction:
    weight = decimal(beta) ** 2
    part = (1 + weight) * counts.tp
    return share(part, part + weight * counts.fn + counts.fp)


def rank_of(counts: Confusion, objective: Objective, max_fp: int | None) -> tuple[Fraction, ...]:
    """What a candidate is worth, most important first; empty if it breaks the limit."""
    tp, fp = counts.tp, counts.fp
    recall, precision = share(tp, counts.positives), share(tp, tp + fp)
    match objective.kind:
        case "max-f":
            return (f_measure(counts, objective.beta),)
        case "max-recall@fpr":
            allowed = share(fp, counts.negatives) <= decimal(objective.limit)
            allowed = fp <= max_fp if max_fp is not None else allowed
            return (recall,) if allowed and tp else ()
        case "max-precision@recall":
            return (precision, recall) if recall >= decimal(objective.limit) else ()
        case "max-recall@precision":
            return (recall, precision) if tp and precision >= decimal(objective.limit) else ()
        case "min-cost":
            cost = decimal(objective.fp_cost) * fp + decimal(objective.fn_cost) * counts.fn
            return (-cost,)
        case "youden":
            return (recall - share(fp, counts.negatives),)


def candidates(
    scores: np.ndarray, truth: np.ndarray, objective: Objective, max_fp: int | None
) -> Iterator[tuple[tuple[Fraction, ...], float, Confusion]]:
    for threshold in {NEVER, *scores.tolist()}:
        counts = counts_at(scores, truth, threshold)
        rank = rank_of(counts, objective, max_fp)
        if rank:
            yield rank, threshold, counts


def slowest_cut(
    scores: np.ndarray, truth: np.ndarray, objective: Objective, max_fp: int | None = None
) -> tuple[float | None, Confusion]:
    """The highest threshold of the highest rank; None is never, which is the highest of all."""
    found = list(candidates(scores, truth, objective, max_fp))
    if not found:
        return None, counts_at(scores, truth, NEVER)
    _, threshold, counts = max(found, key=lambda one: one[:2])
    return (None if threshold == NEVER else threshold), counts
