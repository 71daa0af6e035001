"""What happens to a store when its database or its process does not do its part."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from smalldisk import SmallDisk, needs_mount
from sqlalchemy import Connection, text

import postgres as servers
from calreg.errors import InputError, TransportError
from calreg.failpoints import STORE_STEPS, VARIABLE
from calreg.store import PutCounts, Revision, Row, Store, StoreError
from calreg.store.address import Address
from calreg.store.database import Database
from calreg.store.layout import bring_up_to_date, layout_of

PASSWORD = "s3cret-password"


def batch(number: int, *, size: int = 200) -> list[Row]:
    return [Row(f"{number}/{n}", "m/h", label, number) for n in range(size) for label in "ab"]


_PUT = """
import sys
from calreg.store import Row, Store
with Store.open(sys.argv[1]) as store:
    for number in range(int(sys.argv[2])):
        store.put_scores(
            [Row(f"{number}/{n}", "m/h", label, number) for n in range(200) for label in "ab"]
        )
        print(number, flush=True)
"""


@pytest.mark.parametrize("answers", [1, 4, 9])
def test_a_killed_ingest_loses_nothing_it_answered(store_url, answers):
    """After kill -9 in a stream of batches every answered one is there, and no part of one."""
    with subprocess.Popen(
        [sys.executable, "-c", _PUT, store_url, "100000"], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        answered = [child.stdout.readline() for _ in range(answers)]
        child.kill()
        answered += child.stdout.readlines()

    with Store.open(store_url) as store:
        found = store.revision()
        known = len(answered)
        assert found in {Revision(200 * n, 400 * n, n) for n in (known, known + 1)}
        assert [len(scores) for _, _, scores in store.score_arrays()] == [found.items] * 2
        assert store.put_scores(batch(0)) == PutCounts(0, 0, 0, 400)


@pytest.mark.parametrize("step", [step for step in STORE_STEPS if step.startswith("scores-")])
def test_a_batch_is_there_whole_or_not_at_all(store_url, step):
    """Killed before the commit nothing of a batch is there, killed after it all of it."""
    Store.open(store_url).close()

    ran = subprocess.run(
        [sys.executable, "-c", _PUT, store_url, "1"],
        env={**os.environ, VARIABLE: f"{step}:kill"},
        capture_output=True,
        check=False,
    )

    assert (ran.returncode, ran.stdout) == (-signal.SIGKILL, b"")
    with Store.open(store_url) as store:
        whole = Revision(200, 400, 1)
        assert store.revision() == (whole if step == "scores-committed" else Revision(0, 0, 0))
        counts = store.put_scores(batch(0))  # what a client does that got no answer
        assert sum(counts[1:]) == 400
        assert store.revision() == whole


def test_a_database_that_goes_down_is_said_and_comes_back():
    """While PostgreSQL is down every call is a StoreError, code 5; then it goes on as before."""
    server = servers.started(fsync="on", synchronous_commit="on")
    try:
        with Store.open(server.new_database()) as store:
            store.put_scores(batch(0))
            server.stop()

            for call in (
                lambda: store.put_scores(batch(1)),
                store.revision,
                store.check,
                lambda: store.enqueue("all", reason="v2"),
                lambda: list(store.score_arrays()),
            ):
                with pytest.raises(StoreError) as caught:
                    call()
                assert caught.value.exit_code == TransportError.exit_code == 5
                assert caught.value.code == "store-down"
                assert server.password not in "".join(traceback.format_exception(caught.value))

            server.start()
            assert store.revision() == Revision(200, 400, 1)
            assert store.put_scores(batch(1)).new == 400
    finally:
        servers.remove(server)


def test_no_error_shows_a_password(postgres, tmp_path):
    """A wrong password, a closed port and a broken URL are told without what is secret."""
    nobody = postgres.url("postgres").replace(postgres.password, PASSWORD)
    closed = f"postgresql://calreg:{PASSWORD}@127.0.0.1:1/db?application_name={PASSWORD}"
    for url in (nobody, closed):
        with pytest.raises(StoreError) as caught:
            Store.open(url)
        assert PASSWORD not in "".join(traceback.format_exception(caught.value))
        assert caught.value.where is not None
        assert caught.value.where.startswith("postgresql://127.0.0.1:")
    for url in (
        f"postgresql://calreg:{PASSWORD}/@x:y@z/db",
        f"oracle://a:{PASSWORD}@h/db",
        PASSWORD,
    ):
        with pytest.raises(InputError) as refused:
            Store.open(url)
        said = "".join(traceback.format_exception(refused.value))
        assert "postgresql://USER:PASSWORD@HOST/DATABASE" in str(refused.value.hint)
        assert PASSWORD not in said


def test_a_database_that_is_not_there_is_said(postgres):
    """A database nobody made is a StoreError that says how to make it."""
    with pytest.raises(StoreError, match='database "nowhere" does not exist'):
        Store.open(postgres.url("nowhere"))


def test_what_is_no_database_is_refused(tmp_path):
    """A text file, a folder, a folder that is not there: said, and left as it is."""
    file = tmp_path / "notes.db"
    file.write_text("This is a text, and it is long enough to be looked at. " * 50)
    before = file.read_bytes()

    with pytest.raises(InputError, match="is not an SQLite database") as caught:
        Store.open(f"sqlite:///{file}")
    assert caught.value.exit_code == 3
    assert file.read_bytes() == before
    with pytest.raises(InputError, match="is not a file"):
        Store.open(f"sqlite:///{tmp_path}")
    with pytest.raises(InputError, match="cannot be made: no such file or directory"):
        Store.open(f"sqlite:///{tmp_path / 'none' / 'store.db'}")
    for url in ("sqlite://", "sqlite:///:memory:", "sqlite:///a.db?mode=ro", "sqlite:///file:a.db"):
        with pytest.raises(InputError, match="is one file"):
            Store.open(url)


def test_somebody_elses_database_is_refused(tmp_path):
    """A database with tables of its own is no store, and gets none of ours."""
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE cats (name TEXT)")

    with pytest.raises(InputError, match="is a database of something else"):
        Store.open(f"sqlite:///{file}")

    with closing(sqlite3.connect(file)) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("cats",)]


def test_a_store_of_a_newer_layout_is_refused(store_url):
    """What a newer calreg made is not touched, and the message says what to do."""
    Store.open(store_url).close()
    database = Database(Address.parse(store_url), wait_s=1.0)
    with database.writing() as connection:
        connection.execute(text("UPDATE meta SET value = '99' WHERE name = 'layout'"))
    database.close()

    with pytest.raises(
        InputError, match="layout 99, and this version of calreg knows up to 1"
    ) as it:
        Store.open(store_url)
    assert it.value.hint == "Install the newer calreg that made it; nothing was changed."


def test_an_older_layout_is_brought_forward_all_or_nothing(store_url):
    """Steps lead from layout to layout; when one fails, the store is as it was."""
    with Store.open(store_url) as store:
        store.put_scores(batch(0))

    def note(connection: Connection) -> None:
        connection.execute(text("ALTER TABLE items ADD COLUMN note TEXT"))

    def fail(connection: Connection) -> None:
        connection.execute(text("ALTER TABLE items ADD COLUMN more TEXT"))
        raise InputError("no more")

    database = Database(Address.parse(store_url), wait_s=1.0)
    try:
        with pytest.raises(InputError, match="no more"):
            bring_up_to_date(database, layout=3, steps={1: note, 2: fail})
        with database.reading() as connection:
            assert layout_of(connection) == 1

        bring_up_to_date(database, layout=2, steps={1: note})

        with database.reading() as connection:
            assert layout_of(connection) == 2
            query = text("SELECT count(*), count(note) FROM items")
            assert tuple(connection.execute(query).one()) == (200, 0)
    finally:
        database.close()


def test_a_new_store_is_made_once(store_url):
    """Eight programs that open a store nobody has made yet all get the same one."""
    start = threading.Barrier(8)

    def work(number: int) -> PutCounts:
        start.wait()
        with Store.open(store_url) as store:
            return store.put_scores([Row("a", "m/h", "x", 0.5)])

    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(work, range(8)))

    assert sorted(count.new for count in counts) == [0] * 7 + [1]


def test_a_store_is_its_owners_alone(new_store_url, tmp_path):
    """The file, and what SQLite puts beside it, can be read by nobody else."""
    with Store.open(new_store_url("sqlite")) as store:
        store.put_scores(batch(0))
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}

    assert modes == {"store0.db": 0o600, "store0.db-wal": 0o600, "store0.db-shm": 0o600}
    assert [file.name for file in tmp_path.iterdir()] == ["store0.db"]


def test_a_lock_of_another_program_is_said(new_store_url, tmp_path):
    """Whoever keeps the file locked is waited for, and then the error says so."""
    with Store.open(new_store_url("sqlite"), wait_s=0.2) as store:
        store.put_scores(batch(0))
        with closing(sqlite3.connect(tmp_path / "store0.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")

            with pytest.raises(StoreError, match="another program keeps the database locked") as it:
                store.put_scores(batch(1))
            assert it.value.code == "store-busy"
            assert store.revision().items == 200  # reading goes on

        assert store.put_scores(batch(1)).new == 400


def test_a_file_that_was_taken_away_is_not_written_to(new_store_url, tmp_path):
    """Scores are not answered for that would be in a file with no name."""
    with Store.open(new_store_url("sqlite")) as store:
        store.put_scores(batch(0))
        kept = (tmp_path / "store0.db").rename(tmp_path / "kept.db")
        for step in ("removed", "replaced"):
            with pytest.raises(StoreError, match="removed or replaced while it was open"):
                store.put_scores(batch(1))
            if step == "removed":
                (tmp_path / "store0.db").write_bytes(b"")

        kept.rename(tmp_path / "store0.db")
        assert store.put_scores(batch(1)).new == 400


def test_a_damaged_file_is_said(new_store_url, tmp_path):
    """Pages of nonsense are a StoreError, not an answer."""
    with Store.open(new_store_url("sqlite")) as store:
        store.put_scores(batch(0, size=5000))
    file = tmp_path / "store0.db"
    raw = bytearray(file.read_bytes())
    raw[8192:] = b"\xa5" * (len(raw) - 8192)
    file.write_bytes(raw)

    with (
        pytest.raises(StoreError, match="the file is damaged") as caught,
        Store.open(f"sqlite:///{file}") as store,
    ):
        list(store.score_arrays())
    assert caught.value.code == "store-broken"


@needs_mount()
def test_a_full_disk_keeps_what_was_answered(tmp_path):
    """With no space left a batch is refused whole; with room again all goes on."""
    with SmallDisk(tmp_path / "disk", kilobytes=512) as disk:
        store = Store.open(f"sqlite:///{disk.folder / 'store.db'}")
        done: list[PutCounts] = []

        with pytest.raises(StoreError, match="no space left") as caught:
            done.extend(store.put_scores(batch(number)) for number in range(1000))

        assert caught.value.code == "store-full"
        known = store.revision().change
        assert 0 < known < 1000
        assert len(done) == known
        assert store.revision() == Revision(200 * known, 400 * known, known)
        disk.grow(8192)
        assert store.put_scores(batch(known)).new == 400
        assert [len(scores) for _, _, scores in store.score_arrays()] == [200 * (known + 1)] * 2
        store.close()
