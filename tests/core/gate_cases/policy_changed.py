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


@cases.blocked("can change bytes in checkouts", severity="warning")
def other_attributes_above() -> Asked:
    """Attributes of a folder above the registry's count as well."""
    return ask(BASE, BASE.but({"README.md": b"x\n"}), folder="cal/reg", outside=[".gitattributes"])


@cases.allowed
def other_attributes_beside() -> Asked:
    """Those of a folder beside it do not."""
    head = BASE.but({"README.md": b"x\n"})
    return ask(BASE, head, folder="cal/reg", outside=["code/.gitattributes"])


HEADS = Registry.new(
    b"thresholds: {jsd: 0.1}\nheads:\n"
    b"  'musicnn/*': {min_samples: 200, gate: {min_f1: 0.3, severities: {name: error}}}\n"
    b"  '*/danceability': {thresholds: {jsd: 0.05}}\n"
)


def for_heads(music: bytes, rest: bytes = b"") -> Asked:
    rules = b"\nthresholds: {jsd: 0.1}\nheads:\n  'musicnn/*': {" + music + b"}\n"
    return ask(
        HEADS, ruled(HEADS, rules + b"  '*/danceability': {thresholds: {jsd: 0.05}}\n" + rest)
    )


KEPT = b"min_samples: 200, gate: {min_f1: 0.3, severities: {name: error}}"


@cases.blocked("heads.musicnn/*.gate changed", severity="note")
def tighter_for_some_heads() -> Asked:
    """A block for some heads is tighter if every number in it is, or stays as it was."""
    return for_heads(b"min_samples: 200, gate: {min_f1: 0.4, severities: {name: error}}")


@cases.blocked("heads.musicnn/* changed", severity="note")
def more_samples_for_some_heads() -> Asked:
    """Rules of drift for some heads likewise."""
    return for_heads(KEPT.replace(b"200", b"300"))


@cases.blocked("heads.new/*.gate changed", severity="note")
def a_new_pattern_that_is_tightest() -> Asked:
    """A new pattern is tighter if it asks for more than anything that it could win over."""
    return for_heads(KEPT, b"  'new/*': {gate: {min_f1: 0.3}}\n")


@cases.blocked("heads.new/*.gate loosened", severity="warning")
def a_new_pattern_that_could_win() -> Asked:
    """If any other asks for more, it may be looser for a head that both are about."""
    return for_heads(KEPT, b"  'new/*': {gate: {min_f1: 0.2}}\n")


@cases.blocked("heads.new/* loosened", severity="warning")
def a_new_pattern_for_drift_that_could_win() -> Asked:
    """In rules of drift as well."""
    return for_heads(KEPT, b"  'new/*': {thresholds: {jsd: 0.07}}\n")


@cases.blocked("heads.musicnn/*.gate loosened", severity="warning")
def a_key_taken_away() -> Asked:
    """What is asked for no more is looser."""
    return for_heads(b"min_samples: 200, gate: {severities: {name: error}}")


@cases.blocked("heads.musicnn/* loosened", severity="warning")
def an_assumption_for_some_heads() -> Asked:
    """An assumption is neither tighter nor looser, and counts as looser."""
    return for_heads(KEPT + b", policy: {promote_on: drift}")


@cases.blocked("heads loosened: ['musicnn/*', '*/danceability']", severity="warning")
def patterns_in_another_order() -> Asked:
    """Another order of patterns is looser: the later one wins."""
    text = HEADS.tree["registry.yaml"]
    music, dance = text.split(b"heads:\n")[1].splitlines(keepends=True)
    return ask(HEADS, HEADS.but({"registry.yaml": text.replace(music + dance, dance + music)}))
