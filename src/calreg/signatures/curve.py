"""Points of edwards25519, and the one sum of multiples that a verification needs.

Everything here works on public values, so nothing needs constant time. It never sees a
private key, and must not: Python's integers tell their values by the time they take.

References:
    RFC 8032 (2017), section 5.1: the curve, encoding and decoding of points.
    Hisil, Wong, Carter & Dawson (2008): extended coordinates, sections 3.1 and 3.3.
"""

from __future__ import annotations

from functools import cache

__all__ = [
    "ORDER",
    "Multiples",
    "Point",
    "base_multiples",
    "decoded",
    "encoded",
    "has_small_order",
    "multiples",
    "negative",
    "sum_of_multiples",
]

Point = tuple[int, int, int, int]
"""(X, Y, Z, T) with x = X/Z, y = Y/Z and x·y = T/Z."""

Multiples = tuple[Point, ...]
"""P, 3P, 5P … as (Y - X, Y + X, 2Z, 2dT), the form that an addition uses."""

PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
"""The order of the base point, a prime."""

_D = -121665 * pow(121666, -1, PRIME) % PRIME
_ROOT_OF_MINUS_ONE = pow(2, (PRIME - 1) // 4, PRIME)
_NEUTRAL: Point = (0, 1, 1, 0)
_SIGN = 1 << 255

_WIDTH = 6
"""Digits of a scalar are odd and below 2^5, or zero: an addition in every seventh step."""


def decoded(encoding: bytes) -> Point:
    """The point that 32 bytes stand for, if they are its one canonical encoding.

    Raises:
        ValueError: Not canonical (y not below the prime, or a sign for x = 0), or no point.

    References:
        RFC 8032, section 5.1.3, which leaves none of these cases to choice.
    """
    number = int.from_bytes(encoding, "little")
    sign, y = number >> 255, number & (_SIGN - 1)
    if len(encoding) != 32 or not y < PRIME:
        raise ValueError("not the canonical encoding of a point")
    x = _root(y * y - 1, _D * y * y + 1)
    if x == 0 and sign:
        raise ValueError("not the canonical encoding of a point")
    if x & 1 != sign:
        x = PRIME - x
    return x, y, 1, x * y % PRIME


def _root(numerator: int, denominator: int) -> int:
    """The square root of a fraction modulo the prime; ValueError if it has none."""
    u, v = numerator % PRIME, denominator % PRIME
    v3 = v * v * v % PRIME
    x = u * v3 * pow(u * v3 * v3 * v % PRIME, (PRIME - 5) // 8, PRIME) % PRIME
    square = v * x * x % PRIME
    if square == u:
        return x
    if square == PRIME - u:
        return x * _ROOT_OF_MINUS_ONE % PRIME
    raise ValueError("not a point of the curve")


def encoded(point: Point) -> bytes:
    """The 32 bytes of a point: y, little end first, with the sign of x in the last bit."""
    inverse = pow(point[2], -1, PRIME)
    x, y = point[0] * inverse % PRIME, point[1] * inverse % PRIME
    return (y | (x & 1) << 255).to_bytes(32, "little")


def negative(point: Point) -> Point:
    """The point that adds up with this one to the neutral one."""
    x, y, z, t = point
    return PRIME - x, y, z, PRIME - t


def has_small_order(point: Point) -> bool:
    """Whether eight times the point is the neutral one: a key that anyone can sign for."""
    x, y, z, _ = _doubled(_doubled(_doubled(point)))
    return x % PRIME == 0 and (y - z) % PRIME == 0


def multiples(point: Point) -> Multiples:
    """The odd multiples of a point that `sum_of_multiples` adds."""
    twice = _addend(_doubled(point))
    found = [point]
    while len(found) < 1 << (_WIDTH - 2):
        found.append(_added(found[-1], twice))
    return tuple(_addend(each) for each in found)


@cache
def base_multiples() -> Multiples:
    """The odd multiples of the base point, y = 4/5 and x even."""
    y = 4 * pow(5, -1, PRIME) % PRIME
    return multiples(decoded(y.to_bytes(32, "little")))


def sum_of_multiples(first: tuple[int, Multiples], second: tuple[int, Multiples]) -> Point:
    """a·P + b·Q, with the doublings shared.

    Args:
        first: a (not negative) and the multiples of P.
        second: b (not negative) and the multiples of Q.

    References:
        Möller (2001), "Algorithms for multi-exponentiation": interleaving with signed windows.
    """
    total = _NEUTRAL
    steps = [(_digits(scalar), table) for scalar, table in (first, second)]
    for place in reversed(range(max(len(digits) for digits, _ in steps))):
        total = _doubled(total)
        for digits, table in steps:
            digit = digits[place] if place < len(digits) else 0
            if digit > 0:
                total = _added(total, table[digit >> 1])
            elif digit < 0:
                total = _added(total, _opposite(table[-digit >> 1]))
    return total


def _digits(scalar: int) -> list[int]:
    """A scalar in signed odd digits, lowest place first (width-6 non-adjacent form)."""
    digits = []
    while scalar:
        digit = 0
        if scalar & 1:
            digit = scalar & (1 << _WIDTH) - 1
            if digit >> (_WIDTH - 1):
                digit -= 1 << _WIDTH
            scalar -= digit
        digits.append(digit)
        scalar >>= 1
    return digits


def _addend(point: Point) -> Point:
    x, y, z, t = point
    return (y - x) % PRIME, (y + x) % PRIME, 2 * z % PRIME, 2 * _D * t % PRIME


def _opposite(addend: Point) -> Point:
    minus, plus, z, t = addend
    return plus, minus, z, PRIME - t


def _doubled(point: Point) -> Point:
    x, y, z, _ = point
    xx, yy = x * x, y * y
    e = ((x + y) * (x + y) - xx - yy) % PRIME
    g = (yy - xx) % PRIME
    f = (g - 2 * z * z) % PRIME
    h = (-xx - yy) % PRIME
    return e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME


def _added(point: Point, addend: Point) -> Point:
    # The formula is complete on this curve: it needs no case for equal or neutral points.
    x, y, z, t = point
    minus, plus, z2, t2 = addend
    a, b, c, d = (y - x) * minus, (y + x) * plus, t * t2, z * z2
    e, f, g, h = (b - a) % PRIME, (d - c) % PRIME, (d + c) % PRIME, (b + a) % PRIME
    return e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME
