"""Decisions as they are recorded."""

from gate_builder import HAPPY, Registry

from gate_cases import Asked, Cases, ask

cases = Cases("move-record")
ONE = Registry.new().run({HAPPY: 0.5})
TWO = ONE.run({HAPPY: 0.7}, day=2)
BACK = TWO.rollback(1, day=3)


@cases.allowed
def a_rollback() -> Asked:
    """A roll-back with its record and its pin passes."""
    return ask(TWO, BACK)


@cases.allowed
def a_pin_that_is_lifted() -> Asked:
    """Pin, unpin and promotion in one change pass."""
    return ask(TWO, BACK.unpin(day=4).promote(2, day=5))


@cases.blocked("is move 3, the next is move 1")
def a_gap() -> Asked:
    """A record whose number is not the next is blocked."""
    raw = BACK.tree["moves/1.json"].replace(b'"number": 1', b'"number": 3')
    return ask(TWO, BACK.but({"moves/1.json": None, "moves/3.json": raw}))


@cases.blocked("before says 1, it is 2")
def from_another_version() -> Asked:
    """A record that says another version before is blocked."""
    return ask(TWO, BACK.edited("moves/1.json", "before", 1))


@cases.blocked("promote cannot be: essentia/effnet/mood_happy is pinned to v1")
def past_a_pin() -> Asked:
    """A promotion past a pin is blocked, though it is recorded."""
    free = TWO.rollback(1, day=3).unpin(day=4).promote(2, day=5).tree
    move = free["moves/3.json"].replace(b'"number": 3', b'"number": 2')
    reference = free[HAPPY.reference_path]
    return ask(BACK, BACK.but({"moves/2.json": move, HAPPY.reference_path: reference}))


@cases.blocked("its pin is gone, and no move lifts it")
def a_pin_lifted_in_silence() -> Asked:
    """Pins that vanish without a record are blocked."""
    return ask(BACK, BACK.but({"pins.json": None}))


@cases.blocked("is pinned otherwise than the moves say")
def a_pin_changed() -> Asked:
    """A pin that ends earlier than was decided is blocked."""
    until = "2026-10-04T00:00:00.000Z"
    return ask(TWO, BACK.edited("pins.json", "heads", HAPPY.full, "until", until))


@cases.blocked("is not changed, though decisions of this change do")
def a_pin_not_made() -> Asked:
    """A roll-back that leaves out its pin is blocked: the next run would undo it."""
    return ask(TWO, BACK.but({"pins.json": None}))
