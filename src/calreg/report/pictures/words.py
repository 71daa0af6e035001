"""What a picture of tuned labels says in words: one answer first, then a sentence per label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from calreg.documents import Confusion
from calreg.evaluate import LabelEvidence
from calreg.report.decisions import fires_text
from calreg.report.numbers import number_text, plural
from calreg.report.pictures.phrases import enumerated, percent, short
from calreg.tuning import Tuned, TunedLabel

__all__ = [
    "answer",
    "counts_text",
    "cut_text",
    "figure_text",
    "label_sentence",
    "undrawn_text",
    "worst_first",
]

_MISSED = "target_missed_on_holdout"


# --- the head -------------------------------------------------------------------------------


def answer(tuned: Tuned) -> str:
    """How good the head is, in one sentence, by the set to believe."""
    if len(tuned.labels) == 1:
        return label_sentence(tuned, next(iter(tuned.labels)))
    deciding = [label for label, one in tuned.labels.items() if one.label.decision is not None]
    if not deciding:
        return _probabilities_text(tuned)
    never = [label for label in deciding if _never(tuned.labels[label])]
    firing = [label for label in deciding if label not in never]
    parts = [*_limits_text(tuned, firing), *_f1_text(tuned)]
    if never:
        verb = "fires" if len(never) == 1 else "fire"
        parts.append(f"{enumerated(never)} never {verb}")
    return "; ".join(parts)


def _probabilities_text(tuned: Tuned) -> str:
    name, found = _believed(next(iter(tuned.labels.values())))
    eces = [
        believed.eces["equal_width"]
        for one in tuned.labels.values()
        if (believed := _believed(one)[1]).eces
    ]
    if not eces:
        return f"{plural(len(tuned.labels), 'label')}, {found.positives:,} positives of the first"
    value, perfect = (
        sum(found) / len(eces) for found in ([e.value for e in eces], [e.perfect for e in eces])
    )
    return (
        f"probabilities are off by {value:.3f} on average (ECE of {plural(len(eces), 'label')} "
        f"on {name}; as many items of a perfect model: {perfect:.3f})"
    )


def _limits_text(tuned: Tuned, firing: Sequence[str]) -> list[str]:
    """How many labels keep what was asked of them."""
    limited = [label for label in firing if _has_limit(tuned, label)]
    if not limited:
        return []
    if all(tuned.labels[label].holdout is None for label in limited):
        return [f"{plural(len(limited), 'label')} within the limit where it was chosen; no holdout"]
    missed = [label for label in limited if _is_missed(tuned, label)]
    kept = [label for label in limited if label not in missed]
    if not missed:
        verb = "keeps its" if len(kept) == 1 else "keep their"
        return [f"{enumerated(kept)} {verb} limit on the holdout"]
    verb = "misses its" if len(missed) == 1 else "miss their"
    others = f", {len(kept):,} of {len(limited):,} keep it" if kept else ""
    return [f"{enumerated(missed)} {verb} limit on the holdout{others}"]


def _has_limit(tuned: Tuned, label: str) -> bool:
    objective = tuned.request.objective_of(label)
    return objective is not None and objective.limit is not None


def _is_missed(tuned: Tuned, label: str) -> bool:
    return any(one.code == _MISSED and one.label == label for one in tuned.cautions)


def _f1_text(tuned: Tuned) -> list[str]:
    overall = {name: found for name, found in tuned.overall.items() if found is not None}
    if "holdout" in overall:
        before, after = (overall[name]["macro_f1"] for name in ("calibration", "holdout"))
        return [f"macro-F1 {after:.3f} on the holdout ({before:.3f} on calibration)"]
    if "calibration" in overall:
        return [f"macro-F1 {overall['calibration']['macro_f1']:.3f} where it was chosen"]
    return []


# --- one label ------------------------------------------------------------------------------


def label_sentence(tuned: Tuned, label: str) -> str:
    """What one label does, and how well, by the set to believe."""
    one = tuned.labels[label]
    name, evidence = _believed(one)
    return (
        f"{short(label)}: {_doing(tuned, one, label)}{_how_well(tuned, label, evidence, _on(name))}"
    )


def _on(name: str) -> str:
    return "on the holdout" if name == "holdout" else "on calibration"


def _believed(one: TunedLabel) -> tuple[str, LabelEvidence]:
    if one.holdout is not None:
        return "holdout", one.holdout
    return "calibration", one.calibration


def _never(one: TunedLabel) -> bool:
    return one.label.decision is not None and one.label.decision.threshold is None


def _doing(tuned: Tuned, one: TunedLabel, label: str) -> str:
    decision = one.label.decision
    if decision is None:
        return "gives a probability"
    if decision.threshold is None:
        why: Mapping[str, str] = {
            "infeasible": f"no threshold reaches {decision.objective}",
            "fires_never": f"that is best for {decision.objective}",
        }
        return f"never fires, {why.get(decision.status, decision.status.replace('_', ' '))}"
    always = "always fires, " if decision.status == "fires_always" else "fires "
    what = "at probability" if one.label.method != "threshold" else "at score"
    missed = f" and misses {decision.objective}" if _is_missed(tuned, label) else ""
    return f"{always}{what} {fires_text(one.label)}{missed}"


def _how_well(tuned: Tuned, label: str, evidence: LabelEvidence, on: str) -> str:
    counts = evidence.confusion
    if counts is not None and not _never(tuned.labels[label]):
        recall, fpr, precision = _rates(tuned, label, counts)
        right = f"; {precision} of what fires is right" if counts.tp + counts.fp else ""
        return f"; catches {recall} at {fpr} false positives{right}, {on}"
    found = evidence.eces.get("equal_width")
    if found is not None:
        return f"; off by {found.value:.3f} on average {on} (a perfect model: {found.perfect:.3f})"
    if evidence.auroc is not None:
        return f"; AUROC {number_text(evidence.auroc.value)} {on}"
    return ""


_LIMITED = ("max-precision@recall", "max-recall@fpr", "max-recall@precision")


def _rates(tuned: Tuned, label: str, counts: Confusion) -> list[str]:
    """Recall, FPR and precision; the one that misses its limit is not rounded onto it."""
    texts = [percent(counts.recall), percent(counts.fpr), percent(counts.precision)]
    objective = tuned.request.objective_of(label)
    if _is_missed(tuned, label) and objective is not None and objective.kind in _LIMITED:
        missed = _LIMITED.index(objective.kind)
        share = (counts.recall, counts.fpr, counts.precision)[missed]
        texts[missed] = f"{100.0 * share:.4g} %"
    return texts


def counts_text(one: TunedLabel) -> str:
    """How many of each class there are, and fire, in each set."""
    sets = (("calibration", one.calibration), ("holdout", one.holdout))
    return " · ".join(_set_text(name, found) for name, found in sets if found is not None)


def _set_text(name: str, found: LabelEvidence) -> str:
    counts = found.confusion
    if counts is None:
        return f"{name}: {found.positives:,} positives, {found.negatives:,} negatives"
    return (
        f"{name}: {counts.tp:,} of {counts.positives:,} positives and "
        f"{counts.fp:,} of {counts.negatives:,} negatives fire"
    )


def cut_text(one: TunedLabel) -> str:
    """Where the label fires, as short as it can be said."""
    decision = one.label.decision
    if decision is None:
        return "no threshold"
    if decision.threshold is None:
        return f"never fires ({decision.status.replace('_', ' ')})"
    always = "always" if decision.status == "fires_always" else "fires"
    return f"{always} {fires_text(one.label)}"


def figure_text(title: str, figure: str, one: TunedLabel) -> str:
    """A figure of the calibration set, then of the holdout, which is the one to believe."""
    sets = (("", one.calibration), ("holdout ", one.holdout))
    known = [
        f"{name}{found.trial.figures[figure]:.3f}"
        for name, found in sets
        if found is not None and figure in found.trial.figures
    ]
    return f"{title} {', '.join(known)}" if known else ""


# --- many labels ----------------------------------------------------------------------------


def worst_first(tuned: Tuned) -> list[str]:
    """The labels, those first that somebody should look at."""

    def badness(label: str) -> tuple[int, float]:
        one = tuned.labels[label]
        evidence, decision = _believed(one)[1], one.label.decision
        if _is_missed(tuned, label):
            return 0, 0.0
        if decision is not None and decision.status != "ok":
            return 1, 0.0
        if evidence.confusion is not None:
            return 2, evidence.confusion.f1
        error = evidence.eces.get("equal_width")
        return 2, -error.debiased if error is not None else 0.0

    return sorted(tuned.labels, key=badness)


def undrawn_text(labels: Sequence[str]) -> str:
    """Which labels have no picture."""
    if not labels:
        return ""
    return f"Not drawn, since others need a look first: {enumerated(labels)}."
