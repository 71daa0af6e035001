"""From suggested factors to the next ones: bounded, one step at a time, never backwards.

A bound or the largest step ends a suggested move early, or holds the current factor and
says so; neither turns a cut into a rise or the reverse. What comes out per group lies
within the bounds, or is the current factor unchanged. A factor that is outside is moved
only where the evidence points inwards and one step reaches the bound.

Nothing here looks at prices: how sure a suggestion is, its status says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from math import inf, isclose, nan
from numbers import Real
from typing import Any, Literal, TypeAlias

from calreg.errors import InputError, UsageError
from calreg.names import check_label, nearest

__all__ = [
    "HOLDING",
    "STATUSES",
    "Action",
    "Bounds",
    "FactorDecision",
    "Suggested",
    "bounded_factors",
    "factors_after",
    "read_suggested",
]

Action: TypeAlias = Literal["raised", "cut", "held", "new"]

STATUSES: Mapping[str, str] = {
    "ok": "as suggested",
    "too_few": "too few pairs",
    "within_noise": "the current factor is within the suggestion's interval",
}
"""Every status a suggestion can have, in words."""

HOLDING = frozenset({"too_few", "within_noise"})
"""The statuses that hold the current factor unless the caller says otherwise."""

NO_FACTOR = 1.0
"""What a group without a factor is multiplied by: where a new group's factor starts from."""

_SAME = 1e-9  # relative: a factor that went through a document and back


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far factors may go: never beyond the ends, and at most one step at a time.

    Args:
        min_factor: The lowest factor, above 0.
        max_factor: The highest.
        max_step: The largest change, relative to the current factor; in (0, 1].

    Raises:
        UsageError: A number that is none, or bounds that leave no room.
    """

    min_factor: float = 0.5
    max_factor: float = 1.2
    max_step: float = 0.15

    def __post_init__(self) -> None:
        lowest, highest, step = map(_number, (self.min_factor, self.max_factor, self.max_step))
        if not 0.0 < lowest <= highest < inf:
            raise UsageError(
                "expected 0 < min factor <= max factor, "
                f"got {self.min_factor!r} and {self.max_factor!r}",
                hint="for example --min-factor 0.5 --max-factor 1.2",
                code="bounds",
            )
        if not 0.0 < step <= 1.0:
            raise UsageError(
                f"expected a max step above 0 and at most 1, got {self.max_step!r}",
                hint="0.15 is 15 % of the current factor.",
                code="bounds",
            )

    def hold(self, factor: float) -> bool:
        """Whether a factor is within the ends, both included."""
        return self.min_factor <= factor <= self.max_factor

    def to_json(self) -> dict[str, float]:
        """The bounds as they stand in an overrides document."""
        return {name: float(value) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Suggested:
    """What the evidence asks for in one group.

    Args:
        factor: The factor; None where the evidence gives none.
        n: Pairs behind it.
        status: One of `STATUSES`.
        current: The factor it was suggested against, where that is known: a suggestion
            made against another than the current one holds.
    """

    factor: float | None
    n: int
    status: str = "ok"
    current: float | None = None


@dataclass(frozen=True, slots=True)
class FactorDecision:
    """What becomes of one group's factor, and why.

    `before` is None where the group had no factor, `after` where it gets none;
    `suggested` is the evidence's, None where there is none.
    """

    group: str
    before: float | None
    suggested: float | None
    after: float | None
    action: Action
    reason: str

    def to_json(self) -> dict[str, Any]:
        """The decision as plain values."""
        return asdict(self)


def bounded_factors(
    current: Mapping[str, float],
    suggestions: Mapping[str, Suggested],
    bounds: Bounds,
    *,
    allow_unknown: bool = False,
    holding: Collection[str] = HOLDING,
) -> tuple[FactorDecision, ...]:
    """What becomes of every group's factor, by name; groups without a suggestion are held.

    Args:
        current: The factors in force, each above 0; outside the bounds is no error.
        suggestions: What the evidence asks for, per group.
        bounds: How far it may go.
        allow_unknown: Take groups without a current factor; theirs start from 1.
        holding: The statuses that hold the current factor.

    Raises:
        InputError: A factor that is no number above 0, or a group without a current factor.

    >>> found = bounded_factors({"new": 1.0}, {"new": Suggested(0.5, 40)}, Bounds())
    >>> [(one.after, one.action, one.reason) for one in found]
    [(0.85, 'cut', 'the largest step, 0.15, ends it at 0.85')]
    """
    before = {group: _current(group, value) for group, value in current.items()}
    wanted = {group: _checked(group, one, holding) for group, one in suggestions.items()}
    unknown = sorted(wanted.keys() - before.keys())
    if unknown and not allow_unknown:
        raise _unknown(unknown, before)
    return tuple(
        _decision(group, before.get(group), wanted.get(group), bounds, holding)
        for group in sorted(before.keys() | wanted.keys())
    )


def factors_after(decisions: Iterable[FactorDecision]) -> dict[str, float]:
    """The next factors: of every group that has one."""
    return {one.group: one.after for one in decisions if one.after is not None}


def read_suggested(block: Any, *, where: str) -> dict[str, Suggested]:
    """The suggestions that a document's `suggestions` hold, checked one by one.

    Args:
        block: `{group: {suggested_factor, n, status, current_factor}}`; the last may be absent.
        where: The path to name in an error.

    Raises:
        InputError: Another shape, or a number that is none: JSON pointer and problem.
    """
    if not isinstance(block, Mapping):
        raise InputError("at /suggestions: expected an object", where=where, code="suggestion")
    found = {}
    for group, numbers in block.items():
        try:
            found[group] = _suggested(group, numbers)
        except InputError as error:
            pointer = f"/suggestions/{str(group).replace('~', '~0').replace('/', '~1')}"
            raise InputError(
                f"at {pointer}: {error.message}", where=where, hint=error.hint, code=error.code
            ) from error
    return found


def _suggested(group: str, numbers: Any) -> Suggested:
    needed = ("suggested_factor", "n", "status")
    if not isinstance(numbers, Mapping):
        raise InputError(f"expected an object with {', '.join(needed)}", code="suggestion")
    missing = [key for key in needed if key not in numbers]
    if missing:
        raise InputError(f"has no {', '.join(map(repr, missing))}", code="suggestion")
    one = Suggested(
        factor=numbers["suggested_factor"],
        n=numbers["n"],
        status=numbers["status"],
        current=numbers.get("current_factor"),
    )
    return _checked(group, one, HOLDING)


def _checked(group: str, one: Suggested, holding: Collection[str]) -> Suggested:
    check_label(group)
    if not (isinstance(one.status, str) and one.status in STATUSES):
        raise InputError(
            f"group {group!r}: expected a status of {', '.join(STATUSES)}, got {one.status!r}",
            code="suggestion",
        )
    if not (isinstance(one.n, int) and not isinstance(one.n, bool) and one.n >= 0):
        raise InputError(
            f"group {group!r}: expected a number of pairs, got {one.n!r}", code="suggestion"
        )
    may_lack = one.status in holding
    factor = _optional(group, one.factor, "suggested factor", may_lack=may_lack)
    current = _optional(group, one.current, "current factor", may_lack=True)
    return Suggested(factor, one.n, one.status, current)


def _optional(group: str, value: Any, what: str, *, may_lack: bool) -> float | None:
    return None if value is None and may_lack else _factor(group, value, what)


def _current(group: str, value: Any) -> float:
    check_label(group)
    return _factor(group, value, "current factor")


def _factor(group: str, value: Any, what: str) -> float:
    number = _number(value)
    if not 0.0 < number < inf:
        raise InputError(
            f"group {group!r}: expected a {what} above 0, got {value!r}",
            hint="A factor is a finite number that predictions are multiplied by.",
            code="factor",
        )
    return number


def _number(value: Any) -> float:
    """The value as a float; NaN for what is no number."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return nan
    try:
        return float(value)
    except OverflowError:
        return inf


