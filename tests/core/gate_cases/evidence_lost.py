"""References that drift can be computed from."""

from dataclasses import replace

from gate_builder import HAPPY, Registry, deciding, factor, scored

from calreg.documents import Distribution, LabelCalibration
from gate_cases import Asked, Cases, ask

cases = Cases("evidence-lost")
ONE = Registry.new().run({HAPPY: 0.5})
BARE = LabelCalibration("minmax", {"p5": 0.1, "p95": 0.9}, Distribution(5_000))
OLD = Registry.new().run({HAPPY: {"yes": BARE}})


TUNED = Registry.new(b"gate: {min_f1: null}\n").run({HAPPY: {"yes": deciding()}})


@cases.allowed
def as_computed() -> Asked:
    """What a run computes keeps its distribution."""
    return ask(ONE, ONE.run({HAPPY: 0.7}, day=2))


@cases.allowed
def imported_without() -> Asked:
    """What another system made may have none, and may get one."""
    return ask(OLD, OLD.run({HAPPY: {"yes": scored(0.5)}}, day=2))


@cases.blocked("label 'yes' loses its histogram and its quantiles")
def two_numbers_alone() -> Asked:
    """A reference with percentiles and nothing behind them, where there was a distribution."""
    return ask(ONE, ONE.run({HAPPY: {"yes": BARE}}, day=2))


@cases.blocked("label 'yes' loses its histogram and its quantiles", severity="warning")
def by_hand() -> Asked:
    """Somebody who promotes it by name may do it, and it is said."""
    held = ONE.pin(1, day=2).run({HAPPY: {"yes": BARE}}, day=3)
    return ask(held, held.unpin(day=4).promote(2, day=5))


@cases.blocked("label 'yes' loses its histogram and its quantiles")
def as_a_factor() -> Asked:
    """Scores that become a factor lose all that drift is computed from."""
    return ask(ONE, ONE.run({HAPPY: {"yes": factor(1.0)}}, day=2))


@cases.blocked("label 'yes' loses its holdout: its decision could not be compared any more")
def without_a_holdout() -> Asked:
    """Who leaves the holdout out does not show that F1 did not fall."""
    return ask(TUNED, TUNED.run({HAPPY: {"yes": deciding(0.6, has_holdout=False)}}, day=2))


@cases.blocked("label 'yes' loses its holdout")
def a_holdout_without_counts() -> Asked:
    """Nor who names it and keeps the counts to himself."""
    found = deciding(0.6)
    assert found.holdout is not None
    bare = replace(found, holdout=replace(found.holdout, confusion=None))
    return ask(TUNED, TUNED.run({HAPPY: {"yes": bare}}, day=2))
