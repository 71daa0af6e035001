"""Numbers of one set of scores."""

from dataclasses import replace

from gate_builder import HAPPY, Registry, scored

from calreg.calibrate import describe, minmax
from calreg.documents import LabelCalibration
from gate_cases import Asked, Cases, ask

cases = Cases("distribution")
ONE = Registry.new().run({HAPPY: 0.5})


def poisoned(**changes: float) -> LabelCalibration:
    """The scores of the reference, as far as the histogram goes, with other quantiles."""
    label = scored(0.5)
    kept = label.distribution
    quantiles = {**(kept.quantiles or {}), **changes}
    bounds = {"p5": quantiles["p5"], "p95": quantiles["p95"]}
    return replace(label, parameters=bounds, distribution=replace(kept, quantiles=quantiles))


@cases.allowed
def as_counted() -> Asked:
    """What a run computes fits, whatever the scores are."""
    import numpy as np

    rng = np.random.default_rng(3)
    logits = minmax(describe(rng.standard_t(2, 500)))
    ties = minmax(describe(rng.integers(0, 5, 400) / 5.0, grid=(0.0, 1.0)))
    few = minmax(describe(rng.random(100), grid=(0.2, 0.6)))
    return ask(ONE, ONE.run({HAPPY: {"a": logits, "b": ties, "c": few, "yes": scored(0.5)}}, day=2))


@cases.blocked("label 'yes': p5 0.2 is not between 0.33")
def other_percentiles() -> Asked:
    """The histogram of the reference with other percentiles is blocked."""
    return ask(ONE, ONE.run({HAPPY: {"yes": poisoned(p1=0.15, p5=0.2)}}, day=2))


@cases.blocked("label 'yes': mean 0.1 is not between")
def another_mean() -> Asked:
    """So is another mean."""
    label = scored(0.5)
    made = replace(label, distribution=replace(label.distribution, mean=0.2, min=0.1))
    made = replace(made, distribution=replace(made.distribution, mean=0.1))
    return ask(ONE, ONE.run({HAPPY: {"yes": made}}, day=2))


@cases.blocked("label 'yes': std 0.9 is more than half the range")
def another_deviation() -> Asked:
    """And a deviation that no scores in this range have."""
    label = scored(0.5)
    made = replace(label, distribution=replace(label.distribution, std=0.9))
    return ask(ONE, ONE.run({HAPPY: {"yes": made}}, day=2))
