"""`calreg serve` as a process: how it begins, what it says, how it ends."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree
from typing import NamedTuple

import httpx
import pytest
import yaml
from running_service import KEY, TOKEN, served, settings_with

from calreg.cli import call
from calreg.store import Store

HEADERS = {"Authorization": f"Bearer {TOKEN}"}
PLAIN = {"trust_env": False, "verify": False}  # no proxy and no TLS
PROGRAM = [str(Path(sys.executable).parent / "calreg")]


def configured(registry: Path, *, calibrate_heads: bool = True, **block) -> Path:
    """The registry, its calreg.yaml with a block `service:` and the usual key."""
    keys = [{"name": KEY.name, "sha256": KEY.sha256}]
    settings = {"calibrate_heads": calibrate_heads, "service": {"keys": keys, **block}}
    (registry / "calreg.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return registry


class Done(NamedTuple):
    """What a command line came to."""

    code: int
    out: str
    err: str


@pytest.fixture
def ran(capfd) -> Callable[..., Done]:
    """Run a `calreg serve` that ends by itself, in this process."""

    def run(registry: Path, *words: str) -> Done:
        capfd.readouterr()
        code = call(["--registry", str(registry), "serve", *words])
        return Done(code, *capfd.readouterr())

    return run


class Running:
    """A service in a process of its own."""

    def __init__(self, registry: Path, *words: str) -> None:
        self.process = subprocess.Popen(
            [*PROGRAM, "--registry", str(registry), "serve", "--port", "0", "--json", *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        # One document, which ends at the first line that is a brace alone.
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line == "}\n":
                break
        self.said = json.loads("".join(lines) or "{}")
        self.url = self.said.get("url", "")

    def end(self, number: int) -> tuple[int, str]:
        """Exit code and standard error after a signal."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err

    def post(self, path: str, body) -> httpx.Response:
        """POST with the key."""
        return httpx.post(f"{self.url}{path}", json=body, headers=HEADERS, timeout=60, **PLAIN)


@contextmanager
def running(registry: Path, *words: str) -> Iterator[Running]:
    service = Running(registry, *words)
    try:
        yield service
    finally:
        service.process.kill()
        service.process.communicate(timeout=60)


def batch(number: int, size: int = 200):
    head = "essentia/effnet/mood_happy"
    rows = [
        {"item": f"{number}-{place}", "head": head, "label": "yes", "score": place / size}
        for place in range(size)
    ]
    return {"rows": rows}


def test_it_serves_and_ends_when_it_is_told_to(registry):
    """SIGTERM ends it with 0; its store in the work tree is none of git's business."""
    with running(configured(registry)) as service:
        health = httpx.get(f"{service.url}/health", timeout=30, **PLAIN)
        answer = service.post("/scores", batch(1))
        code, err = service.end(signal.SIGTERM)

    assert service.said["warnings"] == []
    assert service.url.startswith("http://127.0.0.1:")
    assert (health.status_code, answer.status_code) == (200, 200)
    assert (code, err) == (0, "")
    assert (registry / "calreg.db").stat().st_mode & 0o777 == 0o600
    status = ["git", "status", "--porcelain", "--untracked-files=all", "--", "calreg.db*"]
    assert subprocess.run(status, cwd=registry, capture_output=True, check=True).stdout == b""


@pytest.fixture(scope="module")
def interrupted(two_runs, tmp_path_factory) -> tuple[Running, int, str]:
    """One for other machines, without keys, in production mode; ended by Ctrl-C: code and error."""
    folder = copytree(two_runs, tmp_path_factory.mktemp("interrupted") / "registry")
    configured(folder, calibrate_heads=False, keys=[])
    with running(folder, "--host", "0.0.0.0") as service:
        return service, *service.end(signal.SIGINT)


def test_ctrl_c_ends_it(interrupted):
    """SIGINT ends it with 130, in one word."""
    _, code, err = interrupted

    assert code == 130
    assert "Traceback" not in err


@pytest.fixture(scope="module")
def listened_to(two_runs, tmp_path_factory) -> tuple[Running, int]:
    """One that pushes to nowhere, ended while somebody listens to events: its code."""
    folder = copytree(two_runs, tmp_path_factory.mktemp("listened") / "registry")
    with running(configured(folder, push=True)) as service:
        run = service.post("/admin/calibration/run?wait=false", None)
        one = run.json().get("id") or run.json()["run"]["id"]
        url = f"{service.url}/admin/calibration/runs/{one}/events"
        with httpx.stream("GET", url, headers=HEADERS, timeout=60, **PLAIN) as stream:
            assert stream.status_code == 200
            code, _ = service.end(signal.SIGTERM)
    return service, code


