"""What `git log` says of commits, as values."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LOG_FORMAT", "LogEntry", "log_entries"]

LOG_FORMAT = "%H%x00%P%x00%an%x00%ae%x00%ct%x00%s%x00%(trailers:only,unfold)"
_FIELDS = 7


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One commit of a log; `time_s` in seconds since 1970, trailers in their order."""

    commit: str
    parents: tuple[str, ...]
    author: str
    email: str
    time_s: int
    subject: str
    trailers: tuple[tuple[str, str], ...]


def log_entries(output: bytes) -> list[LogEntry]:
    """The commits that `git log -z` printed in `LOG_FORMAT`."""
    fields = output.decode("utf-8", "replace").removesuffix("\0").split("\0")
    starts = range(0, len(fields) - _FIELDS + 1, _FIELDS)
    return [_log_entry(fields[start : start + _FIELDS]) for start in starts]


def _log_entry(fields: list[str]) -> LogEntry:
    commit, parents, author, email, time_s, subject, trailers = fields
    pairs = (line.partition(": ") for line in trailers.splitlines() if ": " in line)
    return LogEntry(
        commit=commit.lstrip("\n"),
        parents=tuple(parents.split()),
        author=author,
        email=email,
        time_s=int(time_s),
        subject=subject,
        trailers=tuple((key, value) for key, _, value in pairs),
    )
