"""The frame of every page with a picture: the answer, the picture, its figures as tables.

The page asks nobody for anything: its policy forbids every request, and its script is inside.
Whatever came from outside stands in it escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from calreg.report.pictures.phrases import printable

__all__ = ["SNIPPET", "Page", "Table"]

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
table + table {{ margin-top: 1.5em; }}
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
{said}
<div class="picture"><div id="picture" role="img" aria-label="{answer}"></div></div>
<noscript><p>A script inside this page draws the picture; the table has its figures.</p></noscript>
<div class="table">
{tables}
</div>
<script type="application/json" id="spec">{spec}</script>
<script type="module">{script}</script>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Table:
    """Figures as a table.

    Args:
        caption: What they are.
        columns: Names, and whether a column is text; the first one names its row.
        rows: As many texts each as there are columns; anybody's texts, not escaped yet.
    """

    caption: str
    columns: Sequence[tuple[str, bool]]
    rows: Sequence[Sequence[str]]

    def html(self) -> str:
        """The table, with every text escaped."""
        kinds = [' class="text"' if is_text else "" for _, is_text in self.columns]
        header = "".join(
            f'<th scope="col"{kind}>{_shown(name)}</th>'
            for (name, _), kind in zip(self.columns, ["", *kinds[1:]], strict=True)
        )
        lines = "\n".join(_row(row, kinds) for row in self.rows)
        return (
            f"<table>\n<caption>{_shown(self.caption)}</caption>\n"
            f"<thead><tr>{header}</tr></thead>\n<tbody>\n{lines}\n</tbody>\n</table>"
        )


def _row(cells: Sequence[str], kinds: Sequence[str]) -> str:
    first, *rest = cells
    return (
        f'<tr><th scope="row">{_shown(first)}</th>'
        + "".join(
            f"<td{kind}>{_shown(cell)}</td>" for cell, kind in zip(rest, kinds[1:], strict=True)
        )
        + "</tr>"
    )


@dataclass(frozen=True, slots=True)
class Page:
    """What stands on a page; all of it text as it came.

    Args:
        head: What the page is about.
        answer: The answer, in words.
        warnings: What to know before believing it.
        said: A sentence above the picture.
        tables: The figures of the picture.
    """

    head: str
    answer: str
    warnings: Sequence[str] = ()
    said: str = ""
    tables: Sequence[Table] = field(default=())

    def html(self, spec: str, script: str) -> str:
        """The page as a file.

        Args:
            spec: The specification as JSON in ASCII, without its own title.
            script: The drawing libraries, followed by `SNIPPET`.
        """
        return _FRAME.format(
            policy=_POLICY,
            head=_shown(self.head),
            answer=_shown(self.answer),
            warnings=_warnings(self.warnings),
            said=f"<p>{_shown(self.said)}</p>" if self.said else "",
            tables="\n".join(table.html() for table in self.tables),
            spec=_inside_script(spec),
            script=script,
        )


def _shown(text: str) -> str:
    return escape(printable(text))


def _inside_script(json: str) -> str:
    r"""JSON that no HTML parser takes for anything else: these signs only occur in its strings.

    >>> _inside_script('["</script>"]')
    '["\\u003c/script\\u003e"]'
    """
    for sign in "<>&":
        json = json.replace(sign, f"\\u{ord(sign):04x}")
    return json


def _warnings(lines: Sequence[str]) -> str:
    if not lines:
        return ""
    items = "\n".join(f"<li>{_shown(line)}</li>" for line in lines)
    return f"<p>Before believing it:</p>\n<ul>\n{items}\n</ul>"
