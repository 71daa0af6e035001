"""What is withdrawn stays so."""

from gate_builder import DANCE, HAPPY, Registry

from gate_cases import Asked, Cases, ask

cases = Cases("withdrawn")
ONE = Registry.new().run({HAPPY: 0.5, DANCE: 0.4})
TWO = ONE.run({HAPPY: 0.7, DANCE: 0.4}, day=2)
GONE = TWO.withdraw(2, to=1, day=3)


@cases.allowed
def a_withdrawal() -> Asked:
    """A withdrawal with its record, its entry and the reference moved back passes."""
    return ask(TWO, GONE)


@cases.allowed
def without_a_way_back() -> Asked:
    """The only version of a head may be withdrawn; then it has no reference."""
    return ask(ONE, ONE.withdraw(1, DANCE, day=3))


@cases.allowed
def the_same_scores_again() -> Asked:
    """A run on the scores that made a withdrawn version passes, and moves nothing."""
    free = TWO.run({HAPPY: 0.7, DANCE: 0.4}, day=3, digest="9" * 64).withdraw(3, day=4)
    return ask(free, free.run({HAPPY: 0.9, DANCE: 0.4}, day=5, digest="9" * 64))


@cases.blocked("holds v2, which is withdrawn 2026-10-03 by Ada: as agreed")
def back_as_the_reference() -> Asked:
    """A withdrawn version that becomes the reference again is blocked."""
    return ask(GONE, GONE.but({HAPPY.reference_path: GONE.tree[HAPPY.version_path(2)]}))


@cases.blocked("v2 of essentia/effnet/mood_happy is withdrawn 2026-10-03 by Ada")
def back_by_a_move() -> Asked:
    """A promotion of a withdrawn version is blocked, though it is recorded."""
    free = TWO.rollback(1, day=3).unpin(day=4).promote(2, day=5).tree
    base = GONE.unpin(day=4)
    files = {"moves/3.json": free["moves/3.json"], HAPPY.reference_path: free[HAPPY.reference_path]}
    return ask(base, base.but(files))


@cases.blocked("v2 is off the list, and withdrawn versions stay on it")
def off_the_list() -> Asked:
    """An entry that is taken off the list is blocked."""
    return ask(GONE, GONE.edited("withdrawn.json", "heads", {}))


@cases.blocked("is gone or cannot be read, and what was withdrawn stays so")
def without_the_list() -> Asked:
    """A list that is deleted is blocked."""
    return ask(GONE, GONE.but({"withdrawn.json": None}))


@cases.blocked("v1 is on the list, and no move of this change withdraws it")
def on_the_list_in_silence() -> Asked:
    """An entry that nobody recorded is blocked: it would take a version from production."""
    why = {"by": "Eve", "why": "because", "since": "2026-10-03T12:00:00.000Z"}
    head = TWO.withdraw(1, day=3).edited("withdrawn.json", "heads", HAPPY.full, "v1", why)
    return ask(TWO, head.but({"moves/1.json": None}))


@cases.blocked("holds the numbers of v2, which is withdrawn 2026-10-03", severity="warning")
def the_same_numbers_again() -> Asked:
    """Its numbers under a new version, of an input that is said to be another, are said."""
    base = GONE.unpin(day=4)
    return ask(base, base.run({HAPPY: 0.7, DANCE: 0.4}, day=5))
