"""The gate's report as a document, and back again from one that anybody may have written.

A build that judges a proposal has no right to write, and what it leaves behind may be the
proposal's own work. So nothing in such a document is believed: it is read within limits, every
value is checked for its kind, and it is shown escaped like everything else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args

from calreg.documents import METRICS, load_json
from calreg.errors import InputError
from calreg.gate import SEVERITIES, Action, Finding, HeadResult, Judged
from calreg.report.gate import Compared

__all__ = ["MAX_REPORT_BYTES", "document_of", "read_document"]

MAX_REPORT_BYTES = 16 * 2**20
_MAX_TEXT = 1000
_MAX_FINDINGS = 2_000
_MAX_HEADS = 20_000
_VERDICTS = ("stable", "unstable", "undecided", None)
_EVIDENCE = ("drift", "noise", "none", None)


def document_of(judged: Judged, compared: Compared) -> dict[str, Any]:
    """The report as other programs read it."""
    return {
        **judged.to_json(),
        "compared": {field.name: getattr(compared, field.name) for field in fields(compared)},
    }


def read_document(raw: bytes, *, where: str) -> tuple[Judged, Compared]:
    """What a report says, each value of its kind and no text longer than a line.

    `ok` is not read: it follows from the findings.

    Raises:
        InputError: It is no report.
    """
    data = load_json(raw, where=where, max_bytes=MAX_REPORT_BYTES)
    try:
        findings = tuple(_finding(item) for item in _list(data["findings"])[:_MAX_FINDINGS])
        heads = dict(list(_object(data["heads"]).items())[:_MAX_HEADS])
        results = {_text(head): _head(_text(head), item) for head, item in heads.items()}
        judged = Judged(findings, results, _text_or_none(data.get("registry")))
        return judged, _compared(_object(data["compared"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError("is no report of the gate", where=where, code="report") from error


def _compared(data: Mapping[str, Any]) -> Compared:
    return Compared(
        base=_text(data["base"]),
        head=_text(data["head"]),
        base_id=_text_or_none(data["base_id"]),
        head_id=_text(data["head_id"]),
        files=_count(data["files"]) or 0,
    )


def _finding(item: Any) -> Finding:
    data = _object(item)
    return Finding(
        rule=_text(data["rule"]),
        severity=_one_of(data["severity"], SEVERITIES),
        path=_text_or_none(data["path"]),
        head=_text_or_none(data["head"]),
        problem=_text(data["problem"]),
        line=_count(data.get("line")),
        hint=_text_or_none(data.get("hint")),
    )


def _head(head: str, item: Any) -> HeadResult:
    data = _object(item)
    return HeadResult(
        head=head,
        version=_count(data["version"]),
        samples=_count(data["samples"]),
        metrics=_numbers(data["metrics"]),
        noise=_numbers(data["noise"]),
        failed_metrics=tuple(_text(name) for name in _list(data["failed_metrics"])),
        f1_before=_number(data["f1_before"]),
        f1_after=_number(data["f1_after"]),
        verdict=_one_of(data["verdict"], _VERDICTS),
        evidence=_one_of(data["evidence"], _EVIDENCE),
        action=_one_of(data["action"], get_args(Action)),
        reference_before=_count(data["reference_before"]),
        reference_after=_count(data["reference_after"]),
        findings=_count(data["findings"]) or 0,
        worst=_one_of(data["worst"], (*SEVERITIES, None)),
    )


def _numbers(item: Any) -> dict[str, float | None]:
    data = _object(item)
    return {name: _number(data[name]) for name in METRICS if name in data}


def _object(item: Any) -> Mapping[str, Any]:
    if not isinstance(item, dict):
        raise TypeError("expected an object")
    return item


def _list(item: Any) -> list[Any]:
    if not isinstance(item, list):
        raise TypeError("expected a list")
    return item


def _text(item: Any) -> str:
    if not isinstance(item, str):
        raise TypeError("expected a text")
    return item if len(item) <= _MAX_TEXT else f"{item[: _MAX_TEXT - 1]}…"


def _text_or_none(item: Any) -> str | None:
    return None if item is None else _text(item)


def _count(item: Any) -> int | None:
    if item is None:
        return None
    if not isinstance(item, int) or isinstance(item, bool) or not 0 <= item < 10**15:
        raise TypeError("expected a count")
    return item


def _number(item: Any) -> float | None:
    if item is None:
        return None
    if not isinstance(item, (int, float)) or isinstance(item, bool) or abs(item) > 1e300:
        raise TypeError("expected a number")
    return float(item) if math.isfinite(item) else None


def _one_of(item: Any, known: tuple[Any, ...]) -> Any:
    if item not in known:
        raise ValueError("expected one of a few words")
    return item
