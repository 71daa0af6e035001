"""The query store: scores, history, the re-tag queue, runs, deliveries and findings.

The registry is the truth about calibrations; this is what a service keeps beside it, in one
SQLite file or in PostgreSQL, by a URL. `Store.open` is the way in. Its history is derived
and can be made anew; its scores and its queue cannot. The only package that imports
SQLAlchemy. A new part is a class beside `queue.Queue`, put together in `face`; a new table
stands in `tables` and needs a step in `layout`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from calreg.late import names_of

if TYPE_CHECKING:
    from calreg.store.address import DEFAULT_URL, URL_VARIABLE, Address, store_url
    from calreg.store.face import Store
    from calreg.store.failures import StoreError
    from calreg.store.keys import history_key
    from calreg.store.query import Answer, query_rows
    from calreg.store.values import (
        MAX_ITEM_BYTES,
        Delivery,
        DoneCounts,
        Findings,
        Lease,
        PutCounts,
        QueueCounts,
        Revision,
        Row,
        RunRecord,
    )

__all__ = [
    "DEFAULT_URL",
    "MAX_ITEM_BYTES",
    "URL_VARIABLE",
    "Address",
    "Answer",
    "Delivery",
    "DoneCounts",
    "Findings",
    "Lease",
    "PutCounts",
    "QueueCounts",
    "Revision",
    "Row",
    "RunRecord",
    "Store",
    "StoreError",
    "history_key",
    "query_rows",
    "store_url",
]

# The key of a row needs no database.
__getattr__ = names_of(
    __name__,
    {
        "address": "Address DEFAULT_URL URL_VARIABLE store_url",
        "face": "Store",
        "failures": "StoreError",
        "keys": "history_key",
        "query": "Answer query_rows",
        "values": (
            "MAX_ITEM_BYTES Delivery DoneCounts Findings Lease PutCounts QueueCounts Revision "
            "Row RunRecord"
        ),
    },
)
