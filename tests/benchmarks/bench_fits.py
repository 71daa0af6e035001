"""Time, memory and loss of fitting probability maps, against scikit-learn and betacal.

    python tests/benchmarks/bench_fits.py [--rows 1000000] [--labels 10] [--pairs 5]

Ours and the peer's run in turn on the same scores; times are of the processor, which other
work on the machine does not lengthen, and the ratio is of their medians. Memory is the
peak of what numpy allocated during our fit, in sizes of the scores it was given. The
difference is of the parameters; where it is not small, the losses say who is nearer.
Beta's peer is betacal where it is installed (`pip install betacal`), else the regression
without a penalty that it consists of.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import time
import tracemalloc
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import sklearn
from sklearn.calibration import _SigmoidCalibration, _TemperatureScaling
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from calreg.calibrate.fits import (
    fit_beta,
    fit_histogram,
    fit_isotonic,
    fit_platt,
    fit_temperature,
)

Fit = Callable[[], Any]


def _seconds(fit: Fit) -> float:
    start = time.process_time()
    fit()
    return time.process_time() - start


def _peak(fit: Fit) -> int:
    tracemalloc.start()
    fit()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def _compare(name: str, ours: Fit, peer: Fit | None, size: int, pairs: int) -> None:
    """One line: medians, ratio, memory, and the first parameter of both."""
    times = [(_seconds(ours), _seconds(peer) if peer else 0.0) for _ in range(pairs)]
    mine, theirs = (median(side) for side in zip(*times, strict=True))
    first = next(iter(ours().values()))
    line = f"{name:24} {1000 * mine:8.1f} ms, {_peak(ours) / size:4.2f} x memory"
    if peer is not None:
        line += f"   peer {1000 * theirs:8.1f} ms   ratio {theirs / mine:5.1f}"
        if isinstance(first, float):
            line += f"   {first:.10g} / {float(peer()):.10g}"
    print(line, flush=True)


def _beta_peer(scores: Any, truth: Any) -> tuple[str, Fit]:
    try:
        from betacal import BetaCalibration
    except ImportError:

        def regression() -> float:
            logs = np.column_stack([np.log(scores), -np.log1p(-scores)])
            model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
            return model.fit(logs, truth).coef_[0, 0]

        return f"LogisticRegression of scikit-learn {sklearn.__version__}", regression

    def beta() -> float:
        return BetaCalibration(parameters="abm").fit(scores, truth).calibrator_.map_[0]

    return f"betacal {importlib.metadata.version('betacal')}", beta


def _temperatures(rows: int, labels: int, pairs: int, rng: np.random.Generator) -> None:
    true = rng.integers(0, labels, rows)
    logits = rng.normal(size=(rows, labels))
    logits[np.arange(rows), true] += 1.5
    logits *= 5
    for kind in (np.float64, np.float32):
        matrix = logits.astype(kind)
        columns = [(np.ascontiguousarray(matrix[:, k]), true == k) for k in range(labels)]

        def ours(columns: Any = columns) -> Any:
            return fit_temperature(columns, link="softmax", scale="logit")

        def peer(matrix: Any = matrix) -> float:
            return 1 / _TemperatureScaling().fit(matrix, true).beta_

        name = f"temperature {np.dtype(kind).name}"
        _compare(name, ours, peer, matrix.nbytes, pairs)
        apart = [(scores - 5, truth) for scores, truth in columns[:-1]]
        _compare(
            f"  labels apart, x {len(apart)}",
            lambda apart=apart: fit_temperature(apart, link="sigmoid", scale="logit"),
            None,
            sum(scores.nbytes for scores, _ in apart),
            pairs,
        )


def _of_one_label(rows: int, pairs: int, rng: np.random.Generator) -> None:
    truth = rng.random(rows) < 0.3
    scores = rng.normal(size=rows) * 2 + 3 * truth
    probabilities = np.where(truth, rng.beta(3, 2, rows), rng.beta(2, 4, rows))
    probabilities = probabilities.clip(1e-7, 1 - 1e-7)
    number = truth.astype(np.float64)
    _compare(
        "platt",
        lambda: fit_platt(scores, truth),
        lambda: -_SigmoidCalibration().fit(scores, number).a_,
        scores.nbytes,
        pairs,
    )
    name, peer = _beta_peer(probabilities, number)
    print(f"beta's peer is {name}")
    _compare(
        "beta",
        lambda: fit_beta(probabilities, truth, scale="probability"),
        peer,
        scores.nbytes,
        pairs,
    )
    for kind in (np.float64, np.float32):
        given = scores.astype(kind)
        _compare(
            f"isotonic {np.dtype(kind).name}",
            lambda given=given: fit_isotonic(given, truth, direction="higher"),
            lambda given=given: IsotonicRegression(out_of_bounds="clip").fit(given, number),
            given.nbytes,
            pairs,
        )
    _compare(
        "histogram",
        lambda: fit_histogram(scores, truth, direction="higher"),
        None,
        scores.nbytes,
        pairs,
    )


def main() -> None:
    """Print one line per method."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--labels", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    print(
        f"Python {platform.python_version()}, numpy {np.__version__},"
        f" scikit-learn {sklearn.__version__}, {platform.machine()}"
    )
    print(f"{options.rows:,} rows, {options.labels} labels, CPU time, median of {options.pairs}")
    _temperatures(options.rows, options.labels, options.pairs, rng)
    _of_one_label(options.rows, options.pairs, rng)


if __name__ == "__main__":
    main()
