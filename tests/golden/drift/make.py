"""Make drift.json: drift metrics computed by other software than calreg.

    python tests/golden/drift/make.py > tests/golden/drift/drift.json

Percentiles are the standard library's `statistics.quantiles(method="inclusive")` (Hyndman
& Fan type 7), IQR and histogram cells scipy's and numpy's, the divergence
`scipy.spatial.distance.jensenshannon(base=2)`. The scores stand in the file beside them.
"""

from __future__ import annotations

import json
import platform
import statistics
import sys

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import jensenshannon

Scores = NDArray[np.float64]


def _cells(scores: Scores) -> Scores:
    """Shares of 20 equal cells of [0, 1], the scores below and above added at the ends."""
    inside, _ = np.histogram(scores, bins=np.arange(21) / 20)
    ends = (scores < 0).sum(), (scores > 1).sum()
    return np.array([ends[0], *inside, ends[1]]) / len(scores)


def _metrics(new: Scores, reference: Scores) -> dict[str, float]:
    cut = [
        statistics.quantiles(side.tolist(), n=20, method="inclusive") for side in (new, reference)
    ]
    (new5, new50, new95), (ref5, ref50, ref95) = ((c[0], c[9], c[18]) for c in cut)
    return {
        "apd_p5": abs(new5 - ref5),
        "apd_p95": abs(new95 - ref95),
        "srd": abs((new95 - new5) - (ref95 - ref5)) / (ref95 - ref5),
        "jsd": float(jensenshannon(_cells(new), _cells(reference), base=2)),
        "median_drift": abs(new50 - ref50),
        "iqr_drift": abs(stats.iqr(new) - stats.iqr(reference)) / stats.iqr(reference),
    }


def main() -> None:
    """Write the cases to standard output."""
    rng = np.random.default_rng(7)
    pairs = {
        "smooth": (rng.beta(2, 3, 240), rng.beta(2.4, 3, 180)),
        "two modes": (
            np.append(rng.beta(3, 12, 90), rng.beta(14, 3, 110)),
            np.append(rng.beta(3, 12, 60), rng.beta(14, 3, 150)),
        ),
        "beyond the grid": (rng.normal(0.5, 0.4, 150), rng.normal(0.6, 0.35, 210)),
        "empty cells": (rng.beta(0.2, 6, 130), rng.beta(6, 0.2, 130)),
    }
    cases = []
    for name, sides in pairs.items():
        # Off the cells' edges, so that no tool's rounding of an edge can matter.
        new, reference = (np.floor(side * 1000) / 1000 + 0.0005 for side in sides)
        cases.append(
            {
                "name": name,
                "new": np.round(new, 4).tolist(),
                "reference": np.round(reference, 4).tolist(),
                "metrics": _metrics(np.round(new, 4), np.round(reference, 4)),
            }
        )
    made_by = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "command": "python tests/golden/drift/make.py > tests/golden/drift/drift.json",
    }
    json.dump({"made_by": made_by, "cases": cases}, sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
