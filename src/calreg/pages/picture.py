"""A stored histogram as a small picture, with the words that say the same.

The picture is part of its page: no script draws it, nothing is fetched for it. Its colours
come from the page, so that it is right in the light and in the dark, and marks differ by
dash as well as by colour.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from calreg.documents import Histogram, LabelCalibration
from calreg.pages.html import Html, joined, tag

__all__ = ["histogram_picture", "number", "score_cut"]

_WIDTH = 400
_HEIGHT = 96


def number(value: float) -> str:
    """A score with four digits that matter; the document has them all.

    >>> number(0.123456), number(28973.0), number(1.0)
    ('0.1235', '28973', '1')
    """
    return f"{value:.4g}" if abs(value) < 10_000 else f"{value:.0f}"


def histogram_picture(label: str, numbers: LabelCalibration) -> Html | None:
    """A label's scores, with their percentiles and the threshold; None without a histogram."""
    histogram = numbers.distribution.histogram
    if histogram is None or not any(histogram.counts):
        return None
    marks = list(_marks(numbers))
    lines = [
        tag("path", d=f"M{_place(histogram, value)} 0V{_HEIGHT}", class_=kind)
        for kind, _, value in marks
    ]
    picture = tag(
        "svg",
        tag("path", d=_outline(histogram), class_="bars"),
        *lines,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=_words(label, histogram, numbers),
    )
    legend = [
        tag("span", tag("i", class_=f"key {kind}", aria_hidden="true"), f" {name} {number(value)}")
        for kind, name, value in marks
    ]
    ends = (tag("span", number(end)) for end in (histogram.lo, histogram.hi))
    axis = tag("div", *ends, class_="axis", aria_hidden="true")
    note = tag("figcaption", joined([*legend, _outside(histogram)], " "))
    return tag("figure", picture, axis, note)


def _marks(numbers: LabelCalibration) -> Iterator[tuple[str, str, float]]:
    """Kind, name and score of each line in the picture."""
    low, high = numbers.bounds
    if low is not None and high is not None:
        yield "percentile", "p5", low
        yield "percentile", "p95", high
    cut = score_cut(numbers)
    if cut is not None:
        yield "threshold", "threshold", cut


def score_cut(numbers: LabelCalibration) -> float | None:
    """Where on the scale of raw scores the label begins to fire; None if that is not known."""
    if numbers.decision is None:
        return None
    if numbers.method == "threshold":
        return numbers.decision.threshold
    return numbers.decision.score_threshold


def _place(histogram: Histogram, value: float) -> str:
    share = (value - histogram.lo) / (histogram.hi - histogram.lo)
    return f"{min(1.0, max(0.0, share)) * _WIDTH:.1f}"


def _outline(histogram: Histogram) -> str:
    """Heights by the root of each count: else one full cell would flatten all others."""
    highest = math.sqrt(max(histogram.counts))
    width = _WIDTH / len(histogram.counts)
    steps = [f"M0 {_HEIGHT}"]
    for cell, count in enumerate(histogram.counts):
        height = _HEIGHT * (1.0 - math.sqrt(count) / highest)
        steps.append(f"V{height:.1f}H{(cell + 1) * width:.4g}")
    return "".join([*steps, f"V{_HEIGHT}Z"])


def _words(label: str, histogram: Histogram, numbers: LabelCalibration) -> str:
    """What the picture shows, for who does not see it."""
    scale = f"from {number(histogram.lo)} to {number(histogram.hi)}"
    said = [f"Histogram of {histogram.total:,} scores of {label} {scale}"]
    low, high = numbers.bounds
    if low is not None and high is not None:
        said.append(f"90 % lie between {number(low)} and {number(high)}")
    peak = max(range(len(histogram.counts)), key=histogram.counts.__getitem__)
    width = (histogram.hi - histogram.lo) / len(histogram.counts)
    said.append(f"most are near {number(histogram.lo + (peak + 0.5) * width)}")
    cut = score_cut(numbers)
    if cut is not None:
        said.append(f"the threshold is {number(cut)}")
    return "; ".join(said) + "."


def _outside(histogram: Histogram) -> str | None:
    parts = []
    if histogram.underflow:
        parts.append(f"{histogram.underflow:,} below")
    if histogram.overflow:
        parts.append(f"{histogram.overflow:,} above")
    return f"outside of the picture: {', '.join(parts)}" if parts else None
