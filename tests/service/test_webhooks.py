"""Webhooks arrive signed, again if they must, and nowhere else."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from receivers import babbling, dripping, flooding, receiver, shaking_hands_for_ever
from states import HAPPY, LIMIT_S, Place, git, place, rows, running

from calreg.errors import InputError
from calreg.service.look_job import News
from calreg.service.settings import Webhook
from calreg.service.state import Pace
from calreg.service.webhooks import Patience, Webhooks, secrets_of
from calreg.store import Store

__all__ = ["place"]  # fixtures made elsewhere

SECRET = "0123456789abcdef0123456789abcdef"
DAY = timedelta(days=1)
LOOPBACK = ip_address("127.0.0.1")
RUN = News("run", "1:abc", {"version": 1})
QUICK = Patience(answer_s=1.0, first_s=0.001, longest_s=0.002, chance=lambda: 1.0)
GUIDE = Path(__file__).parents[2] / "docs" / "webhooks.md"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'calreg.db'}") as opened:
        yield opened


class Ending:
    """What a delivery came to, to be waited for."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.given_up = threading.Event()
        self.why = ""

    def note(self, _delivery: object, why: str) -> None:
        self.why = why
        self.given_up.set()


@contextmanager
def hooks(
    store: Store, *urls: str, patience: Patience = QUICK, events=("run", "promotion", "gate")
) -> Iterator[tuple[Webhooks, Ending]]:
    """Webhooks that deliver, as long as the block lasts."""
    ending = Ending(store)
    secrets = {Webhook(url, "SECRET", tuple(events)): SECRET.encode() for url in urls}
    made = Webhooks(
        store, secrets, registry="music", clock=time.time, patience=patience,
        given_up=ending.note,
    )  # fmt: skip
    made.begin()
    try:
        yield made, ending
    finally:
        made.close()


def test_an_event_arrives_signed(store: Store) -> None:
    """The body says what happened, and its signature is made with the secret and the time."""
    with receiver() as there, hooks(store, there.url) as (sender, _):
        sender.tell(RUN)
        got = there.next()

        body = json.loads(got.body)
        stamp, signature = got.headers["X-Calreg-Signature"].split(",")
        signed = f"{stamp.removeprefix('t=')}.".encode() + got.body
        expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        assert signature == f"v1={expected}"
        assert abs(int(stamp.removeprefix("t=")) - time.time()) < 60
        assert body | {"id": 0, "time": 0} == {
            "id": 0,
            "event": "run",
            "time": 0,
            "registry": "music",
            "details": {"version": 1},
        }
        assert got.path == "/hook?for=calreg"
        assert got.headers["X-Calreg-Event"] == "run"
        assert got.headers["X-Calreg-Delivery"] == "1"
        assert got.headers["Content-Type"] == "application/json"


def test_an_event_that_does_not_arrive_is_sent_again(store: Store) -> None:
    """After an error the same body comes again under the same number, until it is taken."""
    with receiver(500, 503, 204) as there, hooks(store, there.url) as (sender, _):
        sender.tell(RUN)
        tries = [there.next() for _ in range(3)]
        sender.tell(News("run", "2:abc", {"version": 2}))
        after = there.next()

        assert len({one.body for one in tries}) == 1
        assert {one.headers["X-Calreg-Delivery"] for one in tries} == {"1"}
        assert json.loads(after.body)["details"] == {"version": 2}
    assert store.delivery_counts() == {"waiting": 0, "done": 2, "failed": 0}


def test_an_event_waits_for_a_receiver_that_is_down(store: Store) -> None:
    """What could not be delivered before a restart is delivered after it."""
    with receiver() as gone:
        pass
    port = int(gone.url.split(":")[2].split("/")[0])
    patient = Patience(answer_s=1.0, first_s=1000.0, chance=lambda: 0.0)
    with hooks(store, gone.url, patience=patient) as (sender, _):
        sender.tell(RUN)
    with Store.open(store.address, now=lambda: time.time() + 2000) as later:
        waited = later.due_deliveries(time.time() + 2000)
        with receiver(port=port) as there:
            late = Webhooks(
                later,
                {Webhook(there.url, "SECRET"): SECRET.encode()},
                registry="music",
                clock=lambda: time.time() + 2000,
                patience=QUICK,
            )
            late.begin()
            got = there.next()
            late.close()

    assert [one.event for one in waited] == ["run"]
    assert json.loads(got.body)["details"] == {"version": 1}


