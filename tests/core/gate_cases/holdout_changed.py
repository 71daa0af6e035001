"""Compared on the same items."""

from gate_builder import HAPPY, Registry, deciding

from gate_cases import Asked, Cases, ask

cases = Cases("holdout-changed")
ONE = Registry.new().run({HAPPY: {"yes": deciding()}})


@cases.allowed
def the_same() -> Asked:
    """A threshold that was tried on the same holdout passes in silence."""
    return ask(ONE, ONE.run({HAPPY: {"yes": deciding(0.6)}}, day=2))


@cases.blocked("they were not tried on the same holdout", severity="warning")
def another() -> Asked:
    """One that was tried on another cannot be compared, and that is said."""
    return ask(ONE, ONE.run({HAPPY: {"yes": deciding(0.6, digest="e" * 64)}}, day=2))


@cases.blocked("they were not tried on the same holdout")
def another_where_that_is_an_error() -> Asked:
    """A policy may make an error of it."""
    base = Registry.new(b"gate: {severities: {holdout-changed: error}}\n").run(
        {HAPPY: {"yes": deciding()}}
    )
    return ask(base, base.run({HAPPY: {"yes": deciding(0.6, has_holdout=False)}}, day=2))


@cases.allowed
def chosen_on_the_same() -> Asked:
    """Without holdouts on either side the items of the choice are compared, if they are alike."""
    one = Registry.new().run({HAPPY: {"yes": deciding(has_holdout=False)}})
    return ask(one, one.run({HAPPY: {"yes": deciding(0.6, has_holdout=False)}}, day=2))
