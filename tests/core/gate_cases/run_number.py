"""Run numbers without gaps or repeats."""

from dataclasses import replace

from gate_builder import HAPPY, Registry, at, scored

from calreg.documents import RunInputs
from calreg.plan import Computed, plan_run
from gate_cases import Asked, Cases, ask

cases = Cases("run-number")
ONE = Registry.new().run({HAPPY: 0.5})
TWO = ONE.run({HAPPY: 0.7}, day=2)


def run_after(registry: Registry, number: int, day: int) -> Registry:
    """A run that takes another number than the next."""
    made = {HAPPY: {"yes": scored(0.8, seed=day)}}
    inputs = RunInputs(f"{day:064}", "long", 3_000, 3_000, {}, ())
    state = replace(registry.state, highest_run=number - 1)
    return registry.after(
        plan_run(state, Computed(made, {}, {}, inputs), timestamp=at(day), tool="calreg 0")
    )


@cases.allowed
def the_next() -> Asked:
    """The next number passes."""
    return ask(ONE, TWO)


@cases.allowed
def two_at_once() -> Asked:
    """Two runs in one change pass if they are the next two."""
    return ask(ONE, TWO.run({HAPPY: 0.6}, day=3))


@cases.blocked("is run 4, the next is run 2")
def a_gap() -> Asked:
    """A number that is not the next is blocked."""
    return ask(ONE, run_after(ONE, 4, 2))


@cases.blocked("is run 1000000000, the next is run 2")
def the_last_number_there_is() -> Asked:
    """Nobody counts to the end, so that no run could follow."""
    return ask(ONE, run_after(ONE, 10**9, 2))
