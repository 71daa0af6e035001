"""How long a whole operation may take, whatever its parts do."""

from __future__ import annotations

import time

from calreg.errors import TransportError

__all__ = ["Deadline"]


class Deadline:
    """A point in time, `seconds` from now, on a clock that nobody sets."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return not self._end - time.monotonic() > 0

    def left_s(self) -> float:
        """The seconds that are left, more than 0.

        Raises:
            TransportError: None are.
        """
        left = self._end - time.monotonic()
        if not left > 0:
            raise TransportError(
                f"not done within {self.seconds:g} s",
                hint="Try again, or allow more time (deadline_s).",
                code="deadline",
            )
        return left
