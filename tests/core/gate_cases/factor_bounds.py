"""Factors within bounds, step by step."""

from gate_builder import HAPPY, Registry, factor

from gate_cases import Asked, Cases, ask

cases = Cases("factor-bounds")
ONE = Registry.new().run({HAPPY: {"good": factor(0.9)}})


@cases.allowed
def a_small_step() -> Asked:
    """A factor within bounds that moves by a tenth passes."""
    return ask(ONE, ONE.run({HAPPY: {"good": factor(0.99)}}, day=2))


@cases.allowed
def a_new_group() -> Asked:
    """A group that is new has no step to be judged."""
    return ask(ONE, ONE.run({HAPPY: {"good": factor(0.9), "poor": factor(0.5)}}, day=2))


@cases.blocked("group 'good': factor 1.3 is outside 0.5 to 1.2")
def out_of_bounds() -> Asked:
    """A factor above the bounds is blocked."""
    return ask(Registry.new(), Registry.new().run({HAPPY: {"good": factor(1.3)}}))


@cases.blocked("factor goes from 0.9 to 1.1, by more than 0.15 of it in one change")
def too_far_at_once() -> Asked:
    """A step that is too large is blocked."""
    return ask(ONE, ONE.run({HAPPY: {"good": factor(1.1)}}, day=2))


@cases.blocked("factor goes from 0.9 to 1.1, by more than 0.15 of it in one change")
def too_far_in_two_steps() -> Asked:
    """Two runs in one change go no further than one."""
    two = ONE.run({HAPPY: {"good": factor(1.0)}}, day=2)
    return ask(ONE, two.run({HAPPY: {"good": factor(1.1)}}, day=3))


@cases.blocked("factor goes from 0.9 to 1.1, by more than 0.15 of it in one change")
def too_far_back_to_what_the_change_brings() -> Asked:
    """Nor does a roll-back to a version of the same change."""
    two = ONE.run({HAPPY: {"good": factor(1.1)}}, day=2)
    three = two.run({HAPPY: {"good": factor(1.0)}}, day=3)
    return ask(ONE, three.rollback(2, day=4))
