"""Nothing from the future."""

from gate_builder import HAPPY, Registry

from gate_cases import Asked, Cases, ask

cases = Cases("timestamp")
ONE = Registry.new().run({HAPPY: 0.5})
PINNED = ONE.pin(1, day=2, until="2026-10-20")


@cases.allowed
def of_yesterday() -> Asked:
    """A run of yesterday passes."""
    return ask(ONE, ONE.run({HAPPY: 0.7}, day=2), now="2026-10-03T00:00:00.000Z")


@cases.allowed
def a_clock_that_is_ahead() -> Asked:
    """A clock that is some hours ahead is forgiven."""
    return ask(ONE, ONE.run({HAPPY: 0.7}, day=2), now="2026-10-02T06:00:00.000Z")


@cases.blocked("says it was made at 2026-10-21T12:00:00.000Z, and it is 2026-10-05T00:00:00.000Z")
def past_the_end_of_a_pin() -> Asked:
    """A run that is dated past the end of a pin, to move what is pinned, is blocked."""
    return ask(PINNED, PINNED.run({HAPPY: 0.7}, day=21), now="2026-10-05T00:00:00.000Z")
