"""Data sets, scorers that are values, and a collect that needs no command line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from calreg.collect import Collected, Request, Scorer, collect

WHEN = "2026-01-02T03:04:05.000Z"

__all__ = ["WHEN", "Recording", "data_set", "lines_of", "run", "score_of"]


def score_of(item: str) -> float:
    """What every scorer here gives an item: the number at the end of its name, over 1,000."""
    return int(item.rpartition("-")[2]) / 1000


def data_set(file: Path, items: Iterable[str]) -> Path:
    """A CSV file of items with a text, truth and a group."""
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["item", "text", "y_spam", "group", "other"])
        for number, item in enumerate(items):
            writer.writerow([item, f"text of {item}", number % 2, f"g{number // 10}", "x"])
    return file


class Recording:
    """A scorer of batches that remembers what it was asked for."""

    def __init__(self, answer: Callable[[dict[str, Any]], Any] | None = None) -> None:
        self.batches: list[list[str]] = []
        self._answer = answer or (lambda item: score_of(item["item"]))

    def __call__(self, items: list[dict[str, Any]]) -> list[Any]:
        """One answer per item."""
        self.batches.append([item["item"] for item in items])
        return [self._answer(item) for item in items]

    @property
    def asked(self) -> list[str]:
        """All items, in the order of the questions."""
        return [item for batch in self.batches for item in batch]


def run(data: Path | tuple[str, ...], out: Path, function: Any, **options: Any) -> Collected:
    """Collect with a function as the scorer."""
    how = {name: options.pop(name) for name in ("per_item", "retry") if name in options}
    name = options.pop("name", "m:f")
    digest = options.pop("digest", None)
    dataset = data if isinstance(data, tuple) else (str(data),)
    request = Request(dataset=dataset, out=out, scorer=name, moment=WHEN, **options)
    return collect(request, lambda: Scorer(name, function, digest=digest, **how))


def lines_of(out: Path) -> list[dict[str, Any]]:
    """The records of an output."""
    return [json.loads(line) for line in out.read_text().splitlines()]