def _unknown(unknown: Collection[str], known: Iterable[str]) -> InputError:
    first = next(iter(unknown))
    more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
    return InputError(
        f"group {first!r}{more}: suggested, but without a current factor",
        hint=f"{nearest(first, known)} --allow-unknown takes new groups.",
        code="unknown-group",
    )


def _decision(
    group: str,
    before: float | None,
    one: Suggested | None,
    bounds: Bounds,
    holding: Collection[str],
) -> FactorDecision:
    start = NO_FACTOR if before is None else before
    suggested = None if one is None else one.factor
    after, reason = _next(start, one, bounds, holding)
    if after == start:
        return FactorDecision(group, before, suggested, before, "held", reason)
    action: Action = "new" if before is None else "raised" if after > start else "cut"
    return FactorDecision(group, before, suggested, after, action, reason)


def _next(
    start: float, one: Suggested | None, bounds: Bounds, holding: Collection[str]
) -> tuple[float, str]:
    if one is None:
        return start, "no suggestion"
    if one.factor is None or one.status in holding:
        return start, f"{STATUSES[one.status]} (n = {one.n:,})"
    if one.current is not None and not isclose(one.current, start, rel_tol=_SAME):
        stale = f"suggested against {one.current:.6g}, and the factor is {start:.6g}"
        return start, f"{stale}: held, run the feedback again"
    return _moved(start, one.factor, bounds)


def _moved(start: float, wanted: float, bounds: Bounds) -> tuple[float, str]:
    """Where a factor goes from `start` for a suggestion, and what ended the way there."""
    if wanted == start:
        return start, "it is what is suggested"
    target = min(max(wanted, bounds.min_factor), bounds.max_factor)
    if not _is_onward(start, target, wanted):
        way = "rise" if wanted > start else "cut"
        return start, f"{_end_at(target, bounds)}, allows no {way} from {start:.6g}: held"
    lowest, highest = start * (1.0 - bounds.max_step), start * (1.0 + bounds.max_step)
    after = min(max(target, lowest), highest)
    if not bounds.hold(after):
        end = _end_at(bounds.min_factor if after < target else bounds.max_factor, bounds)
        return start, f"one step from {start:.6g} ends at {after:.6g}, short of {end}: held"
    if not _is_onward(start, after, wanted):
        return start, f"the largest step, {bounds.max_step:.6g}, is none in these digits: held"
    if after != target:
        return after, f"the largest step, {bounds.max_step:.6g}, ends it at {after:.6g}"
    return after, STATUSES["ok"] if after == wanted else f"ends at {_end_at(after, bounds)}"


def _is_onward(start: float, after: float, wanted: float) -> bool:
    """Whether a move from `start` goes the way that is wanted."""
    return after > start if wanted > start else after < start


def _end_at(factor: float, bounds: Bounds) -> str:
    name = "floor" if factor == bounds.min_factor else "ceiling"
    return f"the {name}, {factor:.6g}"
