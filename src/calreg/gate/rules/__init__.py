"""All rules of the gate, by name. A new one is a module here, a page in docs/rules, and cases."""

from __future__ import annotations

from collections.abc import Mapping

from calreg.gate.rule import Rule
from calreg.gate.rules import (
    canonical_bytes,
    complete_version,
    decision_quality,
    distribution,
    document,
    drift_recomputed,
    evidence_lost,
    factor_bounds,
    file_kind,
    foreign_file,
    holdout,
    holdout_changed,
    immutable_version,
    index,
    keys_changed,
    labels_removed,
    min_samples,
    move_record,
    name,
    policy_changed,
    reference_copy,
    retention,
    run_number,
    size_limits,
    timestamp,
    unexplained_move,
    unstable_not_moved,
    withdrawn,
)

__all__ = ["RULES"]

_ALL = (
    size_limits.RULE,
    file_kind.RULE,
    name.RULE,
    foreign_file.RULE,
    document.RULE,
    canonical_bytes.RULE,
    immutable_version.RULE,
    complete_version.RULE,
    run_number.RULE,
    timestamp.RULE,
    drift_recomputed.RULE,
    reference_copy.RULE,
    unexplained_move.RULE,
    unstable_not_moved.RULE,
    move_record.RULE,
    withdrawn.RULE,
    retention.RULE,
    index.RULE,
    keys_changed.RULE,
    policy_changed.RULE,
    min_samples.RULE,
    distribution.RULE,
    evidence_lost.RULE,
    labels_removed.RULE,
    decision_quality.RULE,
    holdout_changed.RULE,
    holdout.RULE,
    factor_bounds.RULE,
)

RULES: Mapping[str, Rule] = {rule.name: rule for rule in _ALL}
"""By name, in the order in which they are explained."""
