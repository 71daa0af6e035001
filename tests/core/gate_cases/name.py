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


@cases.blocked("differs from 'docs/\u00e9.md' only in case or form")
def only_in_form() -> Asked:
    """Nor may two be spelt alike in other characters."""
    base = ONE.but({"docs/\u00e9.md": b"x\n"})
    return ask(base, base.but({"docs/e\u0301.md": b"y\n"}))


@cases.blocked("is not in Unicode normal form C")
def in_another_form() -> Asked:
    """A name that one file system writes otherwise than it was given is blocked."""
    return ask(ONE, ONE.but({"docs/e\u0301.md": b"x\n"}))


@cases.blocked("lies in a folder '.GIT', which git takes for its own")
def a_repository_in_it() -> Asked:
    """So is a folder that git would take for its own where case does not count."""
    return ask(ONE, ONE.but({"docs/.GIT/hooks/post-checkout": b"x\n"}))


@cases.blocked("lies in a folder 'git~1', which git takes for its own")
def a_repository_by_its_short_name() -> Asked:
    """And its short name on Windows."""
    return ask(ONE, ONE.but({"docs/git~1/config": b"x\n"}))


@cases.blocked("'Aux.md' is a device name on Windows")
def a_device_among_the_documentation() -> Asked:
    """Devices of Windows are none of the other files' names either."""
    return ask(ONE, ONE.but({"docs/Aux.md": b"x\n"}))


@cases.blocked("'a:b' holds ':'")
def a_sign_that_means_something() -> Asked:
    """Nor are signs that mean something to a file system."""
    return ask(ONE, ONE.but({"docs/a:b": b"x\n"}))


@cases.blocked("'x.' ends with '.' or a space")
def an_end_that_is_cut_off() -> Asked:
    """Nor is an end that Windows cuts off."""
    return ask(ONE, ONE.but({"docs/x.": b"x\n"}))


@cases.blocked("differs from the registry's folder 'Cal/Reg' only in case")
def beside_the_registry() -> Asked:
    """A folder beside the registry's that one disk takes for it is blocked."""
    beside = ["cal/reg/essentia/effnet/mood_happy-calibration.json"]
    return ask(ONE, ONE.but({"README.md": b"x\n"}), folder="Cal/Reg", outside=beside)
