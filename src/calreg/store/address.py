"""Where a store is: a URL as SQLAlchemy writes it, checked, and shown without its password."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import URL, exc, make_url

from calreg.errors import InputError

__all__ = ["DEFAULT_URL", "URL_VARIABLE", "Address", "store_url"]

URL_VARIABLE = "CALREG_STORE_URL"
DEFAULT_URL = "sqlite:///calreg.db"

Kind = Literal["sqlite", "postgresql"]
_KINDS: Mapping[str, Kind] = {
    "sqlite": "sqlite",
    "postgresql": "postgresql",
    "postgresql+psycopg": "postgresql",
    "postgres": "postgresql",
}
_HINT = "Write it as sqlite:///calreg.db or postgresql://USER:PASSWORD@HOST/DATABASE."


def store_url(
    service: Mapping[str, Any], *, folder: Path, environment: Mapping[str, str]
) -> str | None:
    """The URL that a configuration's `service` block or the environment names; None: neither.

    Args:
        service: The block as it stands in `calreg.yaml`.
        folder: Where that lies; the path of an SQLite file is looked for from there.
        environment: `CALREG_STORE_URL` counts more than the block.

    Raises:
        InputError: It is no URL of a store.
    """
    found = environment.get(URL_VARIABLE) or service.get("store")
    if found is None and service:
        found = DEFAULT_URL
    if found is None:
        return None
    if not isinstance(found, str):
        raise InputError(
            f"at /service/store: expected a URL, got {found!r}", hint=_HINT, code="store-url"
        )
    return Address.parse(found, folder=folder).text


@dataclass(frozen=True, slots=True)
class Address:
    """A store's URL, understood."""

    kind: Kind
    url: URL

    @classmethod
    def parse(cls, text: str, *, folder: Path | None = None) -> Address:
        """The address in a URL; a relative path of an SQLite file starts in `folder`.

        Raises:
            InputError: No URL, or of a database that a store cannot be in.
        """
        try:
            url = make_url(text)
            kind = _KINDS.get(url.drivername)
        except (exc.ArgumentError, ValueError):
            # Neither the text nor the reason is repeated: both may hold a password.
            raise InputError(
                "the store's URL cannot be read", hint=_HINT, code="store-url"
            ) from None
        if kind is None:
            raise InputError(
                f"a store cannot be in {url.drivername!r}", hint=_HINT, code="store-url"
            )
        if kind == "sqlite":
            return cls(kind, _file_url(url, folder or Path.cwd()))
        return cls(kind, url.set(drivername="postgresql+psycopg"))

    @property
    def text(self) -> str:
        """The whole URL, password and all."""
        return self.url.render_as_string(hide_password=False)

    @property
    def file(self) -> Path | None:
        """The file of an SQLite store."""
        return Path(str(self.url.database)) if self.kind == "sqlite" else None

    @property
    def shown(self) -> str:
        """What may be shown to anybody: no user, no password, no options."""
        if self.kind == "sqlite":
            return str(self.url.database)
        host = self.url.host or "localhost"
        port = f":{self.url.port}" if self.url.port else ""
        return f"postgresql://{host}{port}/{self.url.database or ''}"


def _file_url(url: URL, folder: Path) -> URL:
    name = url.database or ""
    if not name or name == ":memory:" or name.startswith("file:") or url.query:
        raise InputError(
            "a store in SQLite is one file, and its URL names just that", hint=_HINT,
            code="store-url",
        )  # fmt: skip
    path = Path(name).expanduser()
    return url.set(database=str(folder.absolute() / path))
