"""A real PostgreSQL on loopback, in a temporary folder, for the tests that ask for one.

Started when the first test of a process needs it, as another user where tests run as root,
which PostgreSQL refuses. Nothing it keeps is worth an fsync.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

# Read before any fixture cleans the environment.
REQUIRED = bool(os.environ.get("CALREG_REQUIRE") or os.environ.get("CI"))

_START_S = 60.0
_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "max_wal_size": "1GB",
    "autovacuum": "off",
}


class CannotStartError(Exception):
    """There is no PostgreSQL here, or it does not start."""


@dataclass
class Server:
    """A server that runs; `url` is of one of its databases."""

    binaries: Path
    folder: Path
    port: int
    password: str
    options: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    numbers: Iterator[int] = field(default_factory=count)

    def url(self, database: str) -> str:
        """The URL of a database, password and all."""
        return f"postgresql://calreg:{self.password}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"test_{next(self.numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected."""
        self.execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        """Run one statement as the superuser."""
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def start(self) -> None:
        """Start it, and wait until it answers."""
        words = [str(self.binaries / "postgres"), "-D", str(self.folder / "data")]
        words += ["-h", "127.0.0.1", "-p", str(self.port), "-k", str(self.folder)]
        words += [word for item in self.options.items() for word in ("-c", "=".join(item))]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                words,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                preexec_fn=_die_too,  # noqa: PLW1509 -- it takes no lock
                **_user(),
            )
        self._wait()

    def stop(self) -> None:
        """End it at once, as a power cut would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(_START_S)
            self.process = None

    def _wait(self) -> None:
        import psycopg

        deadline = time.monotonic() + _START_S
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError as error:
                is_over = self.process is None or self.process.poll() is not None
                if is_over or time.monotonic() > deadline:
                    log = (self.folder / "log").read_text(encoding="utf-8", errors="replace")
                    raise CannotStartError(f"it does not answer: {error}\n{log}") from error
                time.sleep(0.02)
            else:
                return


def server(**options: str) -> Server:
    """A new server with databases for nobody but us."""
    folder = Path(tempfile.mkdtemp(prefix="calreg-postgres-"))
    try:
        binaries = _binaries()
        found = Server(binaries, folder, _free_port(), secrets.token_hex(8), {**_FAST, **options})
        (folder / "password").write_text(found.password, encoding="utf-8")
        for path in (folder, folder / "password"):
            if user := _user():
                os.chown(path, int(user["user"]), int(user["group"]))
        words = [str(binaries / "initdb"), "--no-sync", "--no-instructions", "-D", "data"]
        words += ["--username=calreg", "--pwfile=password", "--auth=scram-sha-256"]
        words += ["--encoding=UTF8", "--locale=C"]
        made = subprocess.run(
            words, cwd=folder, capture_output=True, text=True, check=False, **_user()
        )
        if made.returncode == 0:
            found.start()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if made.returncode != 0:
        shutil.rmtree(folder, ignore_errors=True)
        raise CannotStartError(f"initdb: {made.stderr}")
    return found


def remove(found: Server) -> None:
    """Stop a server and everything of it."""
    found.stop()
    shutil.rmtree(found.folder, ignore_errors=True)


def _binaries() -> Path:
    """Where `initdb` and `postgres` are; Debian keeps them off the PATH."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    config = shutil.which("pg_config")
    if config is not None:
        asked = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=True)
        places.append(Path(asked.stdout.strip()))
    for place in places:
        if (place / "initdb").is_file() and (place / "postgres").is_file():
            return place
    raise CannotStartError("no PostgreSQL is installed (apt-get install postgresql)")


def _user() -> dict[str, object]:
    """Whom to run it as, where we are root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    raise CannotStartError("no user to run it as: it must not be root")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _die_too() -> None:
    # A test run that is killed leaves no server behind (Linux: PR_SET_PDEATHSIG).
    if hasattr(ctypes.CDLL(None), "prctl"):
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL for this process; without one, tests fail in CI and are skipped elsewhere."""
    found = started()
    yield found
    remove(found)


def started(**options: str) -> Server:
    """A new server, for a test that stops it or wants other settings."""
    try:
        return server(**options)
    except CannotStartError as error:
        if REQUIRED:
            raise
        pytest.skip(f"no PostgreSQL to test with: {error}")


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(
    request: pytest.FixtureRequest, tmp_path: Path, new_store_url: Callable[[str], str]
) -> str:
    """The URL of a store that is not made yet; every test that asks for it runs with both."""
    return new_store_url(request.param)


@pytest.fixture
def new_store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Make the URL of one more store, by its kind."""
    made: list[tuple[Server, str]] = []

    def make(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path / f'store{next(numbers)}.db'}"
        found = request.getfixturevalue("postgres")
        made.append((found, found.new_database()))
        return made[-1][1]

    numbers = count()
    yield make
    for found, url in made:
        found.drop(url)
