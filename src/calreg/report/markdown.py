"""What a gate says, as Markdown: for the summary of a build, a comment, a pull request.

One sentence, the findings, one row per head. All that comes from a proposal is escaped, and
the text stays below a size: what does not fit is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from calreg.documents import METRICS
from calreg.gate import Finding, HeadResult, Judged
from calreg.report.escaping import markdown_code, markdown_text
from calreg.report.gate import Compared, action_text, f1_text, gate_sentence
from calreg.report.numbers import count_text, number_text, plural, sparkline, version_text
from calreg.report.runs import METRIC_HEADERS

__all__ = ["MAX_COMMENT_BYTES", "MAX_SUMMARY_BYTES", "gate_markdown", "untold_markdown"]

MAX_SUMMARY_BYTES = 2**20  # of a step's summary
MAX_COMMENT_BYTES = 60_000  # a comment may have 65,536 characters

_MARKS = {"error": "🔴", "warning": "🟡", "note": "⚪"}
_MAX_FINDINGS = 100
_TAIL_BYTES = 400

Trends = Mapping[str, Sequence[float | None]]


def gate_markdown(
    judged: Judged,
    compared: Compared,
    *,
    trends: Trends | None = None,
    max_bytes: int = MAX_SUMMARY_BYTES,
) -> str:
    """The report, not longer than `max_bytes` of UTF-8.

    Args:
        judged: What the gate says.
        compared: What was compared.
        trends: By head, for its last versions, the largest metric relative to its limit.
        max_bytes: How long the text may be.
    """
    text = _Text(max_bytes - _TAIL_BYTES)
    text.add("\n".join(_top(judged, compared)) + "\n")
    if judged.findings:
        text.add("\n| | rule | where | problem |\n| --- | --- | --- | --- |\n")
        shown = judged.findings[:_MAX_FINDINGS]
        left = text.add_rows(map(_finding_row, shown)) + len(judged.findings) - len(shown)
        if left:
            text.end(f"\n… and {plural(left, 'more finding')}\n")
    if judged.heads:
        text.add("\n" + _heads_header() + "\n")
        ordered = sorted(judged.heads.values(), key=_worst_first)
        left = text.add_rows(_head_row(one, (trends or {}).get(one.head, ())) for one in ordered)
        if left:
            text.end(f"\n… and {plural(left, 'more head')}\n")
    return text.text


def untold_markdown(problem: str) -> str:
    """What is left to say where the gate could not tell."""
    title = "### ❔ It could not be told whether this change may be merged"
    return f"{title}\n\n{markdown_text(problem)}\n"


class _Text:
    """A text that grows until it is full."""

    def __init__(self, max_bytes: int) -> None:
        self._parts: list[str] = []
        self._left = max_bytes

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def add(self, part: str) -> bool:
        """Add a part if there is room for it; whether there was."""
        size = len(part.encode("utf-8"))
        if size > self._left:
            self._left = 0  # nothing after it: a table has no holes
            return False
        self._left -= size
        self._parts.append(part)
        return True

    def end(self, part: str) -> None:
        """Add a last word, for which room was kept."""
        self._parts.append(part)

    def add_rows(self, rows: Iterator[str]) -> int:
        """Add rows; how many had no room."""
        return sum(not self.add(f"{row}\n") for row in rows)


def _top(judged: Judged, compared: Compared) -> Iterator[str]:
    mark = "✅" if judged.ok else "❌"
    yield f"### {mark} {gate_sentence(judged)}"
    yield ""
    name = markdown_text(judged.registry or "registry")
    base = f"{markdown_code(compared.base)}{_short(compared.base_id)}"
    head = f"{markdown_code(compared.head)}{_short(compared.head_id)}"
    counts = f"{plural(compared.files, 'file')}, {plural(len(judged.heads), 'head')}"
    yield f"{name} · {base} → {head} · {counts}"


def _short(oid: str | None) -> str:
    return "" if oid is None else f" <code>{oid[:7]}</code>"


def _finding_row(finding: Finding) -> str:
    place = markdown_code(finding.path) if finding.path is not None else ""
    if place and finding.line is not None:
        place += f" line {finding.line}"
    if not place and finding.head is not None:
        place = markdown_code(finding.head)
    problem = markdown_text(finding.problem)
    if finding.hint:
        problem += f"<br><sub>{markdown_text(finding.hint)}</sub>"
    mark = f"{_MARKS[finding.severity]} {finding.severity}"
    return _row([mark, markdown_code(finding.rule), place, problem])


def _heads_header() -> str:
    names = [
        "head", "version", "scores", *METRIC_HEADERS.values(),
        "trend", "F1", "verdict", "reference",
    ]  # fmt: skip
    return f"{_row(names)}\n{_row(['---'] * len(names))}"


def _worst_first(result: HeadResult) -> tuple[int, bool, str]:
    rank = {"error": 0, "warning": 1, "note": 2, None: 3}
    return rank[result.worst], result.action == "kept", result.head


def _head_row(result: HeadResult, trend: Sequence[float | None]) -> str:
    mark = f"{_MARKS[result.worst]} " if result.worst is not None else ""
    verdict = "new" if result.verdict and result.reference_before is None else result.verdict or "–"
    cells = [
        mark + markdown_code(result.head),
        version_text(result.version),
        count_text(result.samples),
        *(_metric(result, name) for name in METRICS),
        _trend(trend),
        f1_text(result) or "–",
        verdict,
        action_text(result),
    ]
    return _row(cells)


def _metric(result: HeadResult, name: str) -> str:
    """A value with its light: green below its limit, yellow within noise, red beyond."""
    value, noise = result.metrics.get(name), result.noise.get(name)
    if name not in result.failed_metrics:
        return "–" if value is None else f"🟢 {number_text(value)}"
    is_noise = value is not None and noise is not None and value <= noise
    light = "🟡" if is_noise else "🔴"
    beside = "" if noise is None else f" <sub>noise {number_text(noise)}</sub>"
    return f"{light} {number_text(value)} ✗{beside}"


def _trend(values: Sequence[float | None]) -> str:
    """How far the last versions were from their reference, a block each, the newest last."""
    blocks = sparkline(values, low=0.0, least=1.0).strip() if values else ""
    return f"<code>{blocks}</code>" if blocks else ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
