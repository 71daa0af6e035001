"""References move for a reason."""

from gate_builder import DANCE, HAPPY, Registry

from gate_cases import Asked, Cases, ask

cases = Cases("unexplained-move")
ONE = Registry.new().run({HAPPY: 0.5, DANCE: 0.4})
TWO = ONE.run({HAPPY: 0.5, DANCE: 0.4}, day=2)
DRIFTED = ONE.run({HAPPY: 0.7, DANCE: 0.4}, day=2)


def with_reference(registry: Registry, number: int) -> Registry:
    """The reference copied by hand from a version."""
    return registry.but({HAPPY.reference_path: registry.tree[HAPPY.version_path(number)]})


@cases.allowed
def because_it_drifted() -> Asked:
    """A reference that moves because its head drifted passes."""
    return ask(ONE, DRIFTED)


@cases.allowed
def because_somebody_decided() -> Asked:
    """A stable head may be promoted by somebody with a reason."""
    return ask(ONE, TWO.promote(2))


@cases.allowed
def a_run_and_a_decision_at_once() -> Asked:
    """A change may hold runs and decisions; each is judged on what the one before left."""
    return ask(ONE, DRIFTED.rollback(1, day=3).run({HAPPY: 0.7, DANCE: 0.9}, day=4).unpin(day=5))


@cases.blocked("goes from v1 to v2, though its drift is below every threshold")
def moved_though_stable() -> Asked:
    """A reference that moves although its head is stable is blocked."""
    return ask(ONE, with_reference(TWO, 2))


@cases.blocked("goes from v1 to v2, and neither a run nor a move of this change says so")
def moved_in_silence() -> Asked:
    """A reference that somebody copied by hand, without a record, is blocked."""
    return ask(TWO, with_reference(TWO, 2))


@cases.blocked("goes from v1 to none")
def gone_in_silence() -> Asked:
    """A reference that vanishes is blocked."""
    return ask(ONE, ONE.but({HAPPY.reference_path: None}))


@cases.blocked("stays at v1, and should go to v2")
def not_moved_though_recorded() -> Asked:
    """A run that moves a reference, and does not bring it, is blocked."""
    return ask(ONE, DRIFTED.but({HAPPY.reference_path: ONE.tree[HAPPY.reference_path]}))
