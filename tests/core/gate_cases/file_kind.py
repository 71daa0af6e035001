"""Plain files only."""

from gate_builder import HAPPY, Registry

from gate_cases import Asked, Cases, ask

cases = Cases("file-kind")
BASE = Registry.new()
ONE = BASE.run({HAPPY: 0.5})
REFERENCE = HAPPY.reference_path


@cases.allowed
def plain() -> Asked:
    """Plain files pass."""
    return ask(BASE, ONE)


@cases.blocked("is a symbolic link")
def a_link() -> Asked:
    """A reference that is a link to its version is blocked."""
    link = ONE.but({REFERENCE: b"v1/mood_happy-calibration-v1.json"})
    return ask(BASE, link, modes={REFERENCE: "120000"})


@cases.blocked("is executable")
def a_program() -> Asked:
    """A document that may be run is blocked."""
    return ask(BASE, ONE, modes={HAPPY.version_path(1): "100755"})


@cases.blocked("is a submodule")
def a_submodule() -> Asked:
    """A submodule is blocked, wherever it points."""
    return ask(BASE, BASE.but({"docs/more": b""}), modes={"docs/more": "160000"})


@cases.blocked("is a symbolic link")
def a_link_for_a_folder() -> Asked:
    """A version folder that is a link to another is blocked."""
    head = ONE.but({"essentia/effnet/v2": b"v1"})
    return ask(ONE, head, modes={"essentia/effnet/v2": "120000"})


@cases.blocked("expected mode 100644, got '100664'")
def an_old_mode() -> Asked:
    """A mode that git itself does not write any more is blocked."""
    return ask(BASE, ONE, modes={"runs/1.json": "100664"})
