"""A picture as a page: the answer in words, the picture, and its figures as a table.

The page asks nobody for anything: its policy forbids every request, and its script is inside.
Whatever came from outside stands in it escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape

from calreg.evaluate import LabelEvidence
from calreg.report.numbers import count_text, number_text
from calreg.report.pictures.specification import MAX_LABELS
from calreg.report.pictures.words import answer, printable, undrawn_text, worst_first
from calreg.report.tune import threshold_text, warning_lines
from calreg.tuning import Tuned

__all__ = ["SNIPPET", "tune_page"]

# Expressions are interpreted, not compiled: the policy then need not allow `eval`.
SNIPPET = """
vegaEmbed("#picture", JSON.parse(document.getElementById("spec").textContent),
          {ast: true, actions: false, renderer: "svg"});
"""
"""What the page's script does once the libraries are there."""

_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"

_FRAME = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width">
<title>{head}</title>
<style>
body {{ font: 15px/1.45 Helvetica, Arial, "Liberation Sans", sans-serif; color: #222;
  background: white; margin: 2em; }}
h1 {{ font-size: 1.3em; margin: 0; }}
.head {{ color: #666; margin: 0 0 .2em; }}
.picture {{ overflow-x: auto; margin: 1.5em 0; }}
ul {{ padding-left: 1.2em; max-width: 60em; }}
.table {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: .87em; }}
caption {{ text-align: left; padding: .3em 0; color: #666; }}
th, td {{ padding: .2em .7em; text-align: right; border-bottom: 1px solid #e5e5e5;
  white-space: nowrap; font-variant-numeric: tabular-nums; }}
th:first-child, .text {{ text-align: left; }}
@media print {{ body {{ margin: 0; }} .picture {{ overflow: visible; }} }}
</style>
</head>
<body>
<p class="head">{head}</p>
<h1>{answer}</h1>
{warnings}
{undrawn}
<div class="picture"><div id="picture" role="img" aria-label="{answer}"></div></div>
<noscript><p>A script inside this page draws the picture; the table has its figures.</p></noscript>
<div class="table">
{table}
</div>
<script type="application/json" id="spec">{spec}</script>
<script type="module">{script}</script>
</body>
</html>
"""


def tune_page(head: str, tuned: Tuned, spec: str, script: str) -> str:
    """The page of a tuned head.

    Args:
        head: Its full name.
        tuned: What was found.
        spec: The specification as JSON in ASCII, without its own title.
        script: The drawing libraries, followed by `SNIPPET`.
    """
    undrawn = undrawn_text(worst_first(tuned)[MAX_LABELS:])
    return _FRAME.format(
        policy=_POLICY,
        head=escape(printable(head)),
        answer=escape(answer(tuned)),
        warnings=_warnings(tuned),
        undrawn=f"<p>{escape(undrawn)}</p>" if undrawn else "",
        table=_table(tuned),
        spec=_inside_script(spec),
        script=script,
    )


def _inside_script(json: str) -> str:
    r"""JSON that no HTML parser takes for anything else: these signs only occur in its strings.

    >>> _inside_script('["</script>"]')
    '["\\u003c/script\\u003e"]'
    """
    for sign in "<>&":
        json = json.replace(sign, f"\\u{ord(sign):04x}")
    return json


def _warnings(tuned: Tuned) -> str:
    lines = [printable(line.plain) for line in warning_lines(tuned.cautions) if line.plain]
    if not lines:
        return ""
    items = "\n".join(f"<li>{escape(line.removeprefix('! '))}</li>" for line in lines)
    return f"<p>Before believing it:</p>\n<ul>\n{items}\n</ul>"


# --- the table ------------------------------------------------------------------------------

_Cell = Callable[[LabelEvidence], str]


def _count(name: str) -> _Cell:
    return lambda found: count_text(getattr(found.confusion, name) if found.confusion else None)


def _rate(name: str) -> _Cell:
    return lambda found: number_text(getattr(found.confusion, name) if found.confusion else None)


def _figure(name: str) -> _Cell:
    return lambda found: number_text(found.trial.figures.get(name))


_CELLS: dict[str, _Cell] = {
    "positives": lambda found: count_text(found.positives),
    "negatives": lambda found: count_text(found.negatives),
    **{name: _count(name) for name in ("tp", "fp", "fn", "tn")},
    "precision": _rate("precision"),
    "recall": _rate("recall"),
    "F1": _rate("f1"),
    "FPR": _rate("fpr"),
    "AUROC": _figure("auroc"),
    "average precision": _figure("average_precision"),
    "Brier": _figure("brier"),
    "NLL": _figure("nll"),
    "ECE15 equal width": _figure("ece15_equal_width"),
}


def _cells(tuned: Tuned) -> dict[str, _Cell]:
    """The figures that at least one label has."""
    found = [one.calibration for one in tuned.labels.values()]
    nothing = number_text(None)
    return {
        name: cell for name, cell in _CELLS.items() if any(cell(one) != nothing for one in found)
    }


def _table(tuned: Tuned) -> str:
    cells = _cells(tuned)
    header = "".join(
        f'<th scope="col"{kind}>{name}</th>'
        for name, kind in [
            ("label", ""),
            ("fires if", ' class="text"'),
            ("on", ' class="text"'),
            *((name, "") for name in cells),
        ]
    )
    lines = [line for label in tuned.labels for line in _table_lines(tuned, label, cells)]
    return (
        "<table>\n<caption>Every label, as chosen on calibration and as judged on the holdout"
        f"</caption>\n<thead><tr>{header}</tr></thead>\n<tbody>\n"
        + "\n".join(lines)
        + "\n</tbody>\n</table>"
    )


def _table_lines(tuned: Tuned, label: str, cells: Mapping[str, _Cell]) -> list[str]:
    one = tuned.labels[label]
    fires = escape(threshold_text(one.label.decision))
    name = escape(printable(label))
    return [
        f'<tr><th scope="row">{name}</th><td class="text">{fires}</td><td class="text">{on}</td>'
        + "".join(f"<td>{escape(cell(found))}</td>" for cell in cells.values())
        + "</tr>"
        for on, found in (("calibration", one.calibration), ("holdout", one.holdout))
        if found is not None
    ]
