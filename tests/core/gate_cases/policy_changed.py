"""Changes of the rules, always said."""

from gate_builder import HAPPY, Registry, deciding

from gate_cases import Asked, Cases, ask

cases = Cases("policy-changed")
BASE = Registry.new(b"gate: {min_f1: 0.3}\n").run({HAPPY: {"yes": deciding()}})


def ruled(registry: Registry, rules: bytes, name: bytes = b"music") -> Registry:
    return registry.but({"registry.yaml": b"schema: calreg/registry/1.0\nname: " + name + rules})


@cases.allowed
def rules_as_they_were() -> Asked:
    """Where no rule changes there is nothing to say."""
    return ask(BASE, BASE.run({HAPPY: {"yes": deciding(0.6)}}, day=2))


@cases.blocked("gate.min_f1 loosened: 0.3 → 0")
def lowered_with_a_run() -> Asked:
    """A lower bar that comes with a run is blocked."""
    run = BASE.run({HAPPY: {"yes": deciding(0.6)}}, day=2)
    return ask(BASE, ruled(run, b"\ngate: {min_f1: 0}\n"))


@cases.blocked("gate.min_f1 loosened: 0.3 → none", severity="warning")
def lowered_alone() -> Asked:
    """A lower bar that comes alone is a warning: somebody must be able to lower it."""
    return ask(BASE, ruled(BASE, b"\ngate: {min_f1: null}\n"))


@cases.blocked("gate.min_f1 changed: 0.3 → 0.4", severity="note")
def raised() -> Asked:
    """A higher bar is said."""
    return ask(BASE, ruled(BASE, b"\ngate: {min_f1: 0.4}\n"))


@cases.blocked("thresholds.jsd loosened: 0.1 → 0.2", severity="warning")
def wider_thresholds() -> Asked:
    """Thresholds of drift are rules as well."""
    return ask(BASE, ruled(BASE, b"\ngate: {min_f1: 0.3}\nthresholds: {jsd: 0.2}\n"))


@cases.blocked("gate.severities.labels-removed loosened: none → note", severity="warning")
def less_severe() -> Asked:
    """So are severities."""
    rules = b"\ngate: {min_f1: 0.3, severities: {labels-removed: note}}\n"
    return ask(BASE, ruled(BASE, rules))


@cases.blocked("heads.musicnn/*.gate loosened", severity="warning")
def for_some_heads() -> Asked:
    """And rules for single heads."""
    rules = b"\ngate: {min_f1: 0.3}\nheads: {'musicnn/*': {gate: {min_f1: 0}}}\n"
    return ask(BASE, ruled(BASE, rules))


@cases.blocked("clients know the registry by it")
def another_name() -> Asked:
    """A registry keeps its name."""
    return ask(BASE, ruled(BASE, b"\ngate: {min_f1: 0.3}\n", name=b"other"))


@cases.blocked("is changed, in words only", severity="note")
def another_comment() -> Asked:
    """A comment in the rules is said too: registry.yaml never changes unseen."""
    return ask(BASE, ruled(BASE, b"\ngate: {min_f1: 0.3} # as agreed\n"))


@cases.blocked("cannot be read")
def no_rules_at_all() -> Asked:
    """Rules that cannot be read are blocked."""
    return ask(BASE, BASE.but({"registry.yaml": b"name: [\n"}))


@cases.blocked("names 'min-sample', which is no rule", severity="warning")
def a_rule_that_is_none() -> Asked:
    """A severity for a rule that does not exist is said: somebody believes in it."""
    rules = b"\ngate: {min_f1: 0.3, severities: {min-sample: error}}\n"
    return ask(BASE, ruled(BASE, rules))


@cases.blocked("decides what checks this registry", severity="warning")
def another_workflow() -> Asked:
    """A changed workflow is said: it could leave the gate out."""
    return ask(BASE, BASE.but({".github/workflows/gate.yml": b"on: push\n"}))


@cases.blocked("decides what checks this registry", severity="warning")
def a_workflow_outside() -> Asked:
    """So is one of the repository around a registry in a folder."""
    return ask(BASE, BASE, outside=[".github/workflows/gate.yml"])


@cases.blocked("can change bytes in checkouts", severity="warning")
def other_attributes() -> Asked:
    """Attributes can turn line ends in every clone: a change is said."""
    return ask(BASE, BASE.but({".gitattributes": b"* text=auto\n"}))
