"""From an open registry to a service that answers, until somebody ends it."""

from __future__ import annotations

import gc
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from calreg.errors import InputError
from calreg.registry import Registry
from calreg.service.app import create_app
from calreg.service.logs import log_to_stderr
from calreg.service.server import Server, address_of, is_local
from calreg.service.settings import Settings
from calreg.service.state import State
from calreg.store import Store

__all__ = ["serve"]

_SWITCH_S = 0.001

Tell = Callable[[str, list[str]], None]


def serve(
    settings: Settings, registry: Registry, listening: socket.socket, *, host: str, tell: Tell
) -> None:
    """Answer on a socket until SIGTERM or Ctrl-C; what was begun is finished.

    Args:
        settings: The service's part of the configuration.
        registry: What is served.
        listening: A socket that is bound.
        host: As it was asked for.
        tell: Called with the address and what somebody should know, when all is ready.

    Raises:
        CalregError: Registry or store cannot be opened.
        KeyboardInterrupt: It was Ctrl-C.
    """
    log_to_stderr()
    with Store.open(settings.store_url) as store:
        store.refuse_other(registry.name)
        _exclude(registry, store.file)
        state = State(settings, registry, store)
        url = f"http://{address_of(host, listening.getsockname()[1])}"

        def ready() -> None:
            _answer_evenly()
            tell(url, _warnings(settings, registry, host))

        server = Server(create_app(state), ready=ready, before_end=state.dismiss)
        server.run(sockets=[listening])
    if signal.SIGINT in server.signals:
        raise KeyboardInterrupt


def _answer_evenly() -> None:
    """Keep the slowest answers fast, in a process that is the service's own."""
    # A thread that parses a batch hands over after a millisecond, not after five.
    sys.setswitchinterval(_SWITCH_S)
    # What is loaded by now stays: to look through all of it for garbage stops everything.
    gc.collect()
    gc.freeze()


def _warnings(settings: Settings, registry: Registry, host: str) -> list[str]:
    said = []
    if not is_local(host):
        said.append(
            f"{host} is reached by other machines, and keys travel in the clear: "
            "put TLS in front, and have that listen instead"
        )
    if not settings.keys:
        said.append("there are no keys: nobody can write (calreg serve --make-key NAME)")
    if not settings.calibrate_heads:
        said.append("production mode (calibrate_heads is false): /admin answers 403")
    if settings.push and _pushes_nowhere(registry):
        said.append(
            "push is true, and there is no remote: runs are refused (git remote add origin URL)"
        )
    return said


def _pushes_nowhere(registry: Registry) -> bool:
    try:
        return registry.repository.remote(registry.repository.branch()) is None
    except InputError:
        return False  # HEAD is detached: a run says that, and reading goes on


def _exclude(registry: Registry, file: Path | None) -> None:
    """Have git overlook the store's file, where it lies in the registry's work tree."""
    repository = registry.repository
    if file is None or repository.work_tree is None:
        return
    tree = repository.work_tree.resolve()
    place = file.resolve()
    if not place.is_relative_to(tree):
        return
    exclude = repository.common_dir / "info" / "exclude"
    line = f"/{place.relative_to(tree).as_posix()}*"
    known = exclude.read_text(encoding="utf-8") if exclude.is_file() else ""
    if line not in known.splitlines():
        exclude.parent.mkdir(exist_ok=True)
        between = "" if known.endswith("\n") or not known else "\n"
        with exclude.open("a", encoding="utf-8") as out:
            out.write(f"{between}{line}\n")
