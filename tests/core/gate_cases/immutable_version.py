"""What is written once stays."""

from gate_builder import DANCE, HAPPY, Registry

from gate_cases import Asked, Cases, ask

cases = Cases("immutable-version")
ONE = Registry.new().run({HAPPY: 0.5, DANCE: 0.4})
TWO = ONE.run({HAPPY: 0.7, DANCE: 0.4}, day=2)
PINNED = TWO.pin(2)


@cases.allowed
def a_folder_beside_the_others() -> Asked:
    """A new folder beside those of old runs passes."""
    return ask(ONE, TWO)


@cases.allowed
def a_folder_that_was_collected() -> Asked:
    """A folder that nothing needs and that is recorded as collected may go."""
    three = TWO.run({HAPPY: 0.7, DANCE: 0.8}, day=3)
    return ask(three, three.collect("musicnn/v2", keep_runs=1))


@cases.blocked("was rewritten, and a version never changes")
def v1_rewritten() -> Asked:
    """Other numbers in v1 are blocked, even with the reference rewritten as well."""
    forged = ONE.edited(HAPPY.version_path(1), "labels", "yes", "max", 1.0)
    raw = forged.tree[HAPPY.version_path(1)]
    return ask(ONE, forged.but({HAPPY.reference_path: raw}))


@cases.blocked("was rewritten, and a run's record never changes")
def a_record_rewritten() -> Asked:
    """Another summary of an old run is blocked."""
    return ask(ONE, ONE.edited("runs/1.json", "tool", "calreg 9"))


@cases.blocked("was removed, and a version stays")
def a_version_removed() -> Asked:
    """A version that goes without a record is blocked."""
    return ask(TWO, TWO.but({DANCE.version_path(1): None}))


@cases.blocked("was added to musicnn/v1, which was written before")
def a_version_added_later() -> Asked:
    """A version that comes into the folder of an old run is blocked."""
    raw = ONE.tree[DANCE.version_path(1)].replace(b"danceability", b"extra")
    return ask(ONE, ONE.but({"musicnn/v1/extra-calibration-v1.json": raw}))


@cases.blocked("was removed, and a move's record stays")
def a_move_unmade() -> Asked:
    """A decision's record that goes is blocked, pins or no pins."""
    return ask(PINNED, TWO)
