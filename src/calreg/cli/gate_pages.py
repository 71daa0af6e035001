"""What each rule of the gate asks and why: the pages of docs/rules, for the terminal."""

from __future__ import annotations

from pathlib import Path

from calreg.errors import UsageError
from calreg.names import nearest

__all__ = ["explanation"]


def explanation(rule: str) -> str:
    """The page of a rule.

    Raises:
        UsageError: There is no such rule.
    """
    from calreg.gate import RULES

    if rule not in RULES:
        raise UsageError(f"no rule {rule!r}", hint=nearest(rule, RULES))
    return (_folder() / RULES[rule].explanation).read_text("utf-8")


def _folder() -> Path:
    # A wheel carries the pages inside the package; a checkout has them in docs/.
    package = Path(__file__).parents[1] / "rules"
    return package if package.is_dir() else Path(__file__).parents[3] / "docs" / "rules"
