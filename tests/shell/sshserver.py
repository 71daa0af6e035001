"""An sshd on loopback with keys of its own, for tests; any user may run it.

Every connection gets an sshd of its own (`sshd -i`), so there is no port to race for and
nothing to wait for. `SshServer.command` goes into GIT_SSH_COMMAND.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shlex
import shutil
import socket
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from closing import forced_to_close

__all__ = ["SshServer", "find_sshd"]


def find_sshd() -> str | None:
    """Where sshd is; None on a machine without OpenSSH's server."""
    if shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
        return None
    return shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


class SshServer:
    """An sshd that lets one key in, from `with` to its end.

    Args:
        folder: A new folder for its keys and configuration.
    """

    def __init__(self, folder: Path) -> None:
        sshd = find_sshd()
        if sshd is None:
            raise FileNotFoundError("sshd")
        folder.mkdir(mode=0o700)
        self.folder = folder
        self.connections = 0
        self._open: dict[socket.socket, subprocess.Popen[bytes]] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept)
        for name in ("host", "user", "stranger"):
            _make_key(folder / name)
        (folder / "authorized_keys").write_bytes((folder / "user.pub").read_bytes())
        known = (folder / "host.pub").read_text()
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {known}")
        wrong = (folder / "stranger.pub").read_text()
        (folder / "other_hosts").write_text(f"[127.0.0.1]:{self.port} {wrong}")
        (folder / "config").write_text(self._config())
        self._sshd = [sshd, "-i", "-e", "-f", str(folder / "config")]

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    @property
    def command(self) -> str:
        """The ssh that gets in."""
        return self.command_with()

    def command_with(self, *, key: str = "user", known_hosts: str = "known_hosts") -> str:
        """An ssh with another key, or that expects another host."""
        options = {
            "UserKnownHostsFile": str(self.folder / known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "BatchMode": "yes",
            "LogLevel": "ERROR",
        }
        words = ["ssh", "-F", "none", "-i", str(self.folder / key)]
        words += [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        return shlex.join(words)

    def url(self, path: Path, *, port: int | None = None) -> str:
        """A repository of this machine, by ssh."""
        return f"ssh://{getpass.getuser()}@127.0.0.1:{port or self.port}{path}"

    def rest(self) -> None:
        """Wait until every connection is served, those of dead clients included."""
        for process in list(self._open.values()):
            process.wait(timeout=60)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        forced_to_close(self._listener)
        self._thread.join()
        self._listener.close()
        for connection, process in self._open.items():
            forced_to_close(connection)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
            connection.close()

    def _config(self) -> str:
        lines = {
            "HostKey": self.folder / "host",
            "AuthorizedKeysFile": self.folder / "authorized_keys",
            "PidFile": "none",
            "UsePAM": "no",
            "StrictModes": "no",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "PermitRootLogin": "prohibit-password",
            "AcceptEnv": "GIT_PROTOCOL",
            "LogLevel": "ERROR",
            "MaxStartups": "100",
        }
        return "".join(f"{name} {value}\n" for name, value in lines.items())

    def _accept(self) -> None:
        if os.geteuid() == 0:
            # Where sshd, as root, gives up its privileges; systems make it at start-up.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with (self.folder / "log").open("ab") as log:
                self._open[connection] = subprocess.Popen(
                    self._sshd, stdin=connection, stdout=connection, stderr=log
                )


def _make_key(file: Path) -> None:
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", file.name, "-f", str(file)]
    subprocess.run(words, check=True, capture_output=True)
