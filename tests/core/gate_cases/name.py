"""Names that every file system can hold."""

from gate_builder import HAPPY, Registry

from gate_cases import Asked, Cases, ask

cases = Cases("name")
BASE = Registry.new()
ONE = BASE.run({HAPPY: 0.5})
RAW = ONE.tree[HAPPY.reference_path]


@cases.allowed
def as_the_grammar_says() -> Asked:
    """Names of the registry's grammar pass."""
    return ask(BASE, ONE)


@cases.blocked("may only hold a-z")
def upper_case() -> Asked:
    """Upper case in a head's name is blocked."""
    return ask(ONE, ONE.but({"essentia/effnet/Mood-calibration.json": RAW}))


@cases.blocked("may not hold '..'")
def a_way_out() -> Asked:
    """Two dots in a name are blocked."""
    return ask(ONE, ONE.but({"essentia/a..b/mood-calibration.json": RAW}))


@cases.blocked("is a device name on Windows")
def a_device() -> Asked:
    """A device of Windows is blocked."""
    return ask(ONE, ONE.but({"essentia/con/v2/mood-calibration-v2.json": RAW}))


@cases.blocked("differs from 'README.md' only in case")
def only_in_case() -> Asked:
    """Two files that one disk takes for the same are blocked."""
    base = ONE.but({"README.md": b"x\n"})
    return ask(base, base.but({"ReadMe.md": b"y\n"}))


@cases.blocked("cannot be printed")
def control_characters() -> Asked:
    """A name that moves the cursor is blocked."""
    return ask(ONE, ONE.but({"docs/\x1b[2Jx.md": b"x\n"}))


@cases.blocked("has a name of 4,006 characters, at most 700 are allowed")
def endless() -> Asked:
    """A path that is longer than any that a registry has is blocked."""
    return ask(ONE, ONE.but({"docs/" + "a/" * 2_000 + "x": b"x\n"}))


@cases.blocked("is called like a calibration and lies where none is")
def in_the_wrong_folder() -> Asked:
    """A version under the wrong number is blocked."""
    return ask(ONE, ONE.but({"essentia/effnet/v2/mood_happy-calibration-v1.json": RAW}))
