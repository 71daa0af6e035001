"""What happened, told to other programs: signed, kept until it arrived, tried again for a day.

An event is kept in the store before anybody is told that it happened, one delivery per
address, and sent by a thread per address, so that one that does not answer delays nobody
else. An answer of 2xx within the time is an arrival; everything else, redirects included, is
not. Nothing is sent but to the addresses of the configuration. What receivers may rely on
stands in docs/webhooks.md.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import logging
import random
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic_core import to_json

from calreg import __version__
from calreg.errors import CalregError, InputError
from calreg.service.look_job import News
from calreg.service.settings import Webhook

if TYPE_CHECKING:
    from calreg.store import Delivery, Store

__all__ = ["Patience", "Webhooks", "secrets_of", "signature_of"]

LOG = logging.getLogger("calreg.service")

_LEAST_SECRET = 16
_MAX_ANSWER = 64 * 1024
_LOOK_S = 60.0
_AT_ONCE = 100
_LONGEST_PROBLEM = 300
_LAST_S = 2.0  # for what is just being sent when the service ends


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds.

    Args:
        answer_s: For one whole answer, connecting included.
        first_s: Before the second try; doubled after each further one.
        longest_s: At most this long between two tries.
        give_up_s: Nothing is tried again so long after it happened.
        chance: A random number from 0 to 1: receivers that were down are not met by all
            senders at once.
    """

    answer_s: float = 10.0
    first_s: float = 5.0
    longest_s: float = 4 * 3600.0
    give_up_s: float = 24 * 3600.0
    chance: Callable[[], float] = field(default=random.random)

    def next_at(self, *, created: float, attempts: int, now: float) -> float | None:
        """When to try again after so many tries; None: no more, a day is over."""
        pause = min(self.longest_s, self.first_s * 2.0 ** min(attempts - 1, 30))
        at = now + pause * (0.5 + 0.5 * self.chance())
        return at if at <= created + self.give_up_s else None


def secrets_of(webhooks: Sequence[Webhook], environment: Mapping[str, str]) -> dict[Webhook, bytes]:
    """What to sign with, for each webhook.

    Raises:
        InputError: A variable is not set, or its secret is too short to be one.
    """
    found: dict[Webhook, bytes] = {}
    for number, webhook in enumerate(webhooks):
        if any(webhook.url == other.url for other in found):
            raise InputError(
                f"at /service/webhooks/{number}/url: the same address stands there twice",
                hint="List all its events at one of them.",
                code="config",
            )
        secret = environment.get(webhook.secret_env, "")
        if len(secret) < _LEAST_SECRET:
            problem = "is not set" if not secret else f"has fewer than {_LEAST_SECRET} characters"
            place = f"/service/webhooks/{number}/secret_env"
            # Somebody may have written the secret itself there, which is not repeated.
            name = webhook.secret_env if webhook.secret_env.isupper() else "NAME"
            raise InputError(
                f"at {place}: variable {name} {problem}",
                hint=f"export {name}=$(openssl rand -hex 32), and tell the receiver.",
                code="webhook-secret",
            )
        found[webhook] = secret.encode("utf-8", "surrogateescape")
    return found


def signature_of(secret: bytes, body: bytes, *, moment_s: int) -> str:
    """The header `X-Calreg-Signature` of a body sent at a time.

    >>> signature_of(b"secret", b"{}", moment_s=0)[:12]
    't=0,v1=4bbe8'
    """
    signed = hmac.new(secret, f"{moment_s}.".encode() + body, hashlib.sha256)
    return f"t={moment_s},v1={signed.hexdigest()}"


class Webhooks:
    """Keeps events for the addresses that want them, and delivers them.

    Args:
        store: Where deliveries are kept.
        secrets: What each webhook signs with; see `secrets_of`.
        registry: What the registry is called.
        clock: Seconds since 1970.
        patience: How long to wait.
        given_up: Called with a delivery that will not be tried again, and why.
    """

    def __init__(
        self,
        store: Store,
        secrets: Mapping[Webhook, bytes],
        *,
        registry: str,
        clock: Callable[[], float],
        patience: Patience | None = None,
        given_up: Callable[[Delivery, str], None] | None = None,
    ) -> None:
        self._store, self._secrets = store, dict(secrets)
        self._registry, self._clock = registry, clock
        self._patience = patience or Patience()
        self._given_up = given_up or (lambda _delivery, _why: None)
        self._senders = [
            _Sender(self, hook.url, secret, self._patience)
            for hook, secret in self._secrets.items()
        ]

    def begin(self) -> None:
        """Begin to deliver; what a restart left waiting comes first."""
        for sender in self._senders:
            sender.thread.start()

    def tell(self, news: News) -> None:
        """Keep an event for every address that wants it.

        Raises:
            StoreError: The store is down; the event must be told again.
        """
        urls = {hook.url for hook in self._secrets if news.event in hook.events}
        if not urls:
            return
        body = self._body(news)
        for url in sorted(urls):
            self._store.put_delivery(url, news.event, body)
        for sender in self._senders:
            sender.wake.set()

    def _body(self, news: News) -> str:
        # Of what happened, not of the moment: told twice, it has the same id.
        text = f"{self._registry}\n{news.event}\n{news.about}"
        moment = datetime.fromtimestamp(self._clock(), UTC)
        document = {
            "id": hashlib.sha256(text.encode()).hexdigest()[:32],
            "event": news.event,
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "registry": self._registry,
            "details": dict(news.details),
        }
        return to_json(document).decode()

    def close(self) -> None:
        """End; what waits is delivered after the next start."""
        for sender in self._senders:
            sender.is_closed = True
            sender.wake.set()
        for sender in self._senders:
            sender.end(_LAST_S)

    # For the senders

    def deliver_due(self, sender: _Sender) -> float:
        """Deliver what is due for one address; seconds until more may be.

        Raises:
            StoreError: The store is down.
        """
        for delivery in self._store.due_deliveries(self._clock(), _AT_ONCE, url=sender.url):
            if sender.is_closed:
                return 0.0
            self._deliver(sender, delivery)
        next_at = self._store.next_delivery_at(url=sender.url)
        return _LOOK_S if next_at is None else min(_LOOK_S, max(0.0, next_at - self._clock()))

    def _deliver(self, sender: _Sender, delivery: Delivery) -> None:
        problem = sender.send(delivery, moment_s=int(self._clock()))
        if sender.is_closed and problem is not None:
            return  # cut short by the end of the service: it counts as not tried
        if problem is None:
            self._store.delivery_done(delivery.id)
            return
        now = self._clock()
        next_at = self._patience.next_at(
            created=delivery.created, attempts=delivery.attempts + 1, now=now
        )
        self._store.delivery_failed(delivery.id, next_at, problem)
        if next_at is None:
            LOG.error(
                "event %s (%s) for %s is given up (tries: %d): %s",
                delivery.id, delivery.event, sender.shown, delivery.attempts + 1, problem,
            )  # fmt: skip
            self._given_up(delivery, problem)


