"""No label is lost unseen."""

from gate_builder import HAPPY, Registry, scored

from gate_cases import Asked, Cases, ask

cases = Cases("labels-removed")
BOTH = {"no": scored(0.5), "yes": scored(0.5)}
ONE = Registry.new().run({HAPPY: BOTH})
PINNED = ONE.pin(1, day=2)
HELD = PINNED.run({HAPPY: {"yes": scored(0.7)}}, day=3)


@cases.allowed
def one_more() -> Asked:
    """A label that comes passes."""
    return ask(ONE, ONE.run({HAPPY: {**BOTH, "maybe": scored(0.2)}}, day=2))


@cases.allowed
def in_a_version_alone() -> Asked:
    """A version that lacks a label passes, as long as no reference does."""
    return ask(PINNED, HELD)


@cases.blocked("the reference loses the label 'no'")
def by_a_run() -> Asked:
    """A run that loses a label of the reference is blocked."""
    return ask(ONE, ONE.run({HAPPY: {"yes": scored(0.5)}}, day=2))


@cases.blocked("the reference loses the label 'no'", severity="warning")
def by_hand() -> Asked:
    """Somebody who promotes it by name may do it, and it is said."""
    return ask(HELD, HELD.unpin(day=4).promote(2, day=5))


@cases.blocked("the reference loses the label 'no'")
def held_where_a_run_left_it() -> Asked:
    """To hold the reference where a run has moved it is no decision to lose a label."""
    return ask(ONE, ONE.run({HAPPY: {"yes": scored(0.5)}}, day=2).pin(2, day=3).unpin(day=4))
