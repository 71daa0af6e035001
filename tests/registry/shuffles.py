"""Is the drift of run 2 in the data, or would any order of the rows show as much?

    python tests/registry/shuffles.py

For each head: how far its worst metric lies beyond its noise when the first rows of the file
are compared with the first and the next, and how many shuffles of the rows reach that.
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict

import make_registry
import numpy as np
from numpy.typing import NDArray

from calreg.calibrate import describe, minmax
from calreg.documents import DEFAULT_THRESHOLDS, LabelCalibration
from calreg.drift import drift_between

SHUFFLES = 30
Floats = NDArray[np.float64]


def scores_of(name: str) -> dict[str, dict[str, Floats]]:
    """Head to label to scores, float64, shape (n_items,), in the order of the file."""
    lines = gzip.decompress(make_registry.table(name).read_bytes()).decode().splitlines()
    header, *rows = csv.reader(lines)
    columns = np.array(rows, dtype=np.float64).T
    heads: dict[str, dict[str, Floats]] = defaultdict(dict)
    for title, column in zip(header[1:], columns[1:], strict=True):
        head, _, label = title.partition(":")
        heads[head][label] = column
    return heads


def calibrated(labels: dict[str, Floats], rows: NDArray[np.intp]) -> dict[str, LabelCalibration]:
    """The calibration of some rows."""
    return {
        label: minmax(describe(scores[rows], grid=(0.0, 1.0))) for label, scores in labels.items()
    }


def beyond_noise(
    labels: dict[str, Floats], order: NDArray[np.intp], items: tuple[int, ...]
) -> float:
    """The largest failed metric, in units of its noise; 0 if none failed."""
    drift = drift_between(
        calibrated(labels, order[: items[1]]),
        calibrated(labels, order[: items[0]]),
        thresholds=DEFAULT_THRESHOLDS,
        assume="grown",
    )
    return max(
        (
            (row.metrics[metric] or 0.0) / noise
            for row in drift.labels.values()
            for metric in row.failed_metrics
            if (noise := row.noise.get(metric))
        ),
        default=0.0,
    )


def main() -> None:
    """Print one line per head."""
    for name, items in make_registry.ITEMS.items():
        for head, labels in scores_of(name).items():
            order = np.arange(len(next(iter(labels.values()))))
            real = beyond_noise(labels, order, items)
            shuffled = [
                beyond_noise(labels, np.random.default_rng(seed).permutation(order), items)
                for seed in range(SHUFFLES)
            ]
            as_far = sum(ratio >= real for ratio in shuffled) if real else None
            print(f"{head}: {real:.2f} times its noise; as far: {as_far} of {SHUFFLES} shuffles")


if __name__ == "__main__":
    main()
