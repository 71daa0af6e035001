"""The history in a store: what the registry says, row by row, and questions about it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from computing import DANCE, HAPPY, fresh_copy, publish_run
from hypothesis import given
from hypothesis import strategies as st

from calreg.errors import InputError
from calreg.names import HeadName
from calreg.registry import Registry
from calreg.store import Store, history_key, query_rows
from calreg.store.keys import MAX_KEY_LENGTH
from calreg.store.query import MAX_ROWS

HOUSE = HeadName("essentia/effnet_2", "mood_house")
RUNS = [{HAPPY: 0.5, DANCE: 0.4}, {HAPPY: 0.7, DANCE: 0.4, HOUSE: 0.5}, {HAPPY: 0.71}]


_made: list[Path] = []


@pytest.fixture
def registry(home, tmp_path_factory) -> Registry:
    """Three runs of up to three heads, made once: nobody here writes to it."""
    if not _made:
        folder = fresh_copy(tmp_path_factory.mktemp("history") / "music", tmp_path_factory)
        for number, heads in enumerate(RUNS, start=1):
            publish_run(Registry.open(folder), heads, digest=number)
        _made.append(folder)
    return Registry.open(_made[0])


@pytest.fixture
def every(registry) -> list[dict[str, object]]:
    """All rows of the registry."""
    return registry.history(limit=sys.maxsize)


@pytest.fixture
def store(store_url, registry, every) -> Iterator[Store]:
    """A store that has read the registry's history."""
    with Store.open(store_url) as found:
        assert found.history_commit() is None
        assert found.history() == []
        assert found.replace_history("music", str(registry.now.commit), every) == 6
        yield found


