"""References are copies of versions."""

from gate_builder import HAPPY, Registry

from gate_cases import Asked, Cases, ask

cases = Cases("reference-copy")
ONE = Registry.new().run({HAPPY: 0.5})
TWO = ONE.run({HAPPY: 0.7}, day=2)
REFERENCE = HAPPY.reference_path


@cases.allowed
def moved_by_a_run() -> Asked:
    """A reference that is the new version passes."""
    return ask(ONE, TWO)


@cases.allowed
def moved_back() -> Asked:
    """A reference that is an old version passes, if somebody decided so."""
    return ask(TWO, TWO.rollback(1))


@cases.blocked("should be a copy of essentia/effnet/v2/mood_happy-calibration-v2.json, but has")
def a_number_changed() -> Asked:
    """A reference that differs from its version in one number is blocked."""
    return ask(ONE, TWO.edited(REFERENCE, "labels", "yes", "std", 0.2))


@cases.blocked("which does not exist")
def of_no_version() -> Asked:
    """A reference of a version that nobody made is blocked."""
    return ask(ONE, ONE.edited(REFERENCE, "version", 7))
