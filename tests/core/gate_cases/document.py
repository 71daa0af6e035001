"""Documents that can be read and mean something."""

from gate_builder import HAPPY, Registry

from gate_cases import Asked, Cases, ask

cases = Cases("document")
ONE = Registry.new().run({HAPPY: 0.5})
TWO = ONE.run({HAPPY: 0.7}, day=2)
RUN = "essentia/effnet/v2/run.json"
VERSION = HAPPY.version_path(2)


@cases.allowed
def a_run() -> Asked:
    """The documents of a run pass."""
    return ask(ONE, TWO)


@cases.blocked("is not JSON")
def no_json() -> Asked:
    """What is no JSON at all is blocked."""
    return ask(ONE, TWO.but({VERSION: b"{"}))


@cases.blocked("has the unknown key 'more'")
def against_its_schema() -> Asked:
    """A key that the schema does not know is blocked."""
    return ask(ONE, TWO.edited(VERSION, "more", 1))


@cases.blocked("contradicts is_stable")
def without_a_meaning() -> Asked:
    """A row that contradicts itself is blocked."""
    return ask(ONE, TWO.edited(RUN, "heads", "mood_happy", "is_stable", True))


@cases.blocked("at /head: expected essentia/effnet/mood_happy, got essentia/effnet/timbre")
def another_head_than_its_path() -> Asked:
    """A calibration of another head than its path names is blocked."""
    return ask(ONE, TWO.edited(VERSION, "head", "timbre"))


@cases.blocked("is of schema calreg/calibration/1.9, this gate knows calreg/calibration/1.0")
def later_schema() -> Asked:
    """A document of a later schema than the gate knows is blocked: it may say anything."""
    return ask(ONE, TWO.edited(VERSION, "schema", "calreg/calibration/1.9"))


@cases.blocked("at /timestamp: 2026-13-45T99:00:00Z is no time")
def no_time() -> Asked:
    """A time that no calendar has is blocked."""
    return ask(ONE, TWO.edited("runs/2.json", "timestamp", "2026-13-45T99:00:00Z"))


@cases.blocked("holds a whole number above 9,007,199,254,740,992")
def endless_count() -> Asked:
    """A count that no float can hold is blocked before anybody computes with it."""
    return ask(ONE, TWO.edited(VERSION, "labels", "yes", "samples", 10**400))


@cases.blocked("is gone: this is no registry any more")
def no_registry_any_more() -> Asked:
    """A change that takes registry.yaml away is blocked."""
    return ask(ONE, ONE.but({"registry.yaml": None}))


@cases.blocked("is of schema calreg/registry/1.9, this gate knows calreg/registry/1.0")
def rules_of_a_later_schema() -> Asked:
    """So are rules: what they loosen this gate cannot tell."""
    rules = b"schema: calreg/registry/1.9\nname: music\nlater: {all: allowed}\n"
    return ask(ONE, ONE.but({"registry.yaml": rules}))
