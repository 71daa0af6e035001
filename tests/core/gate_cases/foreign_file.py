"""Nothing that does not belong."""

from gate_builder import HAPPY, Registry

from gate_cases import Asked, Cases, ask

cases = Cases("foreign-file")
ONE = Registry.new().run({HAPPY: 0.5})
INNER = ONE.but({"other/registry.yaml": b"schema: calreg/registry/1.0\nname: other\n"})


@cases.allowed
def documentation() -> Asked:
    """A README and what lies in docs pass."""
    return ask(ONE, ONE.but({"README.md": b"x\n", "docs/a/b.md": b"y\n"}))


@cases.allowed
def what_the_policy_names() -> Asked:
    """So does what the base names."""
    base = Registry.new(b"gate: {files: ['notebooks/*']}\n")
    return ask(base, base.but({"notebooks/look.ipynb": b"{}\n"}))


@cases.blocked("is no file of a registry")
def a_program() -> Asked:
    """A script is blocked."""
    return ask(ONE, ONE.but({"setup.py": b"import os\n"}))


@cases.blocked("is no file of a registry")
def in_a_version_folder() -> Asked:
    """A file beside the versions of a run is blocked."""
    two = ONE.run({HAPPY: 0.7}, day=2)
    return ask(ONE, two.but({"essentia/effnet/v2/notes.txt": b"x\n"}))


@cases.blocked("is no file of a registry")
def configuration_of_a_person() -> Asked:
    """A calreg.yaml, which would make every clone a place that writes, is blocked."""
    return ask(ONE, ONE.but({"calreg.yaml": b"calibrate_heads: true\n"}))


@cases.blocked("makes a registry of its own of a folder of this one")
def a_registry_inside() -> Asked:
    """A registry.yaml that hides the runs from every reader is blocked."""
    return ask(ONE, ONE.but({"runs/registry.yaml": ONE.tree["registry.yaml"]}))


@cases.blocked("makes a registry of its own of a folder of this one")
def a_registry_inside_where_files_may_be() -> Asked:
    """No policy for other files lets that through."""
    lax = b"gate: {files: ['*'], severities: {foreign-file: note}}\n"
    base = Registry.new(lax).run({HAPPY: 0.5})
    return ask(base, base.but({"runs/registry.yaml": base.tree["registry.yaml"]}))


@cases.blocked("unmakes a registry, whose heads would become this one's")
def a_registry_unmade() -> Asked:
    """Taking away the registry.yaml of a registry inside is blocked."""
    return ask(INNER, INNER.but({"other/registry.yaml": None}))


@cases.blocked("touches 1 files of other registries (other)", severity="note")
def in_another_registry() -> Asked:
    """What lies in a registry inside is not judged here, and that is said."""
    return ask(INNER, INNER.but({"other/a/b-calibration.json": b"?"}))


@cases.blocked("is no file of a registry")
def in_a_version_folder_where_files_may_be() -> Asked:
    """No policy for other files opens the folder of a run."""
    lax = b"gate: {files: ['*'], severities: {foreign-file: warning}}\n"
    base = Registry.new(lax).run({HAPPY: 0.5})
    return ask(base, base.run({HAPPY: 0.7}, day=2).but({"essentia/effnet/v2/x.sh": b"x\n"}))
