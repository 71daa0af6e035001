"""A registry as it grows, and changes of it that pass: what tests of the gate start from."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from gate_builder import (
    DANCE,
    HAPPY,
    Registry,
    deciding,
    factor,
    scored,
)

from calreg.names import HeadName

TIMBRE = HeadName("essentia/effnet", "timbre")


@cache
def steps() -> tuple[Registry, ...]:
    """A registry as it grows: runs, decisions by hand, withdrawals, folders collected."""
    both = {"no": scored(0.4), "yes": scored(0.6)}
    grown = [Registry.new(b"gate: {max_f1_drop: 0.5}\n")]

    def then(act: Callable[[Registry], Registry]) -> None:
        grown.append(act(grown[-1]))

    then(lambda r: r.run({HAPPY: both, DANCE: {"yes": deciding()}, TIMBRE: 0.3}, day=1))
    then(lambda r: r.run({HAPPY: {**both, "yes": scored(0.7)}, TIMBRE: 0.3}, day=2))
    then(lambda r: r.rollback(1, day=3))
    then(lambda r: r.run({HAPPY: both, DANCE: {"yes": deciding(0.6)}, TIMBRE: 0.5}, day=4))
    then(lambda r: r.unpin(day=5).promote(3, day=6))
    then(lambda r: r.withdraw(3, to=1, day=7))
    then(lambda r: r.pin(3, TIMBRE, day=8, until="2026-10-10"))
    then(lambda r: r.run({TIMBRE: 0.2, HeadName("prices", "condition"): {"a": factor(0.9)}}, day=9))
    then(lambda r: r.run({TIMBRE: 0.2, HAPPY: both}, day=11))
    then(lambda r: r.withdraw(1, DANCE, day=12))
    then(lambda r: r.collect("essentia/effnet/v2"))
    return tuple(grown)


def pairs() -> list[tuple[Registry, Registry]]:
    """Changes that pass: every step, and some of several at once."""
    grown = steps()
    spans = [*((n, n + 1) for n in range(11)), (0, 4), (3, 7), (6, 10), (2, 11)]
    return [(grown[one], grown[other]) for one, other in spans]
