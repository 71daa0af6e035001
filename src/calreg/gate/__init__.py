"""What a change to a registry may not do: two sides in, findings out.

The gate decides; it never edits, and it reads nothing but what it is handed. The base is trusted,
the head side is not: what can be recomputed is recomputed (`story` makes every run and move of
the change anew), and what it says itself is compared with that. A new rule is one module in
`rules`, a line there, a page in docs/rules, and cases that it allows and blocks.
"""

from __future__ import annotations

from calreg.gate.judging import judge
from calreg.gate.rule import Rule
from calreg.gate.rules import RULES
from calreg.gate.values import (
    SEVERITIES,
    Action,
    Change,
    FileAt,
    Finding,
    HeadResult,
    Holdout,
    Judged,
    Read,
    Severity,
    Side,
    Touch,
)

__all__ = [
    "RULES",
    "SEVERITIES",
    "Action",
    "Change",
    "FileAt",
    "Finding",
    "HeadResult",
    "Holdout",
    "Judged",
    "Read",
    "Rule",
    "Severity",
    "Side",
    "Touch",
    "judge",
]
