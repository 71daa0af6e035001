"""Small signs in tables: a verdict, a metric beside its limit and noise, a line over versions.

They are drawn here and not by the library that draws charts: a list of hundreds of heads has
thousands of them, and each is four numbers. Everything that has a colour has a sign too.
"""

from __future__ import annotations

from collections.abc import Sequence

from calreg.documents import HeadRow, LabelRow
from calreg.pages.answers import head_word
from calreg.pages.html import Html, tag
from calreg.pages.observed import HeadSeen, Point, Standing, max_size
from calreg.report.numbers import limited_text, number_text
from calreg.report.runs import METRIC_HEADERS

__all__ = [
    "METRIC_NAMES",
    "metric_cell",
    "metric_text",
    "sparkline",
    "standing_mark",
    "verdict_mark",
]

METRIC_NAMES = {
    "apd_p5": "shift of p5",
    "apd_p95": "shift of p95",
    "srd": "relative change of the range",
    "jsd": "Jensen–Shannon distance",
    "median_drift": "shift of the median",
    "iqr_drift": "relative change of the IQR",
}
"""The six metrics in words."""

_LOOKS: dict[Standing, tuple[str, str]] = {
    "unstable": ("✗", "bad"),
    "withdrawn": ("✗", "bad"),
    "undecided": ("?", "warn"),
    "noise": ("≈", "warn"),
    "new": ("+", "none"),
    "stable": ("✓", "good"),
}


def verdict_mark(head: HeadSeen) -> Html:
    """How a head stands: a sign, a word and a colour."""
    return standing_mark(head.standing, head_word(head))


def standing_mark(standing: Standing, word: str) -> Html:
    """A verdict: a sign, a word and a colour."""
    sign, look = _LOOKS[standing]
    return tag("span", tag("span", sign, aria_hidden="true"), f" {word}", class_=f"verdict {look}")


# --- a metric -----------------------------------------------------------------------------------


def metric_text(value: float | None, limit: float) -> str:
    """A metric as it is shown: never rounded onto its limit, and without exponents.

    >>> metric_text(0.0123, 0.01), metric_text(0.00998, 0.01), metric_text(0.00021, 0.01)
    ('0.012', '0.00998', '0.0002')
    """
    if value is None or not 0.0 < value < 0.0005 or limit < 0.001:
        return limited_text(value, limit)
    return f"{value:.4f}" if value >= 0.00005 else "<0.0001"


_WIDTH = 60.0
_LIMIT_AT = 40.0  # of the width: what is half as large again as its limit fills the meter


def metric_cell(row: HeadRow | LabelRow, name: str, limit: float, *, in_list: bool = True) -> Html:
    """A metric as a traffic light: its number with a sign, and a meter with limit and noise.

    Args:
        row: Of a head or a label.
        name: The metric.
        limit: What it must stay below.
        in_list: Whether it stands in a list that becomes cards on a telephone.
    """
    header = METRIC_HEADERS[name]
    value, noise = row.metrics[name], row.noise[name]
    named = header if in_list else None
    if value is None:
        unknown = tag("span", "–", title=f"{METRIC_NAMES[name]}: not known")
        return tag("td", unknown, class_="m soft", data_name=named)
    sign, look, why = _light(value, noise, is_failed=name in row.failed_metrics)
    words = (
        f"{METRIC_NAMES[name]} {number_text(value, digits=4)}: {why}; limit {limit:g}, "
        f"by sampling alone up to {number_text(noise, digits=4)}"
    )
    number = tag("b" if look != "good" else "span", metric_text(value, limit))
    return tag(
        "td",
        tag("span", number, " ", tag("span", sign, class_=look, aria_label=why, role="img")),
        _meter(value, noise, limit),
        class_=f"m {look}" if look != "good" else "m",
        title=words,
        data_name=named,
    )


def _light(value: float, noise: float | None, *, is_failed: bool) -> tuple[str, str, str]:
    if not is_failed:
        return "✓", "good", "below its limit"
    if noise is not None and value <= noise:
        return "≈", "warn", "above its limit, within sampling noise"
    return "✗", "bad", "above its limit"


def _meter(value: float, noise: float | None, limit: float) -> Html:
    def place(number: float) -> float:
        return min(_WIDTH, number / limit * _LIMIT_AT) if limit > 0.0 else _WIDTH

    band = f"M0 0H{place(noise):.1f}V7H0Z" if noise is not None else None
    return tag(
        "svg",
        tag("path", d=f"M0 0H{_WIDTH:g}V7H0Z", class_="room"),
        tag("path", d=band, class_="noise") if band else None,
        tag("path", d=f"M0 2H{place(value):.1f}V5H0Z", class_="value"),
        tag("path", d=f"M{_LIMIT_AT:g} 0V7", class_="limit"),
        viewBox="0 0 60 7",
        preserveAspectRatio="none",
        class_="meter",
        aria_hidden="true",
    )


# --- a line over versions -----------------------------------------------------------------------

_SPARK = (96.0, 26.0)
_TOP = 3.0  # limits: what is larger than that is drawn at the edge


def sparkline(points: Sequence[Point]) -> Html | None:
    """How far each version was from its reference, in limits; the dashed line is one limit."""
    sizes = [max_size(point.row) for point in points]
    if not any(size is not None for size in sizes):
        return None
    width, height = _SPARK
    step = (width - 8.0) / max(len(points) - 1, 1)
    top = min(_TOP, max(1.35, *(size or 0.0 for size in sizes)))

    def at(place: int, size: float) -> str:
        return f"{4 + place * step:.1f} {height - 3 - min(size, top) / top * (height - 6):.1f}"

    known = [(place, size) for place, size in enumerate(sizes) if size is not None]
    line = "M" + "L".join(at(place, size) for place, size in known)
    limit = height - 3 - (height - 6) / top
    last, size = known[-1]
    x, y = map(float, at(last, size).split())
    is_failed = not points[last].row.is_stable
    end = (
        tag("path", d=f"M{x - 3:.1f} {y - 3:.1f}l6 6m0 -6l-6 6", class_="cross")
        if is_failed
        else tag(
            "path", d=f"M{x - 2.5:.1f} {y:.1f}a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0 -5 0", class_="dot"
        )
    )
    return tag(
        "svg",
        tag("path", d=f"M0 {limit:.1f}H{width:g}", class_="limit"),
        tag("path", d=line, class_="line"),
        end,
        viewBox=f"0 0 {width:g} {height:g}",
        class_="spark",
        role="img",
        aria_label=_spark_words(points, sizes),
    )


def _spark_words(points: Sequence[Point], sizes: Sequence[float | None]) -> str:
    said = [
        f"v{point.version} {number_text(size, digits=1)}"
        for point, size in zip(points, sizes, strict=True)
        if size is not None
    ][-8:]
    return f"Largest metric in units of its limit: {', '.join(said)}"
