"""What the block `service:` of `calreg.yaml` says, checked; and nothing else.

A new setting is one key in `_KEYS`, one field of `Settings` and one line in `settings_of`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from calreg.config import Config
from calreg.errors import InputError
from calreg.names import HeadName
from calreg.service.block import Block

__all__ = [
    "EVENTS",
    "FileSource",
    "Key",
    "RetagSettings",
    "Settings",
    "Webhook",
    "is_key_name",
    "settings_of",
]

EVENTS = ("run", "promotion", "gate")
"""What a webhook may be told."""

_KEYS = (
    "source", "store", "push", "auto_run_after", "keys", "private", "webhooks", "lease_s",
    "max_body_bytes", "body_timeout_s", "request_timeout_s", "retag",
)  # fmt: skip
_SOURCE_KEYS = ("files", "columns", "head", "model")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_MAX_BODY = 2**30


@dataclass(frozen=True, slots=True)
class FileSource:
    """Score tables to compute from, as `calreg run` reads them."""

    files: tuple[str, ...]
    columns: Mapping[str, str] = field(default_factory=dict)
    head: HeadName | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """Somebody who may write, and the sha256 of the key they show."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where to tell what happened; the secret to sign with is in a variable."""

    url: str
    secret_env: str
    events: tuple[str, ...] = EVENTS


@dataclass(frozen=True, slots=True)
class RetagSettings:
    """What counts as another outcome: a calibrated move, and the tiers it may cross."""

    min_change: float = 0.01
    tiers: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """How the service of one registry is run.

    `folder` is where relative paths start; `source` is None where scores come from the store.
    `store_url` may hold a password and is not shown.
    """

    folder: Path
    store_url: str = field(repr=False)
    calibrate_heads: bool = False
    switch_from: str = "the default"
    config_file: Path | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    source: FileSource | None = None
    push: bool = False
    auto_run_after: int | None = None
    keys: tuple[Key, ...] = ()
    private: bool = False
    webhooks: tuple[Webhook, ...] = ()
    lease_s: float = 300.0
    max_body_bytes: int = 32 * 2**20
    body_timeout_s: float = 30.0
    request_timeout_s: float = 60.0
    retag: RetagSettings = field(default_factory=RetagSettings)


def settings_of(config: Config, *, folder: Path, environment: Mapping[str, str]) -> Settings:
    """The settings of a configuration.

    Args:
        config: With the block as it stands in the file.
        folder: Where relative paths start if there is no `calreg.yaml`.
        environment: `CALREG_STORE_URL` overrides the store's address.

    Raises:
        InputError: An unknown key or a value that makes no sense, by its JSON pointer.
    """
    file = config.file
    base = folder.absolute() if file is None else file.absolute().parent
    block = Block(config.service, _KEYS, where=str(file or "calreg.yaml"), pointer="/service")
    return Settings(
        folder=base,
        store_url=_store_url(block, base, environment),
        calibrate_heads=config.calibrate_heads,
        switch_from=config.switch_from,
        config_file=file,
        overrides=config.overrides,
        source=_source(block, base),
        push=block.flag("push", default=False),
        auto_run_after=block.whole("auto_run_after", 1) if "auto_run_after" in block else None,
        keys=_keys(block),
        private=block.flag("private", default=False),
        webhooks=tuple(_webhooks(block)),
        lease_s=block.number("lease_s", 300.0),
        max_body_bytes=block.whole("max_body_bytes", 32 * 2**20, most=_MAX_BODY),
        body_timeout_s=block.number("body_timeout_s", 30.0),
        request_timeout_s=block.number("request_timeout_s", 60.0),
        retag=_retag(block),
    )


def _store_url(block: Block, base: Path, environment: Mapping[str, str]) -> str:
    from calreg.store import DEFAULT_URL, store_url

    written = {"store": block.text("store", DEFAULT_URL)}
    return store_url(written, folder=base, environment=environment) or DEFAULT_URL


def _source(block: Block, base: Path) -> FileSource | None:
    if "source" not in block:
        return None
    try:
        word = block.text("source")
    except InputError:
        return _files(block.block("source", _SOURCE_KEYS), base)
    if word != "store":
        raise block.refused("source", f"expected store, or files: […], got {word!r}")
    return None


def _files(source: Block, base: Path) -> FileSource:
    from calreg.scores.table import ROLES

    files = tuple(str(base / path) for path in source.texts("files"))
    if not files:
        raise source.refused("files", "expected at least one file or glob")
    columns = source.named_texts("columns")
    for role in columns:
        if role not in ROLES:
            raise source.refused("columns", f"{role!r} is no role; roles are {', '.join(ROLES)}")
    head = _head(source) if "head" in source else None
    model = source.text("model") if "model" in source else None
    return FileSource(files, columns, head, model)


def _head(source: Block) -> HeadName:
    try:
        return HeadName.parse(source.text("head"))
    except InputError as error:
        raise source.refused("head", error.message) from error


def _keys(block: Block) -> tuple[Key, ...]:
    found: dict[str, Key] = {}
    for one in block.blocks("keys", ("name", "sha256")):
        name, digest = one.text("name"), one.text("sha256")
        if not is_key_name(name) or name in found:
            # Somebody may have put the key itself here, or below: it is not repeated.
            shown = f", got {name!r}" if name in found else ""
            raise one.refused("name", f"expected a name of its own{shown}")
        digest = digest.lower()
        if not _DIGEST.fullmatch(digest):
            raise one.refused("sha256", "expected 64 hex digits (calreg serve --make-key NAME)")
        found[name] = Key(name, digest)
    return tuple(found.values())


def is_key_name(name: str) -> bool:
    """Whether a key may be called so: letters, digits, `.`, `_`, `@` and `-`, at most 100.

    >>> is_key_name("tagger@studio-1"), is_key_name("a b")
    (True, False)
    """
    return _KEY_NAME.fullmatch(name) is not None


def _webhooks(block: Block) -> Iterator[Webhook]:
    for one in block.blocks("webhooks", ("url", "secret_env", "events")):
        url, variable = one.text("url"), one.text("secret_env")
        events = one.texts("events") if "events" in one else EVENTS
        if not _is_web_address(url):
            raise one.refused("url", "expected https://HOST/…; http:// on this machine alone")
        if not _VARIABLE.fullmatch(variable):
            # It may be the secret itself: it is not repeated.
            raise one.refused("secret_env", "expected the name of a variable, not the secret")
        if not events or not set(events) <= set(EVENTS):
            raise one.refused("events", f"expected some of {', '.join(EVENTS)}, got {events!r}")
        yield Webhook(url, variable, events)


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or not url.isascii() or not url.isprintable():
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)


def _retag(block: Block) -> RetagSettings:
    below = block.block("retag", ("min_change", "tiers"))
    tiers = below.numbers("tiers")
    if list(tiers) != sorted(set(tiers)) or not all(0 < tier < 1 for tier in tiers):
        raise below.refused("tiers", f"expected ascending numbers between 0 and 1, got {tiers!r}")
    return RetagSettings(below.number("min_change", 0.01), tiers)
