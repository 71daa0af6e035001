"""References that drift can be computed from."""

from gate_builder import HAPPY, Registry, scored

from calreg.documents import Distribution, LabelCalibration
from gate_cases import Asked, Cases, ask

cases = Cases("evidence-lost")
ONE = Registry.new().run({HAPPY: 0.5})
BARE = LabelCalibration("minmax", {"p5": 0.1, "p95": 0.9}, Distribution(5_000))
OLD = Registry.new().run({HAPPY: {"yes": BARE}})


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
