"""What a rule is, what it says, and how severe that is.

A rule looks at a case and says what is wrong; it never decides how much that matters. Its
default does, unless the policy of the base says otherwise, and never below the rule's floor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from calreg.documents import GateSettings
from calreg.gate.case import Case
from calreg.gate.said import Said
from calreg.gate.values import SEVERITIES, Severity

__all__ = ["Check", "Rule", "severity_of"]

Check = Callable[[Case], Iterable[Said]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that a gate looks for.

    Args:
        name: What it is called in findings, in policies and on the command line.
        title: What it asks, in a few words.
        severity: That of its findings, if neither the rule nor the policy says otherwise.
        floor: The least that a policy may make of it.
        check: Looks, and says what it finds.
    """

    name: str
    title: str
    severity: Severity
    floor: Severity
    check: Check

    @property
    def explanation(self) -> str:
        """The name of its page below docs/rules."""
        return f"{self.name}.md"


def severity_of(rule: Rule, said: Said, policy: GateSettings) -> Severity:
    """How severe what a rule said is, by the policy for its head.

    A policy that names the rule is followed down to the floor. What the rule itself calls less
    than its default is only ever made more of.
    """
    asked = next((one for one in SEVERITIES if one == policy.severities.get(rule.name)), None)
    if asked is None:
        return said.severity or rule.severity
    if said.severity is not None:
        return _worse(said.severity, asked)
    return _worse(rule.floor, asked)


def _worse(one: Severity, other: Severity) -> Severity:
    return min(one, other, key=SEVERITIES.index)
