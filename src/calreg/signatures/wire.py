"""The strings that SSH writes into keys and signatures: a length and so many bytes.

It reads strictly and to the end: bytes that are left over are as wrong as bytes that are
missing.

References:
    RFC 4251 (2006), section 5.
"""

from __future__ import annotations

__all__ = ["Reader", "string"]


def string(content: bytes) -> bytes:
    """The content with its length before it, four bytes, big end first."""
    return len(content).to_bytes(4, "big") + content


class Reader:
    """Reads one buffer from its begin to its end.

    Every method raises ValueError when the buffer holds something else.
    """

    def __init__(self, buffer: bytes) -> None:
        self._rest = buffer

    def exactly(self, count: int) -> bytes:
        """The next bytes, so many."""
        if len(self._rest) < count:
            raise ValueError("cut short")
        found, self._rest = self._rest[:count], self._rest[count:]
        return found

    def number(self) -> int:
        """The next four bytes as a number that is not negative."""
        return int.from_bytes(self.exactly(4), "big")

    def string(self) -> bytes:
        """The content of the next string."""
        return self.exactly(self.number())

    def end(self) -> None:
        """Nothing; refuses what is left over."""
        if self._rest:
            raise ValueError(f"{len(self._rest)} bytes too many")
