"""Where an output lies, and the files beside it that belong to it.

`out.jsonl` is its own journal. A Parquet file cannot be added to, so `out.parquet` is made
in one step at the end, of a journal beside it that then goes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from calreg.errors import InputError, UsageError

__all__ = ["Target", "target_of"]

_ENDINGS = (".jsonl", ".ndjson", ".parquet")


@dataclass(frozen=True, slots=True)
class Target:
    """The paths of one output."""

    out: Path

    @property
    def is_parquet(self) -> bool:
        """Whether the journal becomes another file at the end."""
        return self.out.suffix.lower() == ".parquet"

    @property
    def journal(self) -> Path:
        """Where records are added."""
        return self._beside("{}.collect.jsonl") if self.is_parquet else self.out

    @property
    def header(self) -> Path:
        """What the output was begun with."""
        return self._beside("{}.collect.json")

    @property
    def lock(self) -> Path:
        """Held while somebody collects; it stays, empty of meaning."""
        return self._beside(".{}.collect.lock")

    @property
    def part(self) -> Path:
        """The Parquet file until it is whole."""
        return self._beside(".{}.collect.part")

    @property
    def files(self) -> tuple[Path, ...]:
        """All that may hold something of the output."""
        return tuple(dict.fromkeys((self.out, self.journal, self.header)))

    def _beside(self, pattern: str) -> Path:
        return self.out.with_name(pattern.format(self.out.name))

    def refuse_input(self, paths: Iterable[str]) -> None:
        """Refuse a data set that names the output itself.

        Raises:
            InputError: It does.
        """
        if any(Path(path).resolve() == self.out.resolve() for path in paths):
            raise InputError("is the data set to read", where=str(self.out), code="output")

    def refuse_foreign(self) -> None:
        """Refuse files that no collecting is known to have made.

        Raises:
            InputError: There are some.
        """
        for file in (self.out, self.journal):
            if file.exists():
                raise InputError(
                    "exists, and nothing says that calreg collect made it",
                    where=str(file),
                    hint="Name another --out, or --restart: it moves this one aside.",
                    code="output",
                )

    def has_records(self) -> bool:
        """Whether anything was written to the journal."""
        return self.journal.exists() and self.journal.stat().st_size > 0

    def forget_journal(self) -> None:
        """Remove the journal of a Parquet file that holds everything itself."""
        if self.is_parquet:
            self.journal.unlink(missing_ok=True)

    def set_aside(self, moment: str) -> list[Path]:
        """Move all files of the output to names that say when; where they are now."""
        there = [file for file in self.files if file.exists()]
        suffix, number = f".bak-{moment}", 1
        while any(file.with_name(file.name + suffix).exists() for file in there):
            number += 1
            suffix = f".bak-{moment}-{number}"
        # The header goes last: without it what is left would be nobody's.
        return [file.rename(file.with_name(file.name + suffix)) for file in there]


def target_of(out: Path) -> Target:
    """The output, if it can be one.

    Raises:
        UsageError: Its name does not say that it is JSONL or Parquet.
        InputError: It is a folder, or lies in none.
    """
    if out.suffix.lower() not in _ENDINGS:
        raise UsageError(f"expected an output that ends in .jsonl or .parquet, got {out.name!r}")
    if out.is_dir():
        raise InputError("is a folder", where=str(out), code="output")
    if not out.parent.is_dir():
        raise InputError(
            "there is no such folder to write to", where=str(out.parent), code="output"
        )
    return Target(out)
