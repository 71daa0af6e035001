"""Old versions go only when nothing needs them."""

from gate_builder import DANCE, HAPPY, Registry

from calreg.documents import Retention
from gate_cases import Asked, Cases, ask

cases = Cases("retention")
ONE = Registry.new().run({HAPPY: 0.5, DANCE: 0.4})
THREE = ONE.run({HAPPY: 0.5, DANCE: 0.8}, day=2).run({HAPPY: 0.5, DANCE: 0.4}, day=3)
KEPT = THREE.collect("essentia/effnet/v2", keep_runs=1)


@cases.allowed
def what_nothing_needs() -> Asked:
    """A folder that no reference holds passes, and keeps as many runs as before."""
    four = KEPT.run({HAPPY: 0.5, DANCE: 0.4}, day=4)
    return ask(four, four.collect("essentia/effnet/v3", keep_runs=1))


@cases.blocked("is collected, and the reference of essentia/effnet/mood_happy holds it")
def what_a_reference_holds() -> Asked:
    """The version that production reads stays."""
    return ask(THREE, THREE.collect("essentia/effnet/v1"))


@cases.blocked("is collected, and musicnn/danceability is pinned to it")
def what_a_pin_names() -> Asked:
    """The version that a pin holds stays, whatever the reference is at."""
    pinned = THREE.pin(3, DANCE, day=4)
    forged = pinned.run({HAPPY: 0.5, DANCE: 0.4}, day=5)
    return ask(forged, forged.collect("musicnn/v3"))


@cases.blocked("is one of the newest 2 runs of musicnn, which stay")
def the_newest() -> Asked:
    """The newest runs stay, as many as the record says."""
    return ask(THREE, THREE.collect("musicnn/v2", keep_runs=2))


@cases.blocked("does not record what was collected of musicnn")
def more_than_was_taken() -> Asked:
    """A record of folders that are still there is blocked."""
    ranges = [{"first": 1, "last": 2}]
    return ask(KEPT, KEPT.edited("retention.json", "collected", "musicnn", ranges))


@cases.blocked("is gone or cannot be read, and what was collected stays so")
def without_the_record() -> Asked:
    """A record that is deleted is blocked."""
    return ask(KEPT, KEPT.but({"retention.json": None}))


@cases.allowed
def the_first_time() -> Asked:
    """The first record says how many runs are kept."""
    return ask(THREE, KEPT)


@cases.blocked("keeps 1 runs from now on, 3 before", severity="warning")
def fewer_from_now_on() -> Asked:
    """That fewer runs are kept from now on is said."""
    base = THREE.but({"retention.json": Retention(3).to_bytes()})
    return ask(base, base.collect("essentia/effnet/v2", keep_runs=1))
