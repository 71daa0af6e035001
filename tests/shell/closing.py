"""End a connection from another thread than the one that waits for it."""

from __future__ import annotations

import contextlib
import socket
import struct

__all__ = ["forced_to_close", "reset"]


def forced_to_close(connection: socket.socket) -> None:
    """Whoever reads from it or writes to it stops."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def reset(connection: socket.socket) -> None:
    """Whoever reads from it stops; its `close` will be a reset, as of a broken line."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)
