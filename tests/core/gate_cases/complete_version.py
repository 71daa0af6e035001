"""Runs that are whole."""

from gate_builder import DANCE, HAPPY, Registry, scored

from gate_cases import Asked, Cases, ask

cases = Cases("complete-version")
ONE = Registry.new().run({HAPPY: 0.5, DANCE: 0.4})
TWO = ONE.run({HAPPY: 0.7, DANCE: 0.4}, day=2)


@cases.allowed
def every_part() -> Asked:
    """A run with all its parts passes."""
    return ask(ONE, TWO)


@cases.allowed
def some_heads_left_out() -> Asked:
    """A run that says which heads it left out passes."""
    two = ONE.run({HAPPY: 0.5}, day=2, excluded={DANCE.full: "label 'yes': 3 scores"})
    return ask(ONE, two)


@cases.blocked("there is no runs/2.json")
def no_record_of_the_run() -> Asked:
    """Folders that no run wrote are blocked."""
    return ask(ONE, TWO.but({"runs/2.json": None}))


@cases.blocked("names the model musicnn, which has no folder v2")
def a_model_missing() -> Asked:
    """A run that names a model without a folder is blocked."""
    gone = {path: None for path in TWO.tree if path.startswith("musicnn/v2/")}
    return ask(ONE, TWO.but(gone))


@cases.blocked("is recorded and not there")
def a_head_missing() -> Asked:
    """A row without its version is blocked."""
    return ask(ONE, TWO.but({DANCE.version_path(2): None}))


@cases.blocked("is there, and musicnn/v2/run.json does not name it")
def a_head_too_many() -> Asked:
    """A version that the run does not speak of is blocked."""
    raw = TWO.tree[DANCE.version_path(2)].replace(b'"danceability"', b'"extra"')
    return ask(ONE, TWO.but({"musicnn/v2/extra-calibration-v2.json": raw}))


@cases.blocked("expected sha256")
def another_digest() -> Asked:
    """A row with another digest than the version's is blocked."""
    path = "musicnn/v2/run.json"
    return ask(ONE, TWO.edited(path, "heads", "danceability", "digest", "0" * 64).honest_digests(2))


@cases.blocked("is left out of the run, and has a version")
def left_out_and_there() -> Asked:
    """A head that the run says it left out may not have a version."""
    return ask(ONE, TWO.edited("runs/2.json", "excluded", {DANCE.full: "too few scores"}))


@cases.blocked("was collected, and numbers are never used again")
def a_number_used_again() -> Asked:
    """A folder that was collected cannot come back with other numbers in it."""
    three = TWO.run({HAPPY: 0.7, DANCE: 0.4}, day=3)
    base = three.collect("musicnn/v2")
    other = ONE.run({HAPPY: 0.7, DANCE: {"yes": scored(0.9)}}, day=2).tree
    back = {path: raw for path, raw in other.items() if path.startswith("musicnn/v2/")}
    return ask(base, base.but(back))
