"""How many false positives a limit of the false positive rate allows.

On the items at hand: those whose rate is within the limit. With a guarantee: so few that the
rate on fresh items is within it, too, with a stated confidence, whatever the scores are
distributed like; only that fresh negatives come from where these came from.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from calreg.calibrate.targets import exact
from calreg.errors import UsageError

__all__ = ["allowed_false_positives", "empirical_false_positives", "negatives_needed"]

_DOUBT = 1e-9  # of a float64 figure, relative: nearer than this to its limit it is made exact

_EXACT = 1_000_000  # trials: beyond it exact sums take minutes, and float64 has to do


def empirical_false_positives(negatives: int, limit: float) -> int:
    """The most false positives whose rate is within the limit on these very items.

    >>> empirical_false_positives(100, 0.07), 0.07 * 100 <= 7
    (7, False)
    """
    return int(exact(_rate(limit, "limit")) * negatives)


def allowed_false_positives(negatives: int, limit: float, confidence: float) -> int | None:
    """The most false positives that still bound the rate on fresh items; None if not even 0 do.

    A threshold strictly above the (m + 1)-th highest of n negative scores has a false positive
    rate that is at most Beta(m + 1, n - m) distributed. m is allowed where that exceeds the
    limit with a probability of at most 1 - confidence, which is the probability of m or fewer
    successes in n trials at the limit.

    Args:
        negatives: How many scores have truth 0.
        limit: Of the false positive rate, in (0, 1).
        confidence: That the limit holds, in (0, 1).

    Raises:
        UsageError: The limit or the confidence is not in (0, 1).

    References:
        Wilks (1941), Annals of Mathematical Statistics 12, 91-96: tolerance limits; David &
        Nagaraja (2003), Order Statistics, 2.1: the binomial form.

    >>> allowed_false_positives(149, 0.02, 0.95), allowed_false_positives(148, 0.02, 0.95)
    (0, None)
    """
    rate, risk = exact(_rate(limit, "limit")), 1 - exact(_rate(confidence, "confidence"))
    allowed = _last(negatives, lambda m: _is_at_most(negatives, m, rate, risk))
    return allowed if allowed >= 0 else None


def negatives_needed(limit: float, confidence: float) -> int:
    """With fewer negatives than this, a guarantee allows no threshold at all.

    Raises:
        UsageError: The limit or the confidence is not in (0, 1).

    >>> [negatives_needed(limit, 0.95) for limit in (0.01, 0.02, 0.05)]
    [299, 149, 59]
    """
    rate, risk = exact(_rate(limit, "limit")), 1 - exact(_rate(confidence, "confidence"))
    needed = min(math.log(risk) / math.log1p(-limit), 1e300)  # beyond all data
    nearest = max(1, round(needed))
    if abs(needed - nearest) > _DOUBT * nearest or nearest > _EXACT:
        return math.ceil(needed)
    return nearest if (1 - rate) ** nearest <= risk else nearest + 1


def _rate(value: float, name: str) -> float:
    if not 0.0 < value < 1.0:
        raise UsageError(
            f"expected a {name} between 0 and 1, both excluded, got {value!r}", code=name
        )
    return float(value)


def _last(count: int, is_allowed: Callable[[int], bool]) -> int:
    """The last of 0 … count - 1 that is allowed, where all before it are; -1 if none is."""
    low, high = -1, count
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_allowed(middle) else (low, middle)
    return low


def _is_at_most(trials: int, successes: int, rate: Fraction, risk: Fraction) -> bool:
    """Whether P(Binomial(trials, rate) <= successes) <= risk, without rounding."""
    from scipy.special import betaincc

    chance = float(betaincc(successes + 1, trials - successes, float(rate)))
    if abs(chance - float(risk)) > _DOUBT * float(risk) or trials > _EXACT:
        return chance <= float(risk)
    return _chance(trials, successes, rate) <= risk


def _chance(trials: int, successes: int, rate: Fraction) -> Fraction:
    hit, of = rate.numerator, rate.denominator
    ways = sum(
        math.comb(trials, k) * hit**k * (of - hit) ** (trials - k) for k in range(successes + 1)
    )
    return Fraction(ways, of**trials)
