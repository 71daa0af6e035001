"""The branch that production reads: made from what `main` holds, signed, and moved.

What is published never depends on how it came about, so that a call that comes late, twice
or at the same time as another one is harmless: whatever is there already is not published
again. A lost race is looked at and tried again. Nothing is checked out, and nothing is
written into a work tree. From the bottom: `reading` (what is there), `signed` (who signed),
`order` (what is asked), `waiting` (for more signatures), `making` (a commit), `moving` (the
branch, here and at a remote), `survey` (for people).
"""

from __future__ import annotations

from calreg.registry.stable.making import prepare
from calreg.registry.stable.moving import preview, publish
from calreg.registry.stable.order import (
    NothingNew,
    Order,
    Prepared,
    PublishedStable,
    pending_branch,
)
from calreg.registry.stable.reading import Stable, content_at, read_stable, signers_of
from calreg.registry.stable.signed import Signer
from calreg.registry.stable.survey import Pending, Survey, survey

__all__ = [
    "NothingNew",
    "Order",
    "Pending",
    "Prepared",
    "PublishedStable",
    "Signer",
    "Stable",
    "Survey",
    "content_at",
    "pending_branch",
    "prepare",
    "preview",
    "publish",
    "read_stable",
    "signers_of",
    "survey",
]
