"""Every workflow and action of ours, and those that a new registry gets, as texts."""

from __future__ import annotations

from runner import ROOT

from calreg.registry.workflows import WORKFLOWS, workflow

__all__ = ["ACTION", "GATES", "TEXTS"]

ACTION = ROOT / ".github/actions/gate"
OURS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def texts() -> dict[str, str]:
    """Every workflow and action of ours, and those that a new registry gets, by name."""
    made = {f"new/{name}": workflow(name, prefix="cal/reg") for name in WORKFLOWS}
    words = {"prefix": "cal/other", "branch": "trunk/2.0", "suffix": "-cal-other"}
    made |= {f"further/{name}": workflow(name, **words) for name in WORKFLOWS}
    ours = {path.name: path.read_text() for path in OURS}
    return {**made, **ours, "action.yml": (ACTION / "action.yml").read_text()}


TEXTS = texts()
GATES = ["new/gate.yml", "further/gate.yml", "registry-gate.yml", "gate.yml"]
