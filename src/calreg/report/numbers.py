"""How single values are written for a person: rounded to what matters, aligned, signed.

`Signs` are the few marks that need more than ASCII; a stream that cannot show them gets
the plain ones. Nothing is rounded before it is compared: only what is shown is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "ASCII",
    "UNICODE",
    "Signs",
    "about_text",
    "count_text",
    "date_text",
    "limited_text",
    "number_text",
    "plural",
    "sparkline",
    "version_text",
]


@dataclass(frozen=True, slots=True)
class Signs:
    """Marks and the blocks of a sparkline, lowest first."""

    good: str
    failed: str
    arrow: str
    dot: str
    more: str
    nothing: str
    blocks: str
    about: str

    def joined(self, parts: Sequence[str]) -> str:
        """The parts that say something, a dot between them."""
        return f" {self.dot} ".join(part for part in parts if part)


UNICODE = Signs("✓", "✗", "→", "·", "…", "–", "▁▂▃▄▅▆▇█", "~")
ASCII = Signs("+", "x", "->", "|", "...", "-", "_.-=+*#@", "~")


def number_text(value: float | None, *, digits: int = 3, signs: Signs = UNICODE) -> str:
    """A score or metric with as many decimals as matter at its size.

    >>> number_text(0.02314), number_text(-33.832931), number_text(None), number_text(1e-7)
    ('0.023', '-33.833', '–', '1e-07')
    """
    if value is None or not math.isfinite(value):
        return signs.nothing
    if value != 0.0 and abs(value) < 0.5 * 10.0**-digits:
        return f"{value:.0e}"
    return f"{value:.{digits}f}" if abs(value) < 10_000 else f"{value:.6g}"


def count_text(value: int | None, *, signs: Signs = UNICODE) -> str:
    """A count with its thousands apart.

    >>> count_text(898163)
    '898,163'
    """
    return signs.nothing if value is None else f"{value:,}"


def about_text(value: int, *, signs: Signs = UNICODE) -> str:
    """An estimated count: two significant digits, rounded up, and the sign for "about".

    >>> about_text(76_690), about_text(2_600), about_text(7)
    ('~77,000', '~2,600', '~7')
    """
    unit = 10 ** max(len(str(value)) - 2, 0)
    return f"{signs.about}{-(-value // unit) * unit:,}"


def version_text(version: int | None, *, signs: Signs = UNICODE) -> str:
    """`v3`, or the sign for none."""
    return signs.nothing if version is None else f"v{version}"


def date_text(timestamp: str) -> str:
    """The day and minute of a document's time, UTC.

    >>> date_text("2026-01-02T03:04:05.678Z")
    '2026-01-02 03:04'
    """
    return timestamp[:16].replace("T", " ")


def plural(count: int, one: str, many: str | None = None) -> str:
    """A count and its noun.

    >>> plural(1, "head"), plural(1204, "head"), plural(2, "entry", "entries")
    ('1 head', '1,204 heads', '2 entries')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def limited_text(value: float | None, limit: float, *, signs: Signs = UNICODE) -> str:
    """A metric beside its limit: never rounded onto it, so that one sees on which side it is.

    >>> limited_text(0.0123, 0.01), limited_text(0.0099, 0.01), limited_text(0.00998, 0.01)
    ('0.012', '0.0099', '0.00998')
    """
    for digits in range(3, 9):
        text = number_text(value, digits=digits, signs=signs)
        if value is None or value == limit or text != number_text(limit, digits=digits):
            return text
    return text


def sparkline(
    values: Sequence[float | None],
    *,
    low: float | None = None,
    least: float = 0.0,
    signs: Signs = UNICODE,
) -> str:
    """A row of blocks, one per value; one that is not known is a blank.

    Args:
        values: In the order of time.
        low: What the lowest block stands for; else the least value.
        least: The lowest and the highest block are at least this far apart, so that what
            does not matter looks flat.
        signs: What the stream can show.

    >>> sparkline([0.0, 0.5, 1.0]), sparkline([2.0, None, 2.0]), sparkline([0.5, 0.51], least=1.0)
    ('▁▄█', '▄ ▄', '▄▄')
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return " " * len(values)
    bottom, top = min(known) if low is None else low, max(known)
    width = max(top - bottom, least)
    if low is None:
        bottom = (bottom + top) / 2 - 0.45 * width  # eight blocks have no middle one

    def block(value: float | None) -> str:
        if value is None or not math.isfinite(value):
            return " "
        height = (value - bottom) / width if width > 0 else 0.45
        return signs.blocks[math.floor(height * (len(signs.blocks) - 1) + 0.5)]

    return "".join(block(value) for value in values)
