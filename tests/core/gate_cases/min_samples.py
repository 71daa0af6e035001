"""Enough scores behind every label."""

from gate_builder import HAPPY, Registry, factor, scored

from calreg.documents import Distribution, LabelCalibration
from gate_cases import Asked, Cases, ask

cases = Cases("min-samples")
BASE = Registry.new()
UNKNOWN = LabelCalibration("minmax", {"p5": 0.1, "p95": 0.9}, Distribution(None))


@cases.allowed
def as_many_as_asked() -> Asked:
    """A hundred scores are enough by default."""
    return ask(BASE, BASE.run({HAPPY: {"yes": scored(items=100)}}))


@cases.allowed
def pairs_of_a_factor() -> Asked:
    """Factors are made of pairs, and their number is weighed where they are suggested."""
    return ask(BASE, BASE.run({HAPPY: {"good": factor(0.9, 20)}}))


@cases.allowed
def unknown_where_that_is_allowed() -> Asked:
    """What another system made may come without a number, if the policy says so."""
    base = Registry.new(b"gate: {allow_unknown_samples: true}\n")
    return ask(base, base.run({HAPPY: {"yes": UNKNOWN}}))


@cases.blocked("label 'yes' has 99 scores, at least 100 are needed")
def one_too_few() -> Asked:
    """99 scores are not."""
    return ask(BASE, BASE.run({HAPPY: {"yes": scored(items=99)}}))


@cases.blocked("label 'yes' has no number of scores, at least 100 are needed")
def unknown() -> Asked:
    """A number that is missing fails."""
    return ask(BASE, BASE.run({HAPPY: {"yes": UNKNOWN}}))


@cases.blocked("label 'no' has 500 scores, at least 1,000 are needed")
def fewer_than_the_head_asks() -> Asked:
    """Every label of a head must have what the rules for this head ask."""
    base = Registry.new(b"heads: {'essentia/*': {min_samples: 1000}}\n")
    labels = {"yes": scored(items=1_000), "no": scored(items=500)}
    return ask(base, base.run({HAPPY: labels}))
