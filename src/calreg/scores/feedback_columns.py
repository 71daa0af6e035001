"""Which column of predictions or outcomes holds what, by the names they usually have.

Nothing here opens a file. To accept another name: add it to its role, where earlier names
win over later ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from calreg.errors import UsageError
from calreg.names import nearest

__all__ = ["OUTCOME_ROLES", "PREDICTION_ROLES", "FeedbackTable", "Kind", "Role", "Side"]

Side: TypeAlias = Literal["predictions", "outcomes"]
Kind: TypeAlias = Literal[
    "key", "text", "price", "share", "factor", "positive", "not_negative", "flag"
]


@dataclass(frozen=True, slots=True)
class Role:
    """What a column can be for: the names it usually has, and what its values are."""

    kind: Kind
    names: tuple[str, ...]


_KEY = Role("key", ("sku_local", "sku", "item_sku", "local_sku", "item"))

PREDICTION_ROLES: Mapping[str, Role] = {
    "key": _KEY,
    "predicted": Role("price", ("est_price_mu", "predicted_price")),
    "probability": Role("share", ("sell_p60", "predicted_sell_p60", "probability")),
    "hazard": Role("not_negative", ("sell_hazard_daily",)),
    "horizon": Role("positive", ("horizon_days", "horizon")),
    "factor": Role("factor", ("factor",)),
    "group": Role("text", ("condition_bucket", "condition", "group")),
}
"""Roles of the columns of predictions."""

OUTCOME_ROLES: Mapping[str, Role] = {
    "key": _KEY,
    "outcome": Role("price", ("realized_price", "actual_price", "sale_price", "sold_price")),
    "sold": Role("flag", ("sold_within_horizon", "sold", "sold_in_horizon")),
    "days": Role("not_negative", ("days_to_sale", "holding_days", "days_held")),
}
"""Roles of the columns of outcomes."""

ROLES: Mapping[Side, Mapping[str, Role]] = {
    "predictions": PREDICTION_ROLES,
    "outcomes": OUTCOME_ROLES,
}


@dataclass(frozen=True, slots=True)
class FeedbackTable:
    """Where one side is, before anything is opened.

    Args:
        side: Which of the two.
        paths: Files and globs: `.csv`, `.jsonl`, `.ndjson` (each also with `.gz`), `.parquet`.
            Of several, "last" and "first" go by the files' names, then by their lines.
        columns: Role to the name of the column that has it, where it is none of the known.

    Raises:
        UsageError: A role that is none.
    """

    side: Side
    paths: tuple[str, ...]
    columns: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for role in self.columns:
            if role not in self.roles:
                raise UsageError(
                    f"{role!r} is not a role of a column of {self.side}",
                    hint=nearest(role, self.roles),
                )

    @property
    def roles(self) -> Mapping[str, Role]:
        """The roles of this side."""
        return ROLES[self.side]
