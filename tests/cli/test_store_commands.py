"""`calreg store`, `calreg history --sql` and `--format jsonl`: the history for other programs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from calreg.store import URL_VARIABLE, Row, Store, history_key

MISSING = "this needs sqlalchemy, which keeps the store, which is not installed"


@pytest.fixture
def twice(cli, published, drifted) -> Path:
    """A registry with two runs of `m/mood`."""
    assert cli("run", drifted, "--head", "m/mood").code == 0
    return published


def configure(folder: Path, text: str) -> None:
    with (folder / "calreg.yaml").open("a", encoding="utf-8") as file:
        file.write(text)


def test_lines_for_a_document_database(cli, twice):
    """Each line is a row with its key first: all of them, unless a limit is given."""
    said = cli("history", "--format", "jsonl")

    rows = [json.loads(line) for line in said.out.splitlines()]
    assert [row["_key"] for row in rows] == ["m_mood_2", "m_mood_1"]
    assert [next(iter(row)) for row in rows] == ["_key", "_key"]
    bare = [{name: row[name] for name in row if name != "_key"} for row in rows]
    assert bare == cli("history", "--json").json["runs"]
    assert len(cli("history", "--format", "jsonl", "--limit", "1").out.splitlines()) == 1
    assert cli("history", "--format", "jsonl", "--head", "m/none").code == 3


def test_no_runs_are_no_lines(cli, registry):
    """A new registry has no line, and no rows to ask."""
    assert cli("history", "--format", "jsonl").out == ""
    assert cli("history", "--sql", "SELECT count(*) AS n FROM history").out == "n\n0\n"


def test_a_question_needs_no_store(cli, twice):
    """Without a store the registry itself answers, to a person and to a program."""
    sql = "SELECT id, version, reference_version AS compared FROM history ORDER BY version"

    assert [line.rstrip() for line in cli("history", "--sql", sql).out.splitlines()] == [
        "id        version  compared",
        "m_mood_1        1",
        "m_mood_2        2         1",
    ]
    found = cli("history", "--sql", sql, "--json").json
    assert (found["count"], found["is_cut"]) == (2, False)
    assert [row["id"] for row in found["rows"]] == ["m_mood_1", "m_mood_2"]
    assert not list(twice.glob("*.db"))


def test_a_question_that_is_none_is_refused(cli, twice):
    """A statement that writes is exit code 3, two ways of asking at once are 2."""
    said = cli("history", "--sql", "DELETE FROM history")
    assert said.code == 3
    assert "it may read the table history and nothing else" in said.err
    assert "Hint: Write one SELECT over the table history" in said.err
    assert cli("history", "--sql", "SELECT 1", "--limit", "3").code == 2
    assert cli("history", "--sql", " ").code == 2
    assert cli("history", "--json", "--format", "jsonl").code == 2


def test_the_history_is_read_into_a_store(cli, twice, store_url, monkeypatch):
    """`store rebuild` reads it, `store status` says so, and questions go to the store."""
    monkeypatch.setenv(URL_VARIABLE, store_url)
    built = cli("store", "rebuild", "--json").json
    assert built["rows"] == 2

    status = cli("store", "status", "--json").json

    assert status["history"] == {"registry": "reg", "commit": built["commit"], "rows": 2}
    assert status["history_is_current"] is True
    assert (status["items"], status["scores"], status["layout"]) == (0, 0, 1)
    assert status["queue"] == {"waiting": 0, "leased": 0}
    assert status["last_run"] is None
    with Store.open(store_url) as store:
        store.replace_history("reg", built["commit"], store.history(limit=1))
    said = cli("history", "--sql", "SELECT id FROM history")
    assert (said.out, said.err) == ("id\nm_mood_2\n", "")
    assert cli("store", "rebuild").out.endswith(" s\n")
    assert len(cli("history", "--sql", "SELECT id FROM history").out.splitlines()) == 3


def test_a_store_that_is_behind_is_said(cli, published, drifted, monkeypatch):
    """Once the registry has moved on, status and questions say what to do."""
    configure(published, "service:\n  store: sqlite:///kept.db\n")
    assert cli("store", "rebuild").code == 0
    assert (published / "kept.db").is_file()
    assert cli("store", "status").out.count("behind the registry") == 0

    assert cli("run", drifted, "--head", "m/mood").code == 0

    assert "behind the registry. Next: calreg store rebuild" in cli("store", "status").out
    asked = cli("history", "--sql", "SELECT count(*) AS n FROM history")
    assert asked.out == "n\n1\n"
    assert "has moved on. Next: calreg store rebuild" in asked.err
    assert cli("store", "rebuild").code == 0
    assert cli("history", "--sql", "SELECT count(*) AS n FROM history").out == "n\n2\n"


def test_the_status_counts_what_there_is(cli, published, tmp_path):
    """A person reads scores, items, the queue and where the store is."""
    url = f"sqlite:///{tmp_path / 'some.db'}"
    with Store.open(url) as store:
        store.put_scores([Row(f"{n}", "m/mood", "happy", 0.5) for n in range(1200)])
        store.enqueue("all", reason="v2")
        store.lease(100, seconds=600)

    lines = cli("store", "status", "--url", url).out.splitlines()

    assert lines[0].startswith(f"{tmp_path / 'some.db'} (sqlite, layout 1, ")
    assert lines[1:] == [
        "scores    1,200 of 1,200 items",
        "queue     1,100 wait, 100 are worked on",
        "history   none yet. Next: calreg store rebuild",
        "webhooks  0 deliveries wait",
        "last run  none",
    ]


def test_a_store_of_another_registry_is_refused(cli, twice, tmp_path, monkeypatch):
    """Its history is neither replaced nor asked in place of this registry's, unless renamed."""
    url = f"sqlite:///{tmp_path / 'other.db'}"
    monkeypatch.setenv(URL_VARIABLE, url)
    with Store.open(url) as store:
        store.replace_history("films", "0" * 40, [])

    for words in (["store", "rebuild"], ["history", "--sql", "SELECT id FROM history"]):
        said = cli(*words)
        assert (said.code, said.out) == (3, "")
        assert "other.db: is the store of films, not of reg" in said.err
        assert "calreg store rebuild --renamed" in said.err
    with Store.open(url) as store:
        assert (store.history_registry(), store.history_count()) == ("films", 0)
    assert cli("store", "status", "--json").json["history_is_current"] is None
    assert cli("store", "rebuild", "--renamed").code == 0
    assert cli("history", "--sql", "SELECT count(*) AS n FROM history").out == "n\n2\n"


