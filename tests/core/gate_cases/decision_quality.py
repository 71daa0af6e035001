"""Decisions good enough, and no worse."""

from dataclasses import replace

from gate_builder import HAPPY, Registry, deciding, scored

from gate_cases import Asked, Cases, ask

cases = Cases("decision-quality")
NEW = Registry.new()
ONE = NEW.run({HAPPY: {"yes": deciding(tp=45, fn=5, fp=5)}})
MANY = NEW.run({HAPPY: {"yes": deciding(tp=4_500, fn=500, fp=500, tn=14_500)}})


def tuned(registry: Registry, at: float | None = 0.6, **counts: int) -> Registry:
    return registry.run({HAPPY: {"yes": deciding(at, **counts)}}, day=2)


@cases.allowed
def good_enough() -> Asked:
    """A threshold with F1 above the least passes."""
    return ask(NEW, ONE)


@cases.allowed
def no_worse() -> Asked:
    """A threshold that is as good as before on the same holdout passes."""
    return ask(ONE, tuned(ONE, tp=45, fn=5, fp=5))


@cases.allowed
def never_asked() -> Asked:
    """A policy that asks nothing of a head lets it pass."""
    base = Registry.new(b"heads: {'essentia/*': {gate: {min_f1: null}}}\n")
    return ask(base, tuned(base, None, tp=0, fn=50, fp=0, tn=150))


@cases.blocked("F1 on the holdout is 0.09091, below min_f1 0.1")
def f1_below_the_least() -> Asked:
    """F1 of 0.09 is blocked, by the counts and not by what anybody says."""
    return ask(NEW, tuned(NEW, tp=5, fn=45, fp=55, tn=95))


@cases.blocked("F1 on the holdout is 0, below min_f1 0.1")
def never_fires() -> Asked:
    """A label that never fires has F1 0."""
    return ask(NEW, tuned(NEW, None, tp=0, fn=50, fp=0, tn=150))


@cases.blocked("F1 on the holdout is 0, below min_f1 0.1", severity="warning")
def never_fires_as_before() -> Asked:
    """That it never fires, as it did not before, is said."""
    lax = Registry.new(b"gate: {min_f1: null}\n")
    silent = {"tp": 0, "fn": 50, "fp": 0, "tn": 150}
    labels = {"other": deciding(), "yes": deciding(None, **silent)}
    one = lax.run({HAPPY: labels}).but({"registry.yaml": NEW.tree["registry.yaml"]})
    return ask(one, one.run({HAPPY: {**labels, "other": deciding(0.6)}}, day=2))


@cases.blocked("has no F1 where it was chosen, and min_f1 is 0.1")
def without_counts() -> Asked:
    """A decision without counts is blocked: a figure that is missing fails."""
    bare = replace(deciding(), holdout=None, calibration=None)
    return ask(NEW, NEW.run({HAPPY: {"yes": bare}}))


@cases.blocked("FPR on the holdout is 0.04, above max_fpr 0.03")
def too_many_false_alarms() -> Asked:
    """A policy may limit the false positive rate."""
    base = Registry.new(b"gate: {max_fpr: 0.03}\n")
    return ask(base, tuned(base, tp=45, fn=5, fp=6, tn=144))


@cases.blocked("recall on the holdout is 0.8, below min_recall 0.9")
def too_little_recall() -> Asked:
    """And ask for recall."""
    base = Registry.new(b"gate: {min_recall: 0.9}\n")
    return ask(base, tuned(base, tp=40, fn=10))


@cases.blocked("F1 on the holdout falls from 0.9 to 0.8, by more than max_f1_drop 0.02")
def worse_on_the_same_holdout() -> Asked:
    """On the same items F1 may not fall by more than the policy allows."""
    return ask(MANY, tuned(MANY, tp=4_000, fn=1_000, fp=1_000, tn=14_000))


@cases.blocked("within its interval", severity="note")
def worse_by_chance() -> Asked:
    """Of few items a fall within the interval is a note."""
    return ask(ONE, tuned(ONE, tp=43, fn=7, fp=7, tn=143))


@cases.blocked("the same holdout has 50 positives and 150 negatives in the reference, and 60")
def another_holdout_of_the_same_name() -> Asked:
    """Who calls other items by the name of the same holdout is blocked."""
    return ask(ONE, tuned(ONE, tp=58, fn=2, fp=5, tn=145))


@cases.blocked("never fires, and its counts say that it did")
def counts_of_something_else() -> Asked:
    """A threshold that never fires cannot have found anything."""
    return ask(NEW, tuned(NEW, None, tp=45, fn=5))


@cases.blocked("decided until now, and would decide nothing any more")
def a_decision_lost() -> Asked:
    """A run without truth cannot take a head's thresholds from production."""
    return ask(ONE, ONE.run({HAPPY: {"yes": scored(0.7)}}, day=2))


@cases.blocked("F1 on the holdout is 0.0909", severity="warning")
def back_to_a_bad_one() -> Asked:
    """Going back is never barred, but it is said what is gone back to."""
    lax = b"gate: {min_f1: 0, max_f1_drop: null}\n"
    two = tuned(Registry.new(lax).run({HAPPY: {"yes": deciding(tp=5, fn=45, fp=55, tn=95)}}))
    base = two.but({"registry.yaml": NEW.tree["registry.yaml"]})
    return ask(base, base.rollback(1, day=3))


@cases.blocked("F1 on the holdout is 0.09091, below min_f1 0.1")
def back_to_what_the_change_brings() -> Asked:
    """To go back to a version of the same change is no way back: production never had it."""
    two = tuned(ONE, tp=5, fn=45, fp=55, tn=95)
    three = two.run({HAPPY: {"yes": deciding(0.7, tp=45, fn=5, fp=5)}}, day=3)
    return ask(ONE, three.rollback(2, day=4))


@cases.blocked("F1 on the holdout is 0.09091, below min_f1 0.1")
def forward_by_a_withdrawal() -> Asked:
    """Nor is a withdrawal that moves the reference on to a newer version."""
    pinned = ONE.pin(1, day=2)
    held = pinned.run({HAPPY: {"yes": deciding(0.6, tp=5, fn=45, fp=55, tn=95)}}, day=3)
    return ask(held, held.withdraw(1, to=2, day=4))


@cases.blocked("F1 where it was chosen falls from 0.9 to 0.8, by more than max_f1_drop 0.02")
def worse_where_both_were_chosen() -> Asked:
    """Without a holdout on either side they are compared on the items they were chosen on."""
    lots = {"fn": 500, "fp": 500, "tn": 14_500, "has_holdout": False}
    base = NEW.run({HAPPY: {"yes": deciding(tp=4_500, **lots)}})
    worse = deciding(0.6, tp=4_000, **{**lots, "fn": 1_000, "fp": 1_000, "tn": 14_000})
    return ask(base, base.run({HAPPY: {"yes": worse}}, day=2))


@cases.blocked("F1 on the holdout is 0.0909", severity="warning")
def back_and_free_again() -> Asked:
    """Nor is the way back barred to who lifts the pin that comes with it."""
    back = back_to_a_bad_one()
    return Asked(back.base, Registry(back.head).unpin(day=4).tree, {})
