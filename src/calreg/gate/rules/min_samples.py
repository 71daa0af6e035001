"""Blocks versions whose labels have fewer scores behind them than the base asks for.

Percentiles of few scores are chance. A run leaves such heads out by itself (`min_samples` in
`registry.yaml`); a version that has them all the same was made by other rules. A label that does
not say how many it has fails too. Factors are made of pairs, whose evidence is weighed elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from calreg.gate.case import Case
from calreg.gate.rule import Rule
from calreg.gate.said import Said

__all__ = ["RULE", "check"]


_UNKNOWN = "gate.allow_unknown_samples lets heads from other systems do without."


def check(case: Case) -> Iterator[Said]:
    """Every label of every new version that has too few scores, or does not say."""
    for step in case.story.runs:
        for name, calibration in step.calibrations.items():
            least = case.settings(name).min_samples
            for label, found in calibration.labels.items():
                if found.method == "factor":
                    continue
                samples = found.distribution.samples
                if samples is None and case.policy(name).allow_unknown_samples:
                    continue
                if samples is None or not samples >= least:
                    hint = _UNKNOWN if samples is None else None
                    got = "no number of scores" if samples is None else f"{samples:,} scores"
                    yield Said(
                        f"label {label!r} has {got}, at least {least:,} are needed",
                        name.version_path(calibration.version),
                        name.full,
                        hint=hint,
                        pointer=("labels", label, "samples"),
                    )


RULE = Rule("min-samples", "enough scores behind every label", "error", "warning", check)
