"""Compute time of the drift of many heads from what their documents hold.

    python tests/benchmarks/bench_drift.py [--heads 1000] [--labels 2] [--repeats 7] [--varied]

Prints CPU time of `drifts` and, for scale, of parsing the same documents with the
standard library's json, which is what a caller has to do before.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from statistics import median

import numpy as np

from calreg.calibrate import describe, minmax
from calreg.documents.calibration import METRICS, LabelCalibration
from calreg.drift import Pair, drifts

LIMITS = dict(zip(METRICS, (0.01, 0.01, 0.05, 0.1, 0.05, 0.1), strict=True))


def _labels(rng: np.random.Generator, count: int, n: int) -> dict[str, LabelCalibration]:
    return {f"l{i}": minmax(describe(rng.beta(2, 3, n), grid=(0.0, 1.0))) for i in range(count)}


def _cpu_ms(act: Callable[[], object], repeats: int) -> list[float]:
    times = []
    for _ in range(repeats):
        start = time.process_time()
        act()
        times.append(1000 * (time.process_time() - start))
    return times


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--heads", type=int, default=1000)
    parser.add_argument("--labels", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--varied", action="store_true", help="every head has its own sizes")
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    sizes = rng.integers(800, 3000, (options.heads, 2)) if options.varied else None
    new, old = sizes.T if sizes is not None else np.full((2, options.heads), [[2000], [1500]])
    pairs = [
        Pair(_labels(rng, options.labels, int(n)), _labels(rng, options.labels, int(m)), LIMITS)
        for n, m in zip(new, old, strict=True)
    ]
    sides = [side for pair in pairs for side in (pair.new, pair.reference or {})]
    texts = [json.dumps([label.to_json() for label in side.values()]) for side in sides]
    ours = _cpu_ms(lambda: drifts(pairs), options.repeats)
    parsing = _cpu_ms(lambda: [json.loads(text) for text in texts], options.repeats)
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}")
    print(f"{options.heads} heads x {options.labels} labels, CPU ms, median (least)")
    print(f"drift, noise, verdicts {median(ours):8.1f} ({min(ours):.1f})")
    print(f"json.loads of the same {median(parsing):8.1f} ({min(parsing):.1f})")
    print(f"ratio                  {median(ours) / median(parsing):8.2f}")


if __name__ == "__main__":
    main()
