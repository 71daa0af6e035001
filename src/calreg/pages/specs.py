"""The dashboard's charts as Vega-Lite specifications: plain mappings with all data inside.

Colours are the page's own (`var(--…)`), so that one picture is right in the light, in the dark
and in print; and nothing is said by colour alone: sides differ by shape and dash. Titles
stand in the page, in HTML, where they wrap and can be read aloud. No text of anybody else
gets into a specification: it holds numbers only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from calreg.documents import Histogram, LabelCalibration
from calreg.pages.observed import LabelPoint, LabelSeen, Point, RunSeen, Standing

__all__ = ["Spec", "band_spec", "distribution_spec", "metric_spec", "runs_spec"]

Spec = dict[str, Any]

_WIDE = 400
_SMALL = 250
_MAX_TICKS = 6

_CONFIG: Spec = {
    "view": {"stroke": None},
    "axis": {
        "grid": False,
        "title": None,
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "tickSize": 3,
        "labelColor": "var(--soft)",
        "labelFontSize": 10.5,
        # Each of these would have the text measured, which costs more than all the rest.
        "labelOverlap": False,
        "labelLimit": 0,
        "labelFlush": False,
    },
}


def _whole(width: int, height: int, layers: Sequence[Spec], **more: Any) -> Spec:
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "background": None,
        # Room for the axes, the same for all: nothing has to be measured to be laid out.
        "autosize": "none",
        "padding": {"left": 38, "right": 10, "top": 6, "bottom": 18},
        "width": width,
        "height": height,
        "config": _CONFIG,
        "layer": list(layers),
        **more,
    }


def _scale(low: float, high: float) -> Spec:
    return {"domain": [low, high], "nice": False, "zero": False, "clamp": True}


def _versions(versions: Sequence[int]) -> Spec:
    """A scale of versions, with a few of them named: the last always."""
    first, last = versions[0], versions[-1]
    room = (last - first) * 0.04 or 0.5
    return {
        "field": "version",
        "type": "quantitative",
        "scale": _scale(first - room, last + room),
        "axis": {"values": _some(versions), "labelExpr": "'v' + datum.value"},
    }


def _some(versions: Sequence[int]) -> list[int]:
    """The last version, and others at one distance from each other."""
    step = -(-len(versions) // _MAX_TICKS)
    return sorted(versions[::-1][::step])


def _y(field: str, scale: Spec, ticks: Sequence[float] | None = None, **more: Any) -> Spec:
    axis: Spec = {"tickCount": 3} if ticks is None else {"values": list(ticks)}
    axis["labelExpr"] = "format(datum.value, '.3~g')"
    return {"field": field, "type": "quantitative", "scale": scale, "axis": axis, **more}


# --- a metric over versions ---------------------------------------------------------------------


def metric_spec(points: Sequence[Point], metric: str) -> Spec | None:
    """One drift metric over versions: its limit dashed, its noise as a band; None without any.

    A version that failed is a cross, one that passed a dot.
    """
    rows = [_metric_row(point, metric) for point in points]
    known = [row for row in rows if row["value"] is not None]
    if not known:
        return None
    limits = [row["limit"] for row in rows]
    highest = max(
        *(row["value"] for row in known), *limits, *(row["noise"] or 0.0 for row in known)
    )
    scale = _scale(0.0, highest * 1.08 or 1.0)
    x = _versions([point.version for point in points])
    is_apart = limits[-1] > 0.15 * highest  # else their names would lie over each other
    ticks = [0.0, limits[-1]] if is_apart else [limits[-1]]
    return _whole(
        _SMALL,
        78,
        [
            {
                "mark": {"type": "area", "color": "var(--noise)"},
                "transform": [{"filter": "isValid(datum.noise)"}],
                "encoding": {"x": x, "y": _y("noise", scale, ticks)},
            },
            {
                "mark": {"type": "line", "color": "var(--mark)", "strokeDash": [5, 3],
                         "strokeWidth": 1.3, "interpolate": "step"},
                "encoding": {"x": x, "y": _y("limit", scale, ticks)},
            },
            {
                "mark": {"type": "line", "color": "var(--new)", "strokeWidth": 1.6},
                "encoding": {"x": x, "y": _y("value", scale, ticks)},
            },
            {
                "mark": {"type": "point", "filled": True, "opacity": 1},
                "transform": [{"filter": "isValid(datum.value)"}],
                "encoding": {"x": x, "y": _y("value", scale, ticks), **_SIGNS},
            },
        ],
        data={"values": rows},
    )  # fmt: skip


# Two strokes, filled: thick enough to be told from a dot without its colour.
_CROSS = "M-1,-0.7L-0.7,-1L0,-0.3L0.7,-1L1,-0.7L0.3,0L1,0.7L0.7,1L0,0.3L-0.7,1L-1,0.7L-0.3,0Z"

_SIGNS: Spec = {
    "shape": {"condition": {"test": "datum.failed", "value": _CROSS}, "value": "circle"},
    "color": {"condition": {"test": "datum.failed", "value": "var(--bad)"}, "value": "var(--new)"},
    "size": {"condition": {"test": "datum.failed", "value": 90}, "value": 26},
}


def _metric_row(point: Point, metric: str) -> Spec:
    row = point.row
    return {
        "version": point.version,
        "value": row.metrics[metric],
        "noise": row.noise[metric],
        "limit": row.thresholds[metric],
        "failed": metric in row.failed_metrics and row.metrics[metric] is not None,
    }


# --- two distributions --------------------------------------------------------------------------


def distribution_spec(label: LabelSeen) -> Spec | None:
    """The scores of a label in both versions, overlaid, with p5 and p95; None without any."""
    new, before = _histogram(label.new), _histogram(label.before)
    shown = [one for one in (new, before) if one is not None]
    if not shown:
        return None
    low, high = min(one.lo for one in shown), max(one.hi for one in shown)
    x_scale = _scale(low, high)
    shares = [max(_density(one)) for one in shown]
    y = _y("density", _scale(0.0, max(shares) * 1.08), ticks=[])
    layers = []
    if before is not None:
        layers.append(_area(before, x_scale, y))
    if new is not None:
        layers.append(_outline(new, x_scale, y))
    layers += [*_bounds(label, "before", x_scale), *_bounds(label, "new", x_scale)]
    return _whole(_WIDE, 130, layers)


def _histogram(numbers: LabelCalibration | None) -> Histogram | None:
    found = numbers.distribution.histogram if numbers is not None else None
    return found if found is not None and any(found.counts) else None


def _density(histogram: Histogram) -> list[float]:
    """Share of all scores per unit of score: comparable whatever the number and the grid."""
    width = (histogram.hi - histogram.lo) / len(histogram.counts)
    return [count / histogram.total / width for count in histogram.counts]


def _steps(histogram: Histogram) -> list[Spec]:
    width = (histogram.hi - histogram.lo) / len(histogram.counts)
    density = _density(histogram)
    rows = [
        {"score": round(histogram.lo + cell * width, 9), "density": value}
        for cell, value in enumerate(density)
    ]
    return [*rows, {"score": histogram.hi, "density": density[-1]}]


def _x(field: str, scale: Spec) -> Spec:
    axis = {"tickCount": 5, "labelExpr": "format(datum.value, '.3~g')"}
    return {"field": field, "type": "quantitative", "scale": scale, "axis": axis}


def _area(histogram: Histogram, x_scale: Spec, y: Spec) -> Spec:
    return {
        "data": {"values": _steps(histogram)},
        "mark": {"type": "area", "color": "var(--ref)", "interpolate": "step-after"},
        "encoding": {"x": _x("score", x_scale), "y": y},
    }


def _outline(histogram: Histogram, x_scale: Spec, y: Spec) -> Spec:
    return {
        "data": {"values": _steps(histogram)},
        "mark": {
            "type": "line",
            "color": "var(--new)",
            "strokeWidth": 1.5,
            "interpolate": "step-after",
        },
        "encoding": {"x": _x("score", x_scale), "y": y},
    }


def _bounds(label: LabelSeen, side: str, x_scale: Spec) -> list[Spec]:
    numbers = label.new if side == "new" else label.before
    if numbers is None or numbers.bounds[0] is None:
        return []
    colour, dash = ("var(--new)", [1, 0]) if side == "new" else ("var(--refline)", [5, 3])
    return [
        {
            "data": {"values": [{"score": bound} for bound in numbers.bounds]},
            "mark": {"type": "rule", "color": colour, "strokeDash": dash, "strokeWidth": 1.6},
            "encoding": {"x": _x("score", x_scale)},
        }
    ]


# --- where scores lay over versions -------------------------------------------------------------


def band_spec(points: Sequence[LabelPoint], references: Mapping[int, LabelPoint]) -> Spec | None:
    """p5 to p95 over versions as a band, the median in it, the reference dashed.

    Args:
        points: A label's, the oldest first.
        references: What the reference held after each version.
    """
    known = [point for point in points if point.p5 is not None and point.p95 is not None]
    if not known:
        return None
    rows = [_band_row(point, references.get(point.version)) for point in known]
    ends = [row[key] for row in rows for key in _ENDS if row[key] is not None]
    low, high = min(ends), max(ends)
    room = (high - low) * 0.08 or 0.5
    scale = _scale(low - room, high + room)
    x = _versions([point.version for point in known])
    dashed = {"type": "line", "color": "var(--refline)", "strokeDash": [5, 3], "strokeWidth": 1.3,
              "interpolate": "step-after"}  # fmt: skip
    moved = [{**row, "end": row[key]} for row in rows if row["moved"] for key in ("p5", "p95")]
    return _whole(
        _WIDE,
        130,
        [
            {
                "mark": {"type": "area", "color": "var(--band)"},
                "encoding": {"x": x, "y": _y("p5", scale), "y2": {"field": "p95"}},
            },
            *(
                {
                    "mark": {"type": "line", "color": "var(--new)", "strokeWidth": width},
                    "encoding": {"x": x, "y": _y(field, scale)},
                }
                for field, width in (("p5", 1.6), ("p95", 1.6), ("median", 0.9))
            ),
            *({"mark": dashed, "encoding": {"x": x, "y": _y(f, scale)}} for f in _ENDS[3:]),
            {
                "data": {"values": moved},
                "mark": {"type": "point", "shape": "diamond", "filled": True, "opacity": 1,
                         "color": "var(--mark)", "size": 60},
                "encoding": {"x": x, "y": _y("end", scale)},
            },
        ],
        data={"values": rows},
    )  # fmt: skip


_ENDS = ("p5", "median", "p95", "reference_p5", "reference_p95")


def _band_row(point: LabelPoint, reference: LabelPoint | None) -> Spec:
    return {
        "version": point.version,
        "p5": point.p5,
        "median": point.median,
        "p95": point.p95,
        "reference_p5": reference.p5 if reference is not None else None,
        "reference_p95": reference.p95 if reference is not None else None,
        "moved": reference is not None and reference.version == point.version,
    }


# --- runs ---------------------------------------------------------------------------------------

_FILLS: Mapping[Standing, str] = {
    "stable": "var(--stable)",
    "new": "var(--fresh)",
    "noise": "var(--unsure)",
    "undecided": "var(--unsure)",
    "unstable": "var(--drifted)",
}
"""From the bottom of a bar to its top."""


def runs_spec(runs: Sequence[RunSeen]) -> Spec | None:
    """How many heads stood how after each run, as bars: stable at the bottom; None without any.

    Args:
        runs: The newest first.
    """
    rows = [row for found in reversed(runs) for row in _bars(found)]
    if not rows:
        return None
    versions = sorted({row["version"] for row in rows})
    width = min(26.0, max(3.0, 0.7 * _WIDE / (versions[-1] - versions[0] + 1)))
    highest = max(row["to"] for row in rows)
    x = _versions(versions)
    x["axis"]["labelExpr"] = "datum.value"
    room = (versions[-1] - versions[0] + 1) * 0.04 + 0.35
    x["scale"] = _scale(versions[0] - room, versions[-1] + room)
    y = _y("from", _scale(0.0, float(highest)), ticks=_whole_ticks(highest))
    layers = [
        {
            "transform": [{"filter": f"datum.standing === '{standing}'"}],
            "mark": {"type": "bar", "color": colour, "width": width},
            "encoding": {"x": x, "y": y, "y2": {"field": "to"}},
        }
        for standing, colour in _FILLS.items()
        if any(row["standing"] == standing for row in rows)
    ]
    return _whole(_WIDE, 90, layers, data={"values": rows})


def _whole_ticks(highest: int) -> list[int]:
    half = highest // 2
    return sorted({0, half, highest})


def _bars(found: RunSeen) -> list[Spec]:
    rows, below = [], 0
    for standing in _FILLS:
        count = (found.standings or {}).get(standing, 0)
        if count:
            rows.append(
                {
                    "version": found.run.version,
                    "standing": standing,
                    "from": below,
                    "to": below + count,
                }
            )
        below += count
    return rows
