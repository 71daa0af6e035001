"""What lies on the desk of a person at a terminal: tables of scores, and a folder's digests."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np


def scores(count: int, *, seed: int = 0, power: float = 1.0) -> np.ndarray:
    """Uniform scores to a power: another power is another distribution."""
    return np.random.default_rng(seed).random(count) ** power


def wide(path: Path, **labels: np.ndarray) -> Path:
    """A table of one head: a column score_<label> per label."""
    names = list(labels)
    lines = [",".join(["item", *(f"score_{name}" for name in names)])]
    lines += [
        ",".join([str(number), *(repr(float(value)) for value in row)])
        for number, row in enumerate(zip(*labels.values(), strict=True))
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def first_table(path: Path) -> Path:
    """400 scores of two labels of one head."""
    return wide(path, happy=scores(400), sad=scores(400, seed=1))


def fingerprint(folder: Path) -> dict[str, str]:
    """Every file below a folder and the digest of its bytes; git's own included."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "lock"
    }