def bare(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Rows without their ids."""
    return [{name: value for name, value in row.items() if name != "id"} for row in rows]


FILTERS = [
    (None, None, 50),
    (None, None, 2),
    ("essentia", None, 50),
    ("essentia/effnet", None, 50),
    ("*", "mood_*", 50),
    (None, "danceability", 1),
    (None, "musicnn/danceability", 50),
    ("mus*", "d*", 50),
]


def test_rows_are_those_of_the_registry(store, registry):
    """With any filter the store gives the same rows, in the same order, each with its id."""
    for wanted in FILTERS:
        rows = store.history(*wanted)

        assert bare(rows) == registry.history(*wanted), wanted
        assert [list(row) for row in bare(rows)] == [list(row) for row in registry.history(*wanted)]
        assert [row["id"] for row in rows] == [
            history_key(row["model_name"], row["head_name"], row["version"]) for row in rows
        ]


def test_what_nobody_has_is_refused_as_the_registry_does(store, registry):
    """An unknown model or head is the same error, with the same hint."""
    for wanted in (("essentia/effet", None), (None, "mood_hapy"), ("musicnn", "mood_happy")):
        with pytest.raises(InputError) as ours:
            store.history(*wanted)
        with pytest.raises(InputError) as theirs:
            registry.history(*wanted)

        assert (ours.value.message, ours.value.hint) == (theirs.value.message, theirs.value.hint)
        assert ours.value.code == theirs.value.code


def test_history_can_be_made_anew(store, registry, every):
    """Replacing it leaves these rows and no others, and the commit they are of."""
    store.replace_history("music", "c2", every[:2])

    assert bare(store.history()) == registry.history(limit=2)
    assert store.history_commit() == "c2"
    assert (store.history_registry(), store.history_count()) == ("music", 2)


def test_rows_are_added_and_replaced_by_head_and_version(store, every):
    """A row of a head and version that is there replaces it; others stay."""
    newer = {**every[0], "reason": "looked at", "withdrawn": {"reason": "é", "by": "Ada"}}

    assert store.add_history("c3", [newer]) == 1

    assert bare(store.history()) == [newer, *every[1:]]
    assert store.history_commit() == "c3"


def test_a_row_that_cannot_be_kept_changes_nothing(store, every):
    """A row that ends a replacement early leaves the history as it was."""

    def some() -> Iterator[dict[str, object]]:
        yield every[0]
        raise InputError("the registry is gone")

    with pytest.raises(InputError, match="the registry is gone"):
        store.replace_history("music", "c4", some())

    assert bare(store.history()) == every


QUESTIONS = {
    "SELECT count(*) AS n FROM history": (["n"], [[6]]),
    "select head_name, max(version) as newest from history group by 1 order by 1;": (
        ["head_name", "newest"],
        [["danceability", 2], ["mood_happy", 3], ["mood_house", 2]],
    ),
    "SELECT id FROM history WHERE is_stable ORDER BY id -- which?": (
        ["id"],
        [["musicnn_danceability_2"]],
    ),
    "SELECT id FROM history WHERE jsd > 0.5": (["id"], [["essentia:effnet_mood_happy_2"]]),
    "SELECT labels -> 'yes' ->> 'samples' AS samples FROM history LIMIT 1": (
        ["samples"],
        [[2000]],
    ),
    "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 3) "
    "SELECT count(*) AS n FROM n": (["n"], [[3]]),
}


def test_questions_are_answered(store, every):
    """A SELECT finds the same in a store as in the rows alone."""
    for sql, (columns, rows) in QUESTIONS.items():
        found, without = store.query(sql), query_rows(every, sql)

        assert found.columns == without.columns == columns
        assert [[str(cell) for cell in row] for row in found.rows] == [
            [str(cell) for cell in row]
            for row in rows  # PostgreSQL's ->> is always text
        ]
        assert without.rows == rows
        assert (found.is_cut, without.is_cut) == (False, False)


REFUSED = [
    "DELETE FROM history",
    "UPDATE history SET version = 1",
    "INSERT INTO history (id) VALUES ('x')",
    "DROP TABLE history",
    "SELECT 1; DROP TABLE history",
    "SELECT 1) AS asked; DROP TABLE history; SELECT * FROM (SELECT 1",
    "CREATE TABLE cats (name TEXT)",
    "WITH gone AS (DELETE FROM history RETURNING id) SELECT * FROM gone",
    "COPY history TO '/tmp/calreg-history'",
    "ATTACH DATABASE 'other.db' AS other",
    "PRAGMA journal_mode = DELETE",
    "VACUUM",
    "COMMIT",
    "SELECT nothing FROM history",
    "SELEC 1",
    "",
    ";",
    "-- nothing",
    "SELECT '\ud800'",
    "SELECT 'a\0b'",
]


def test_what_is_no_question_is_refused(store, every):
    """What would write, is wrong, or is more than one statement is refused, and does nothing."""
    for sql in REFUSED:
        with pytest.raises(InputError, match="not a query of the history") as caught:
            store.query(sql)
        assert str(caught.value.hint).startswith("Write one SELECT over the table history")
        with pytest.raises(InputError, match="not a query of the history"):
            query_rows(every, sql)

        assert store.history_count() == 6


HIDDEN = [
    "SELECT name FROM items",
    "SELECT count(*) FROM items",
    "SELECT sql FROM sqlite_master",
    "SELECT load_extension('x')",
    "SELECT zeroblob(1000000000)",
    "SELECT (SELECT body FROM deliveries) FROM history",
]


def test_only_the_history_can_be_read_of_a_file(new_store_url):
    """In SQLite no other table can be named, and no value may be huge."""
    with Store.open(new_store_url("sqlite")) as store:
        for sql in HIDDEN:
            with pytest.raises(InputError, match="not a query of the history"):
                store.query(sql)


ENDLESS = {
    "sqlite": "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
    "SELECT count(*) FROM n",
    "postgresql": "SELECT count(*) FROM generate_series(1, 1000000000000) AS n",
}


def test_a_question_has_a_time_limit(store):
    """What takes too long is stopped, and the store goes on."""
    with pytest.raises(InputError, match=r"the query took longer than 0\.05 s") as caught:
        store.query(ENDLESS[store.kind], timeout_s=0.05)

    assert caught.value.code == "sql-time"
    assert store.query("SELECT count(*) FROM history").rows == [[6]]


def test_an_answer_has_an_end(store):
    """Of more rows than anybody reads the first come, and it is said that there are more."""
    digits = "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3)"
    sql = "SELECT 1 AS one FROM " + ", ".join(f"{digits} AS d{n}" for n in range(9))

    found = store.query(sql)

    assert (len(found.rows), found.is_cut) == (MAX_ROWS, True)


def test_values_are_as_json_has_them(store):
    """Numbers of any kind, nothing, and what JSON has no word for."""
    sql = "SELECT 1.5 AS a, NULL AS b, sum(version) AS c, 1e308 * 10 AS d FROM history"
    if store.kind == "postgresql":
        sql = sql.replace("1e308 * 10", "'Infinity'::float8")

    (row,) = store.query(sql).rows

    assert row[:3] == [1.5, None, 12 - 1]
    assert str(row[3]).startswith("inf")


STEPS = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,6}", fullmatch=True)
HEADS = st.tuples(
    st.lists(STEPS, min_size=1, max_size=3).map("/".join), STEPS, st.integers(1, 10**9)
)


@given(HEADS, HEADS)
def test_no_two_rows_share_a_key(one, other):
    """Keys are equal only where model, head and version are."""
    assert (history_key(*one) == history_key(*other)) == (one == other)


@given(st.lists(st.sampled_from("a_/"), min_size=1, max_size=8).map("".join), st.data())
def test_a_key_tells_its_parts(text, data):
    """However `_` and `/` are spread over model and head, the key can be taken apart."""
    cut = data.draw(st.integers(0, len(text)))
    model, head = f"m{text[:cut]}", f"h{text[cut:].replace('/', '')}"

    first, rest = history_key(model, head, 7).split("_", maxsplit=1)

    assert first.replace("=", "_").replace(":", "/") == model
    assert rest == f"{head}_7"


def test_a_long_key_fits_and_stays_apart():
    """Names longer than a document database's key allows end in a digest of all of it."""
    model = "/".join(["x" * 90] * 3)

    keys = {history_key(model, head, n) for head in ("y" * 90, "y" * 89 + "z") for n in (1, 2)}

    assert len(keys) == 4
    assert {len(key) for key in keys} == {MAX_KEY_LENGTH}
