"""A service that really listens: uvicorn on a loopback port, over a registry made by git."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from forked import forked

from calreg.config import Config
from calreg.registry import Registry
from calreg.service import State, bound, create_app, new_key, settings_of
from calreg.service.admission import Admission
from calreg.service.server import Server
from calreg.service.state import Pace
from calreg.store import Store

__all__ = ["HEADS", "KEY", "TOKEN", "Service", "rows_of", "served", "settings_with", "table"]

TOKEN, KEY = new_key("tagger")
HEADS = ("essentia/effnet/danceability", "essentia/effnet/mood_happy")


def table(file: Path, *, shift: float = 0.0, items: int = 300) -> Path:
    """Scores of two heads, with items; `shift` moves those of mood_happy."""
    generator = np.random.default_rng(7)
    lines = ["item,model,head,label,score"]
    for head in HEADS:
        model, _, name = head.rpartition("/")
        for label in ("no", "yes"):
            scores = generator.beta(2, 3, items)
            if name == "mood_happy" and label == "yes":
                scores = np.clip(scores + shift, 0, 1)
            lines += [
                f"track-{place:05}.flac,{model},{name},{label},{score!r}"
                for place, score in enumerate(scores.tolist())
            ]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def rows_of(file: Path) -> list[dict[str, Any]]:
    """The same scores as rows of `POST /scores`."""
    names, *lines = (line.split(",") for line in file.read_text(encoding="utf-8").splitlines())
    rows = [dict(zip(names, line, strict=True)) for line in lines]
    return [{**row, "score": float(row["score"])} for row in rows]


def settings_with(folder: Path, *, calibrate_heads: bool = True, **block: Any):
    """The settings of a block `service:`, with a key for `Service.client`."""
    keys = [{"name": KEY.name, "sha256": KEY.sha256}]
    config = Config(
        calibrate_heads=calibrate_heads,
        switch_from="the test",
        service={"keys": keys, **block},
        file=folder / "calreg.yaml",
    )
    return settings_of(config, folder=folder, environment={})


@dataclass
class Service:
    """One that answers."""

    url: str
    state: State
    admission: Admission
    token: str = TOKEN
    headers: Mapping[str, str] = field(default_factory=lambda: {"Authorization": f"Bearer {TOKEN}"})

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request with the key, unless headers say otherwise."""
        options.setdefault("headers", self.headers)
        options.setdefault("timeout", 60)
        # There is no TLS; to load everybody's certificates takes longer than most answers.
        options |= {"trust_env": False, "verify": False}
        return httpx.request(method, f"{self.url}{path}", **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """GET with the key."""
        return self.ask("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> httpx.Response:
        """POST with the key, and a document."""
        return self.ask("POST", path, **({} if json is None else {"json": json}), **options)

    @property
    def port(self) -> int:
        """Where it listens."""
        return httpx.URL(self.url).port or 0


@contextmanager
def served(
    registry: Path,
    *,
    pace: Pace | None = None,
    now: Callable[[], float] = time.time,
    **block: Any,
) -> Iterator[Service]:
    """A service over a registry, with the settings of a block `service:`; ended afterwards.

    Without `store` it is an SQLite file beside the registry's folder; `now` is the store's clock.
    """
    block.setdefault("store", f"sqlite:///{registry.parent / 'store.db'}")
    settings = settings_with(registry, **block)
    with Store.open(settings.store_url, now=now) as store, bound("127.0.0.1", 0) as listening:
        paced = forked(pace or Pace())
        state = State(settings, Registry.open(registry), store, pace=paced, environment={})
        app = create_app(state)
        is_up = threading.Event()
        server = Server(app, ready=is_up.set, before_end=state.dismiss)
        thread = threading.Thread(target=server.run, args=([listening],), name="service")
        thread.start()
        try:
            assert is_up.wait(30)
            port = listening.getsockname()[1]
            yield Service(f"http://127.0.0.1:{port}", state, app.admission)
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()
