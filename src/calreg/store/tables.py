"""The tables of a store, the same in SQLite and in PostgreSQL.

There the schema `calreg` holds them, here one file. No foreign keys: a check per score
would cost more than writing it, and nothing but this room writes here. To change them: a
higher `LAYOUT`, and a step in `layout` that brings an older store there.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = [
    "LAYOUT",
    "METADATA",
    "SCHEMA",
    "deliveries",
    "findings",
    "history",
    "meta",
    "runs",
    "totals",
]

LAYOUT = 1
SCHEMA = "calreg"
METADATA = MetaData()

_key = BigInteger().with_variant(Integer(), "sqlite")  # only INTEGER is SQLite's own row id
# Compared byte by byte in both, as names and versions are.
_text = Text().with_variant(Text(collation="C"), "postgresql")

meta = Table(
    "meta",
    METADATA,
    Column("name", _text, primary_key=True),
    Column("value", Text, nullable=False),
)
totals = Table(
    "totals",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("items", BigInteger, nullable=False),
    Column("scores", BigInteger, nullable=False),
    Column("change", BigInteger, nullable=False),
)
items = Table(
    "items",
    METADATA,
    Column("id", _key, primary_key=True, autoincrement=False),
    Column("name", _text, nullable=False, unique=True),
)
labels = Table(
    "labels",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("model", _text, nullable=False),
    Column("head", _text, nullable=False),
    Column("label", _text, nullable=False),
    UniqueConstraint("model", "head", "label"),
)
scores = Table(
    "scores",
    METADATA,
    Column("label_id", Integer, primary_key=True, autoincrement=False),
    Column("item_id", _key, primary_key=True, autoincrement=False),
    Column("score", Double, nullable=False),
    sqlite_with_rowid=False,
)
history = Table(
    "history",
    METADATA,
    Column("id", _text, primary_key=True),
    Column("model_name", _text, nullable=False),
    Column("head_name", _text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("file_count", BigInteger),
    Column("timestamp", BigInteger),
    Column("p5", Double),
    Column("p95", Double),
    Column("range", Double),
    Column("reference_version", Integer),
    Column("apd_p5", Double),
    Column("apd_p95", Double),
    Column("srd", Double),
    Column("jsd", Double),
    Column("median_drift", Double),
    Column("iqr_drift", Double),
    Column("is_stable", Boolean),
    Column("label", Text),
    Column("labels", JSON(none_as_null=True)),
    Column("verdict", Text),
    Column("evidence", Text),
    Column("failed_metrics", JSON(none_as_null=True)),
    Column("noise", JSON(none_as_null=True)),
    Column("noise_assumption", Text),
    Column("items_needed", BigInteger),
    Column("thresholds", JSON(none_as_null=True)),
    Column("decision", JSON(none_as_null=True)),
    Column("factor", JSON(none_as_null=True)),
    Column("reference_after", Integer),
    Column("reference_update", Text),
    Column("reason", Text),
    Column("digest", Text),
    Column("display_name", Text),
    Column("withdrawn", JSON(none_as_null=True)),
)
Index("history_newest", history.c.version.desc(), history.c.model_name, history.c.head_name)
Index("history_of_head", history.c.model_name, history.c.head_name, history.c.version)
queue = Table(
    "queue",
    METADATA,
    Column("item_id", _key, primary_key=True, autoincrement=False),
    Column("reason", Text, nullable=False),
    Column("since", Double, nullable=False),
    # From when on it may be leased: 0 while it waits, the lease's end while it is leased.
    Column("free_at", Double, nullable=False),
    Column("lease", Text),
    # Put in again while somebody works on it: what is done then is done for the old reason.
    Column("again", SmallInteger, nullable=False),
)
Index("queue_next", queue.c.free_at, queue.c.since, queue.c.item_id)
runs = Table(
    "runs",
    METADATA,
    Column("number", _key, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("trigger", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("started", Double, nullable=False),
    Column("seen", Double, nullable=False),
    Column("finished", Double),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("step", Text, nullable=False),
    Column("items", BigInteger, nullable=False),
    Column("scores", BigInteger, nullable=False),
    Column("change", BigInteger, nullable=False),
    Column("result", JSON(none_as_null=True)),
    Column("error", JSON(none_as_null=True)),
)
deliveries = Table(
    "deliveries",
    METADATA,
    Column("id", _key, primary_key=True),
    Column("url", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("state", Text, nullable=False),
    Column("next_at", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text),
)
Index("deliveries_due", deliveries.c.state, deliveries.c.next_at)
findings = Table(
    "findings",
    METADATA,
    Column("commit", Text, primary_key=True),
    Column("findings", JSON, nullable=False),
)