def test_who_listens_to_events_does_not_hold_it_up(listened_to):
    """A stream of events that is open ends with the service, at once."""
    _, code = listened_to

    assert code == 0


def test_a_kill_loses_nothing_that_was_answered(registry):
    """Killed while batches come in, it has every batch that it said it had; and begins again."""
    answered: list[int] = []

    def send(service: Running) -> None:
        for number in range(1000):
            try:
                answer = service.post("/scores", batch(number))
            except httpx.TransportError:
                return
            if answer.status_code == 200:
                answered.append(number)
                enough.set() if len(answered) == 5 else None

    enough = threading.Event()
    with running(configured(registry)) as service:
        thread = threading.Thread(target=send, args=(service,))
        thread.start()
        assert enough.wait(60)
        service.end(signal.SIGKILL)
        thread.join(60)
    with running(registry) as service:
        again = [service.post("/scores", batch(number)).json() for number in answered]

    assert len(answered) >= 5
    assert [(one["new"], one["same"]) for one in again] == [(0, 200)] * len(answered)


def test_a_port_in_use_is_one_line(ran, registry):
    """Somebody else's port is exit 5, one line and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = ran(configured(registry), "--port", str(port))

    assert done.code == 5
    assert done.err == (
        f"cannot listen on 127.0.0.1:{port}: address already in use\n"
        "Hint: Choose another with --port; 0 takes any that is free.\n"
    )


def test_an_address_that_is_none_is_one_line(ran, registry):
    """A host that does not exist is exit 5."""
    done = ran(configured(registry), "--host", "no.such.host.invalid")

    assert done.code == 5
    assert done.err.startswith("no address 'no.such.host.invalid'")


def test_other_machines_are_warned_of(interrupted):
    """Listening for other machines without TLS is said, and so is that there is no key."""
    service, _, _ = interrupted
    warnings = "\n".join(service.said["warnings"])

    assert "put TLS in front" in warnings
    assert "there are no keys" in warnings
    assert "production mode" in warnings


def test_production_mode_serves_all_but_admin(registry):
    """Without calibrate_heads it begins all the same; /admin is 403 and says why."""
    with running(configured(registry, calibrate_heads=False)) as service:
        answer = service.post("/admin/calibration/run", None)
        taken = service.post("/scores", batch(1))

    assert (answer.status_code, taken.status_code) == (403, 200)
    assert "calibrate_heads is false by" in answer.json()["error"]["message"]
    assert "Set calibrate_heads: true in" in answer.json()["error"]["hint"]


def test_a_switch_that_overrides_the_file_is_named(registry, monkeypatch):
    """Where the environment says production, to edit calreg.yaml would change nothing."""
    monkeypatch.setenv("CALREG_CALIBRATE_HEADS", "0")
    with running(configured(registry)) as service:
        answer = service.post("/admin/calibration/run", None)

    assert answer.status_code == 403
    assert answer.json()["error"]["hint"].startswith("Set CALREG_CALIBRATE_HEADS=1 ")


def test_pushing_to_nowhere_is_warned_of(listened_to):
    """Runs are to be pushed and there is no remote: it is said before the first one fails."""
    service, _ = listened_to
    (warning,) = service.said["warnings"]

    assert "there is no remote: runs are refused (git remote add origin URL)" in warning


def test_a_store_of_another_registry_is_not_served(ran, registry):
    """Scores and queue of one registry are not mixed with those of another."""
    url = f"sqlite:///{registry.parent / 'films.db'}"
    with Store.open(url) as store:
        store.replace_history("films", "0" * 40, [])

    done = ran(configured(registry, store=url), "--port", "0")

    assert (done.code, done.out) == (3, "")
    assert "films.db: is the store of films, not of reg" in done.err


@pytest.mark.parametrize(
    ("block", "message", "hint"),
    [
        ({"stor": "x"}, "at /service: unknown key 'stor'", "store"),
        ({"keys": [{"name": "a", "sha256": "short"}]}, "at /service/keys/0/sha256:", "make-key"),
        ({"keys": [{"name": "a", "sha265": "x"}]}, "at /service/keys/0: unknown key", "sha256"),
        ({"lease_s": 0}, "at /service/lease_s: expected a number above 0, got 0", ""),
        ({"auto_run_after": 0.5}, "at /service/auto_run_after: expected a whole number", ""),
        ({"push": "yes"}, "at /service/push: expected true or false, got 'yes'", ""),
        ({"source": "stores"}, "at /service/source: expected store, or files", ""),
        ({"source": {"files": []}}, "at /service/source/files: expected at least one", ""),
        ({"source": {"files": ["x"], "colums": {}}}, "at /service/source: unknown key", "columns"),
        ({"source": {"files": ["x"], "head": "h"}}, "at /service/source/head:", ""),
        ({"retag": {"tiers": [0.8, 0.3]}}, "at /service/retag/tiers: expected ascending", ""),
        ({"store": "mysql://h/d"}, "mysql", "postgresql://"),
        (
            {"webhooks": [{"url": "ftp://x", "secret_env": "S"}]},
            "at /service/webhooks/0/url: expected https://HOST",
            "",
        ),
        (
            {"webhooks": [{"url": "https://x/", "secret_env": "S", "events": ["runs"]}]},
            "at /service/webhooks/0/events: expected some of run, promotion, gate",
            "",
        ),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(ran, registry, block, message, hint):
    """What is wrong in calreg.yaml is exit 3, with its JSON pointer, and the nearest key."""
    done = ran(configured(registry, **block), "--port", "0")

    assert done.code == 3
    assert message in done.err
    assert hint in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "block",
    [
        {"keys": TOKEN},
        {"keys": {"tagger": TOKEN}},
        {"keys": [TOKEN]},
        {"keys": [{"name": "a", "sha256": TOKEN}]},
        {"keys": [{"name": f"{TOKEN} of mine", "sha256": "0" * 64}]},
        {"store": [f"postgresql://me:{TOKEN}@host/db"]},
        {"store": f"postgresql://me:{TOKEN}@host:port/db"},
        {"webhooks": f"https://host/{TOKEN}"},
        {"webhooks": [{"url": f"https://me:{TOKEN}@host/", "secret_env": "S"}]},
        {"webhooks": [{"url": "https://host/", "secret_env": TOKEN.replace("-", "_")}]},
        {"webhooks": [{"url": "https://host/", "secret_env": f"{TOKEN}!"}]},
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(ran, registry, block):
    """Whoever writes a key, a password or a webhook's secret where it does not belong is told so.

    What is told goes into logs, so the secret is not.
    """
    done = ran(configured(registry, **block), "--port", "0")

    assert done.code == 3
    assert TOKEN[:20] not in done.err + done.out


def test_a_digest_may_be_in_capitals(registry):
    """The sha256 of a key is the same number in capitals."""
    settings = settings_with(registry, keys=[{"name": "a", "sha256": KEY.sha256.upper()}])

    assert [key.sha256 for key in settings.keys] == [KEY.sha256]


def test_a_database_that_is_down_is_one_line(ran, registry, monkeypatch):
    """A store that cannot be reached is exit 5; its password is nowhere."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    url = f"postgresql://me:s3cret@127.0.0.1:{port}/db"

    monkeypatch.setenv("CALREG_STORE_URL", url)
    done = ran(configured(registry), "--port", "0")

    assert done.code == 5
    assert "s3cret" not in done.err
    assert "Traceback" not in done.err


