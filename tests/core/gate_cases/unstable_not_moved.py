"""What is held is said."""

from gate_builder import HAPPY, Registry, scored

from gate_cases import Asked, Cases, ask

cases = Cases("unstable-not-moved")
ONE = Registry.new().run({HAPPY: 0.5})
PINNED = ONE.pin(1)


@cases.allowed
def moved() -> Asked:
    """Of a head that moved there is nothing to say."""
    return ask(ONE, ONE.run({HAPPY: 0.7}, day=2))


@cases.blocked("is unstable and stays at v1: pinned to v1 by Ada", severity="note")
def held_by_a_pin() -> Asked:
    """That a drifted head stays where a pin holds it is said."""
    return ask(PINNED, PINNED.run({HAPPY: 0.7}, day=6))


@cases.blocked("is undecided and stays at v1: within sampling noise", severity="note")
def held_as_noise() -> Asked:
    """That a head stays since chance may be all there is to it is said."""
    rules = b"policy: {promote_on: drift}\n"
    base = Registry.new(rules).run({HAPPY: {"yes": scored(0.5, items=200)}})
    return ask(base, base.run({HAPPY: {"yes": scored(0.5, items=200, seed=2)}}, day=2))
