"""What can go wrong, said once.

Every error a user can cause is one of these: a message of one line (what, expected,
got), a place, and a hint that says what to do next. The command line turns them into
exit codes at its edge and nowhere else. Nothing here prints or exits.

To add one: subclass a branch only where a caller must tell it apart from its siblings;
otherwise raise the branch with a `code`.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "CalregError",
    "DigestMismatchError",
    "InputError",
    "MissingExtraError",
    "RegistryError",
    "StaleRegistryError",
    "TransportError",
    "UsageError",
]


class CalregError(Exception):
    """The root of every error that is somebody's, not ours.

    Args:
        message: One line: what, expected, got, in the user's words.
        hint: One line of advice, apart from the message.
        where: The place: a file, a line, a JSON pointer, a label.
        code: A stable slug for programs; defaults to the branch's.
    """

    exit_code: ClassVar[int] = 70
    default_code: ClassVar[str] = "bug"
    default_hint: ClassVar[str | None] = None

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        where: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint if hint is not None else self.default_hint
        self.where = where
        self.code = code or self.default_code

    def __str__(self) -> str:
        if self.where is None or self.message.startswith(self.where):
            return self.message
        return f"{self.where}: {self.message}"


class UsageError(CalregError):
    """A command or option that makes no sense as given."""

    exit_code = 2
    default_code = "usage"


class MissingExtraError(UsageError):
    """A command that needs an extra which is not installed."""

    default_code = "missing-extra"

    def __init__(self, extra: str, *, needs: str) -> None:
        super().__init__(
            f"this needs {needs}, which is not installed",
            hint=f"pip install 'calreg[{extra}]'",
        )
        self.extra = extra


class InputError(CalregError):
    """Input that is refused: scores, a document, a registry file, a name."""

    exit_code = 3
    default_code = "input"


class RegistryError(CalregError):
    """Something the registry does not allow."""

    exit_code = 4
    default_code = "registry"


class DigestMismatchError(RegistryError):
    """Bytes that are not the bytes the registry names."""

    default_code = "digest-mismatch"
    default_hint = "Pull again; if it repeats, the registry or the mirror was altered."

    def __init__(self, path: str, *, expected: str, actual: str) -> None:
        super().__init__(f"{path}: expected sha256 {expected}, got {actual}", where=path)
        self.path, self.expected, self.actual = path, expected, actual


class StaleRegistryError(RegistryError):
    """Somebody else published between our read and our push."""

    default_code = "stale-registry"


class TransportError(CalregError):
    """git or the network: not reachable, timed out, refused to talk."""

    exit_code = 5
    default_code = "transport"
