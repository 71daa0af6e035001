"""Words that every picture needs: anybody's names made fit to be shown, shares, lists.

Names of labels and groups are anybody's text: what is shown of them is printable and of
bounded length.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence

__all__ = ["enumerated", "lines", "percent", "printable", "rounded", "short", "told_apart"]

_MAX_NAME = 40
_MAX_NAMED = 6
_LINE = 140
_DIGITS = 6


def printable(text: str) -> str:
    r"""A text without what cannot be seen or would turn others around: controls, half characters.

    >>> printable("a\nb\u202ec")
    'a�b�c'
    """
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


def short(name: str) -> str:
    """A name as a picture has room for it."""
    shown = printable(name)
    return shown if len(shown) <= _MAX_NAME else f"{shown[: _MAX_NAME - 1]}…"


def told_apart(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    r"""Every name as it is shown; of those that would look the same, all but one get a number.

    >>> told_apart(["a\n", "a\t", "b"], taken=["b"])
    {'a\n': 'a�', 'a\t': 'a� (2)', 'b': 'b (2)'}
    """
    used = set(taken)
    found = {}
    for name in names:
        shown, number = short(name), 1
        while (text := shown if number == 1 else f"{shown} ({number})") in used:
            number += 1
        used.add(text)
        found[name] = text
    return found


def enumerated(names: Sequence[str]) -> str:
    """Some names in a sentence; of many, the first few and how many more.

    >>> enumerated(["a", "b", "c"])
    'a, b and c'
    """
    named = [short(name) for name in names[:_MAX_NAMED]]
    if more := len(names) - len(named):
        named.append(f"{more:,} more")
    return " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)


def percent(share: float) -> str:
    """A share in per cent, as exact as it is read; never rounded onto 0 or 100.

    >>> percent(0.61224), percent(0.0294), percent(0.00042), percent(0.9999), percent(1.0)
    ('61 %', '2.9 %', '0.04 %', '99.99 %', '100 %')
    """
    value = 100.0 * share
    if value in {0.0, 100.0}:
        return f"{value:.0f} %"
    distance = min(value, 100.0 - value)
    digits = 0 if 10.0 <= value <= 99.0 else 1 if distance >= 0.1 else 2
    text = f"{value:.{digits}f}"
    return f"{value:.0e} %" if text == "0.00" else "> 99.99 %" if text == "100.00" else f"{text} %"


def rounded(value: float) -> str:
    """A number to two significant digits, or to the unit where it is large.

    >>> rounded(1.4447), rounded(-0.0583), rounded(99.7), rounded(1234.5), rounded(0.0)
    ('1.4', '-0.058', '100', '1,234', '0')
    """
    if value == 0.0:
        return "0"
    digits = 1 - math.floor(math.log10(abs(value)))
    return f"{value:,.{max(digits, 0)}f}" if digits <= _DIGITS else f"{value:.0e}"


def lines(text: str, width: int = _LINE) -> list[str]:
    """A text as lines that fit on a picture; a number and its % stay together."""
    wrapped = textwrap.wrap(text.replace(" %", "\xa0%"), width)
    return [line.replace("\xa0%", " %") for line in wrapped]