def test_without_a_registry_there_is_nothing_to_serve(ran, tmp_path):
    """A folder that is no registry is exit 3."""
    assert ran(tmp_path, "--port", "0").code == 3


def test_a_key_is_made_and_shown_once(ran, registry):
    """--make-key prints the key, and the lines for calreg.yaml; nothing is written."""
    before = sorted(path.name for path in registry.iterdir())
    done = ran(registry, "--make-key", "me")
    token = done.out.strip()
    digest = re.search(r"\{name: me, sha256: ([0-9a-f]{64})\}", done.err)

    assert done.code == 0
    assert re.fullmatch(r"calreg_[A-Za-z0-9_-]{43}", token)
    assert digest is not None
    assert token not in done.err
    pasted = yaml.safe_load(done.err[done.err.index("service:") :])
    assert pasted == {"service": {"keys": [{"name": "me", "sha256": digest[1]}]}}
    assert sorted(path.name for path in registry.iterdir()) == before

    with served(registry, **pasted["service"]) as service:
        headers = {"Authorization": f"Bearer {token}"}
        assert service.get("/retag/next", headers=headers).status_code == 200


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 101])
def test_a_key_has_a_name_that_can_be_written(ran, registry, name):
    """A name that calreg.yaml would not take is refused before a key is made."""
    done = ran(registry, "--make-key", name)

    assert done.code == 2
    assert done.out == ""
