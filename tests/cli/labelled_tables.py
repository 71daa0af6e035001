"""Tables of scores with truth on the desk of somebody who tunes."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def table(path: Path, *, rows: int = 300, seed: int = 0, kind: str = "score", **labels) -> Path:
    """A wide table: per label a share of positives and how far apart its scores are."""
    rng = np.random.default_rng(seed)
    wanted = labels or {"scam": (0.3, 1.5), "promo": (0.5, 1.0)}
    columns: dict[str, list[str]] = {"item": [f"{path.stem}-{n:04d}" for n in range(rows)]}
    columns["text_key"] = [f"{path.stem}-t{n}" for n in range(rows)]
    columns["group"] = [f"g{n % 20}" for n in range(rows)]
    for label, (share, apart) in wanted.items():
        truth = rng.random(rows) < share
        logits = rng.normal(size=rows) + apart * truth
        shown = logits if kind == "logit" else 1 / (1 + np.exp(-3 * logits))
        columns[f"y_{label}"] = [str(int(value)) for value in truth]
        columns[f"{kind}_{label}"] = [repr(float(value)) for value in shown]
    lines = [",".join(columns), *(",".join(row) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