def test_a_receiver_that_drips_delays_nobody(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """An answer that never ends is cut off, and another address has its event meanwhile."""
    short = Patience(answer_s=0.3, first_s=0.001, give_up_s=0.0, chance=lambda: 1.0)
    with (
        receiver(answer=dripping) as slow,
        receiver() as quick,
        hooks(store, slow.url, quick.url, patience=short) as (sender, ending),
    ):
        began = time.monotonic()
        sender.tell(RUN)
        quick.next()
        slow.next()
        assert ending.given_up.wait(LIMIT_S)

    assert ending.why == "no whole answer within 0.3 s"
    assert time.monotonic() - began < 10
    assert "is given up (tries: 1): no whole answer" in caplog.text
    assert "for=calreg" not in caplog.text


def test_a_receiver_that_never_gets_through_with_tls_is_cut_off(store: Store) -> None:
    """The time for an answer begins before there is a connection."""
    short = Patience(answer_s=0.3, first_s=0.001, give_up_s=0.0, chance=lambda: 1.0)
    with shaking_hands_for_ever() as url, hooks(store, url, patience=short) as (sender, ending):
        sender.tell(RUN)
        assert ending.given_up.wait(LIMIT_S)

    assert ending.why == "no whole answer within 0.3 s"


def test_what_a_receiver_says_does_nothing_to_a_terminal(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """Control characters of an answer come neither into the log nor into the store."""
    once = Patience(answer_s=5.0, first_s=0.001, give_up_s=0.0, chance=lambda: 1.0)
    with (
        receiver(answer=babbling) as there,
        hooks(store, there.url, patience=once) as (sender, ending),
    ):
        sender.tell(RUN)
        assert ending.given_up.wait(LIMIT_S)

    assert "all is lost" in ending.why
    assert ending.why.isprintable()
    assert all(line.isprintable() for line in caplog.text.splitlines())


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(store: Store, status: int) -> None:
    """A receiver that sends elsewhere gets nothing sent elsewhere; it counts as no arrival."""
    with receiver() as elsewhere, receiver(status, location=elsewhere.url) as there:
        once = Patience(answer_s=1.0, first_s=1.0, give_up_s=0.0)
        with hooks(store, there.url, patience=once) as (sender, ending):
            sender.tell(RUN)
            there.next()
            assert ending.given_up.wait(LIMIT_S)

        assert ending.why == f"answered {status}"
        assert elsewhere.got.empty()


def test_an_answer_without_end_is_not_read_to_its_end(store: Store) -> None:
    """Of a body that never ends a little is read, and the event has arrived."""
    with receiver(answer=flooding) as there, hooks(store, there.url) as (sender, _):
        sender.tell(RUN)
        there.next()
        sender.tell(News("run", "2:abc", {}))
        there.next()

    assert store.delivery_counts() == {"waiting": 0, "done": 2, "failed": 0}


def test_a_receiver_must_be_who_it_says(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that nobody vouches for ends it; one that this machine trusts is enough."""
    certificate, tls = self_signed(tmp_path)
    once = Patience(answer_s=5.0, first_s=1.0, give_up_s=0.0)
    with receiver(tls=tls) as there:
        with hooks(store, there.url, patience=once) as (sender, ending):
            sender.tell(RUN)
            assert ending.given_up.wait(LIMIT_S)
        refused = there.got.empty()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with hooks(store, there.url, patience=once) as (sender, _):
            sender.tell(RUN)
            trusted = there.next()

    assert refused
    assert "certificate verify failed" in ending.why
    assert json.loads(trusted.body)["event"] == "run"


def self_signed(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for loopback that it vouches for itself, and a server's side of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - DAY, now + DAY)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(LOOPBACK)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, private)
    return certificate, tls


def test_an_event_is_given_up_after_a_day(store: Store) -> None:
    """Tries come later and later, none a day after it happened, and that is said."""
    patience = Patience(chance=lambda: 1.0)
    pauses, now = [], 0.0
    while (at := patience.next_at(created=0.0, attempts=len(pauses) + 1, now=now)) is not None:
        pauses.append(at - now)
        now = at

    assert pauses[:4] == [5.0, 10.0, 20.0, 40.0]
    assert pauses == sorted(pauses)
    assert 20 * 3600 <= now <= 24 * 3600
    assert patience.next_at(created=0.0, attempts=1, now=24 * 3600.0) is None
    assert Patience(chance=lambda: 0.0).next_at(created=0, attempts=1, now=0) == 2.5


def test_only_what_was_asked_for_is_sent(store: Store) -> None:
    """An address gets the events that it is configured for and no others."""
    with receiver() as there, hooks(store, there.url, events=("gate",)) as (sender, _):
        sender.tell(RUN)
        sender.tell(News("gate", "c:1", {"ok": False}))

        assert json.loads(there.next().body)["event"] == "gate"
    assert store.delivery_counts() == {"waiting": 0, "done": 1, "failed": 0}


def test_the_same_event_has_the_same_id(store: Store) -> None:
    """Told twice, an event comes twice with one id, so that a receiver can leave one out."""
    with receiver() as there, hooks(store, there.url) as (sender, _):
        for news in (RUN, RUN, News("run", "2:abc", {"version": 2})):
            sender.tell(news)
        ids = [json.loads(there.next().body)["id"] for _ in range(3)]

    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({}, "at /service/webhooks/0/secret_env: variable HOOK is not set"),
        ({"HOOK": "short"}, "variable HOOK has fewer than 16 characters"),
    ],
)
def test_a_webhook_without_a_secret_is_refused_at_the_start(
    environment: dict[str, str], problem: str
) -> None:
    """A variable that is not set, or holds hardly anything, stops the service with a hint."""
    with pytest.raises(InputError, match=problem) as refused:
        secrets_of([Webhook("https://example.org/", "HOOK")], environment)

    assert "export HOOK=$(openssl rand -hex 32)" in str(refused.value.hint)


def test_an_address_stands_there_once() -> None:
    """Two webhooks of one address are refused: which secret would it be?"""
    twice = [Webhook("https://example.org/", "HOOK"), Webhook("https://example.org/", "OTHER")]

    with pytest.raises(InputError, match="at /service/webhooks/1/url: the same address"):
        secrets_of(twice, {"HOOK": SECRET, "OTHER": SECRET})


def test_runs_promotions_and_the_gates_no_are_delivered(place: Place) -> None:
    """A run, the reference it moves, a failed run and an error of the gate reach the receiver."""
    with receiver() as there:
        webhook = Webhook(there.url, "HOOK")
        pace = Pace(poll_s=0.05, patience=QUICK)
        with running(place, pace=pace, environment={"HOOK": SECRET}, webhooks=(webhook,)) as state:
            state.start_run().result.exception(LIMIT_S)
            failed = json.loads(there.next().body)
            state.store.put_scores(rows(HAPPY))
            state.start_run().result.result(LIMIT_S)
            made = [json.loads(there.next().body) for _ in range(2)]
            run = place.registry / "essentia/effnet/v1/run.json"
            run.write_bytes(run.read_bytes() + b"\n")
            git(place.registry, "commit", "--quiet", "-am", "touch what is never touched")
            said_no = json.loads(there.next().body)

    assert (failed["event"], failed["details"]["status"]) == ("run", "failed")
    assert failed["details"]["error"]["code"] == "empty"
    assert [one["event"] for one in made] == ["run", "promotion"]
    assert made[0]["details"]["summary"]["total_heads"] == 1
    assert made[1]["details"]["references"][0]["head"] == HAPPY
    assert (said_no["event"], said_no["details"]["ok"]) == ("gate", False)


def test_the_guides_receiver_knows_good_from_bad(store: Store) -> None:
    """The guide's snippet accepts what is sent, and refuses what is altered, old or foreign."""
    snippet = re.search(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    found: dict = {}
    exec(snippet[1], found)
    is_from_calreg = found["is_from_calreg"]
    with receiver() as there, hooks(store, there.url) as (sender, _):
        sender.tell(RUN)
        got = there.next()
    header = got.headers["X-Calreg-Signature"]
    at = int(header.split(",")[0].removeprefix("t="))

    assert is_from_calreg(got.body, header, SECRET, now=at)
    assert not is_from_calreg(got.body + b" ", header, SECRET, now=at)
    assert not is_from_calreg(got.body, header, SECRET[::-1], now=at)
    assert not is_from_calreg(got.body, header, SECRET, now=at + 301)
    for altered in ("", "t=", "t=1", f"t=x,{header.split(',')[1]}", header.replace("v1", "v2")):
        assert not is_from_calreg(got.body, altered, SECRET, now=at)
