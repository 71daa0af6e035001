"""Figures computed from scores."""

from dataclasses import replace

import numpy as np
from gate_builder import HAPPY, Registry, deciding

from calreg.documents import Confusion, LabelCalibration, Trial
from calreg.gate import Holdout
from calreg.labelled import LabelledColumn, LabelledScores
from gate_cases import Asked, Cases, ask

cases = Cases("holdout")
NEW = Registry.new()


def items(*, positives_at: float = 0.8) -> LabelledScores:
    """Fifty positives around one score, a hundred and fifty negatives below."""
    rng = np.random.default_rng(5)
    positives = np.clip(rng.normal(positives_at, 0.1, 50), 0, 1)
    negatives = np.clip(rng.normal(0.3, 0.1, 150), 0, 1)
    scores, truth = np.concatenate([positives, negatives]), np.arange(200) < 50
    return LabelledScores({"yes": LabelledColumn(scores, truth, np.arange(200))}, False, 200)


def tried(at: float, scores: LabelledScores, **counts: int) -> LabelCalibration:
    """A threshold with the counts that it has on these items, or others."""
    column = scores.labels["yes"]
    fired = column.scores >= at
    tp, fp = int((fired & column.truth).sum()), int((fired & ~column.truth).sum())
    honest = {"tp": tp, "fp": fp, "fn": 50 - tp, "tn": 150 - fp}
    trial = Trial(scores.digest("yes"), 50, 150, Confusion(**{**honest, **counts}), {})
    return replace(deciding(at), holdout=trial)


HONEST = NEW.run({HAPPY: {"yes": tried(0.5, items())}})


@cases.allowed
def counts_that_are_so() -> Asked:
    """Counts that the scores give as well pass."""
    return ask(NEW, HONEST, holdout=Holdout({HAPPY.full: items()}))


@cases.allowed
def no_holdout_given() -> Asked:
    """Without scores there is nothing to compute."""
    return ask(NEW, HONEST)


@cases.blocked("stores tp 50, fp 0, fn 0, tn 150, these items give tp 0")
def counts_made_up() -> Asked:
    """Counts that the scores do not give are blocked."""
    label = tried(0.99, items(), tp=50, fn=0, fp=0, tn=150)
    return ask(NEW, NEW.run({HAPPY: {"yes": label}}), holdout=Holdout({HAPPY.full: items()}))


@cases.blocked("F1 on the holdout given is 0, below min_f1 0.1")
def good_on_other_items() -> Asked:
    """What was good on somebody's items must be good on those that the gate has, too."""
    scores = items(positives_at=0.3)
    label = tried(0.95, items(), tp=50, fn=0, fp=0, tn=150)
    return ask(NEW, NEW.run({HAPPY: {"yes": label}}), holdout=Holdout({HAPPY.full: scores}))


@cases.blocked("falls from")
def worse_than_the_reference() -> Asked:
    """The reference is tried on the same items."""
    label = deciding(0.85, digest="e" * 64)
    head = HONEST.run({HAPPY: {"yes": label}}, day=2)
    return ask(HONEST, head, holdout=Holdout({HAPPY.full: items()}))


def shared(temperature: float, at: float | None = 0.5) -> dict[str, LabelCalibration]:
    """Two labels of one softmax, the first of which decides."""
    numbers = {"temperature": temperature, "link": "softmax", "scale": "logit"}
    bare = replace(
        deciding(at), method="temperature", parameters=numbers, holdout=None, calibration=None
    )
    return {"no": replace(bare, decision=None), "yes": bare}


def logits() -> LabelledScores:
    """Logits of two labels, of which one item lacks one."""
    rng = np.random.default_rng(6)
    truth = np.arange(200) < 50
    yes = rng.normal(0.0, 0.5, 200) + 3.0 * truth
    columns = {
        "no": LabelledColumn((1.5 - yes)[1:], ~truth[1:], np.arange(1, 200)),
        "yes": LabelledColumn(yes, truth, np.arange(200)),
    }
    return LabelledScores(columns, True, 200)


LAX = Registry.new(b"gate: {min_f1: null, max_ece: 0.2}\n")


@cases.blocked("ECE on the holdout given is 0.25")
def a_softmax_too_flat() -> Asked:
    """Probabilities of a softmax are computed from all labels of the items that have them."""
    head = LAX.run({HAPPY: shared(1_000.0)})
    return ask(LAX, head, holdout=Holdout({HAPPY.full: logits()}))


@cases.blocked("label 'yes': has no scores in the holdout")
def a_label_without_scores() -> Asked:
    """A label that decides and has no scores cannot be tried."""
    label = tried(0.5, items())
    head = NEW.run({HAPPY: {"yes": label}})
    other = LabelledScores({"maybe": items().labels["yes"]}, False, 200)
    return ask(NEW, head, holdout=Holdout({HAPPY.full: other}))


@cases.blocked("was tuned with is_logit True, the holdout has False")
def logits_for_scores() -> Asked:
    """Scores are not tried where logits were tuned."""
    label = replace(tried(0.5, items()), is_logit=True)
    head = NEW.run({HAPPY: {"yes": label}})
    return ask(NEW, head, holdout=Holdout({HAPPY.full: items()}))


@cases.blocked("decides, and the holdout has no scores of it", severity="warning")
def of_other_heads() -> Asked:
    """A head that decides and has no scores in the holdout is said."""
    return ask(NEW, HONEST, holdout=Holdout({}))