def _plain(text: str) -> str:
    """What a receiver said, as it may stand in a log: one line, without control characters."""
    return "".join(char if char.isprintable() else "?" for char in text[:_LONGEST_PROBLEM])


class _Sender:
    """One address, and the thread that sends to it, one event after the other."""

    def __init__(self, hooks: Webhooks, url: str, secret: bytes, patience: Patience) -> None:
        self.url, self._secret, self._patience = url, secret, patience
        self._hooks = hooks
        parts = urlsplit(url)
        self._is_plain = parts.scheme == "http"
        self._host, self._port = parts.hostname or "", parts.port
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        # Path and query may be secrets of the receiver's.
        self.shown = f"{parts.scheme}://{parts.netloc}"
        self.wake = threading.Event()
        self.is_closed = False
        self._is_cut = False
        self._connection: http.client.HTTPConnection | None = None
        self.thread = threading.Thread(target=self._run, name="calreg-webhook", daemon=True)

    def _run(self) -> None:
        while not self.is_closed:
            self.wake.clear()
            try:
                pause = self._hooks.deliver_due(self)
            except Exception as error:  # the edge of a thread: nobody is above it
                bug = None if isinstance(error, CalregError) else error
                LOG.warning("no event goes to %s now: %s", self.shown, error, exc_info=bug)
                pause = _LOOK_S
            if not self.is_closed:
                self.wake.wait(pause)

    def send(self, delivery: Delivery, *, moment_s: int) -> str | None:
        """Send once; None if it arrived, else why not."""
        body = delivery.body.encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"calreg/{__version__}",
            "X-Calreg-Delivery": str(delivery.id),
            "X-Calreg-Event": delivery.event,
            "X-Calreg-Signature": signature_of(self._secret, body, moment_s=moment_s),
            "Connection": "close",
        }
        # The socket's own time-out is for each byte: one that drips outlives it.
        self._is_cut = False
        limit = threading.Timer(self._patience.answer_s, self.cut)
        limit.daemon = True
        try:
            limit.start()
            connection = self._connection = http.client.HTTPConnection(self._host, self._port)
            self._connect(connection)
            connection.request("POST", self._target, body, headers)
            answer = connection.getresponse()
            answer.read(_MAX_ANSWER)
        except (OSError, ValueError, http.client.HTTPException) as error:
            return self._late() or _plain(f"no answer: {error or type(error).__name__}")
        finally:
            limit.cancel()
            self._hang_up()
        if late := self._late():  # to the library a connection that ends is the end of the headers
            return late
        return None if 200 <= answer.status < 300 else f"answered {answer.status}"

    def _late(self) -> str | None:
        """Why it did not arrive, if it was cut off; None if it was not."""
        return f"no whole answer within {self._patience.answer_s:g} s" if self._is_cut else None

    def _connect(self, connection: http.client.HTTPConnection) -> None:
        address = self._host, self._port or (80 if self._is_plain else 443)
        found = connection.sock = socket.create_connection(address, self._patience.answer_s)
        if self._is_plain:
            return
        # The library would keep the socket to itself until hands were shaken: nobody could cut it.
        found = connection.sock = ssl.create_default_context().wrap_socket(
            found, server_hostname=self._host, do_handshake_on_connect=False
        )
        if self._is_cut:
            raise TimeoutError
        found.do_handshake()

    def end(self, timeout_s: float) -> None:
        """End the thread; what it is just sending gets some seconds."""
        if not self.thread.is_alive():
            return
        self.thread.join(timeout_s)
        if self.thread.is_alive():
            self.cut()
            self.thread.join(timeout_s)

    def cut(self) -> None:
        """End the connection, whatever it waits for; from any thread."""
        self._is_cut = True
        self._hang_up()

    def _hang_up(self) -> None:
        connection = self._connection
        if connection is None:
            return
        if connection.sock is not None:
            try:
                connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                LOG.debug("the connection to %s had ended", self.shown)
        connection.close()