def test_the_size_is_that_of_the_log_too(cli, published, tmp_path):
    """What a running service wrote a moment ago counts; and one of a thing is singular."""
    file = tmp_path / "busy.db"
    url = f"sqlite:///{file}"
    with Store.open(url) as store:
        store.put_scores([Row(f"item {n}", "m/mood", "happy", 0.5) for n in range(5000)])
        store.put_delivery("https://example.org/", "run", "{}")
        log = file.with_name("busy.db-wal").stat().st_size
        said = cli("store", "status", "--url", url, "--json").json
        lines = cli("store", "status", "--url", url).out.splitlines()

    assert said["bytes"] >= log > 100_000
    assert "webhooks  1 delivery waits" in lines


def test_looking_makes_no_store(cli, published, tmp_path):
    """Where no store is, or none is configured, status says so and makes none."""
    assert "no store is configured" in cli("store", "status").err
    url = f"sqlite:///{tmp_path / 'none.db'}"
    said = cli("store", "status", "--url", url)
    assert (said.code, "there is no store yet" in said.err) == (3, True)
    assert not (tmp_path / "none.db").exists()


def test_a_database_that_is_down_is_code_5(cli, published, monkeypatch):
    """With no database there, it is exit code 5, one line, and no password."""
    monkeypatch.setenv(URL_VARIABLE, "postgresql://ada:s3cret@127.0.0.1:1/calreg")

    for words in (["store", "status"], ["store", "rebuild"], ["history", "--sql", "SELECT 1"]):
        said = cli(*words)
        assert said.code == 5
        assert "s3cret" not in said.err
        assert said.err.startswith("postgresql://127.0.0.1:1/calreg: ")
    assert cli("store", "status", "--json").json["error"]["code"] == "store-down"


def test_a_missing_extra_is_one_line(cli, published, monkeypatch):
    """Without sqlalchemy the commands say what to install; lines of JSON need nothing."""
    for name in [name for name in sys.modules if name.startswith(("calreg.store.", "sqlalchemy"))]:
        monkeypatch.delitem(sys.modules, name)
    store = sys.modules["calreg.store"]
    for name in [name for name in vars(store) if name in store.__all__]:
        monkeypatch.delattr(store, name)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)

    for words in (["store", "status"], ["history", "--sql", "SELECT 1"]):
        said = cli(*words)
        assert (said.code, said.err) == (
            2,
            f"{MISSING}\nHint: pip install 'calreg[service]'\n",
        )
    assert cli("history", "--format", "jsonl").out.startswith('{"_key": "m_mood_1"')
    assert history_key("m", "mood", 1) == "m_mood_1"


def test_the_store_of_a_service_without_settings_is_found(cli, registry):
    """What `calreg serve` keeps beside `calreg.yaml` unasked is what `store` looks at."""
    with Store.open(f"sqlite:///{registry / 'calreg.db'}"):
        pass

    said = cli("--registry", registry, "store", "status")

    assert said.code == 0
    assert said.out.startswith(f"{registry / 'calreg.db'} ")
