"""Exact thresholds and the grid against scikit-learn and naive numpy, in one run.

    python tests/benchmarks/bench_thresholds.py [--scores 10000000] [--repeats 5] [--only PART]

Parts: `thresholds` (one label of float32 scores, every objective), `grid` (50k x 28 logits,
135 cells), `memory` (peak of a process of its own). Peers are scikit-learn's curves, which a
user would then search, and a grid of sigmoids. Results are compared before they are timed.

numpy's AVX-512 sort is slow on some processors; like the command line, this sets
NPY_DISABLE_CPU_FEATURES there before numpy is imported, for both sides. With that variable
set to an empty text by the caller numpy is left as it comes.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

from calreg.cli.processor import prefer_fast_sort

prefer_fast_sort()  # before numpy is imported, or it does not listen

import numpy as np  # noqa: E402
import sklearn  # noqa: E402
from sklearn.metrics import precision_recall_curve, roc_curve  # noqa: E402

from calreg.calibrate.grid import grid_search  # noqa: E402
from calreg.calibrate.objectives import EXAMPLES, parse_objective  # noqa: E402
from calreg.calibrate.thresholds import best_cut  # noqa: E402


def label(size: int, shape: str = "normal") -> tuple[np.ndarray, np.ndarray]:
    """Scores of one label of which three tenths are positive."""
    rng = np.random.default_rng(1)
    truth = rng.random(size) < 0.3
    scores = rng.normal(np.where(truth, 0.8, -0.8), 1.0)
    if shape == "sigmoid":
        scores = 1.0 / (1.0 + np.exp(-4.0 * scores))
    if shape == "three digits":
        scores = np.round(scores, 3)
    return (rng.random(size) if shape == "useless" else scores).astype(np.float32), truth


def seconds(act: Callable[[], object], repeats: int) -> float:
    """The median time of an act."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        act()
        times.append(time.perf_counter() - start)
    return median(times)


def curve_f1(truth: np.ndarray, scores: np.ndarray) -> float:
    """The threshold of the highest F1 on scikit-learn's curve."""
    precision, recall, cuts = precision_recall_curve(truth, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    return float(cuts[f1.size - 2 - np.argmax(f1[-2::-1])])


def curve_fpr(truth: np.ndarray, scores: np.ndarray) -> float:
    """The threshold of the highest recall within 2 % on scikit-learn's curve."""
    fpr, tpr, cuts = roc_curve(truth, scores, drop_intermediate=False)
    return float(cuts[np.argmax(np.where(fpr <= 0.02, tpr, -1.0))])


def thresholds(size: int, repeats: int) -> None:
    """Print every objective, and the ratio where scikit-learn has the curve."""
    peers = {"max-f1": curve_f1, "max-recall@fpr<=0.02": curve_fpr}
    for shape in ("normal", "sigmoid", "three digits", "useless"):
        scores, truth = label(size, shape)
        print(f"\n{size:,} float32 scores, {shape}")
        for text in EXAMPLES:
            objective = parse_objective(text)
            ours = seconds(lambda: best_cut(scores, truth, objective), repeats)  # noqa: B023
            line = f"  {text:28s} {1000 * ours:8.1f} ms"
            if text in peers and shape != "useless":
                start = time.perf_counter()
                expected = peers[text](truth, scores)
                peer = time.perf_counter() - start
                found = best_cut(scores, truth, objective).threshold
                same = "same threshold" if found == expected else f"{found!r} != {expected!r}"
                line += f"   {peers[text].__name__} {peer:6.2f} s  {peer / ours:6.1f}x  {same}"
            print(line, flush=True)


def naive_grid(logits: np.ndarray, truth: np.ndarray, axes: tuple[np.ndarray, ...]) -> np.ndarray:
    """Micro F1 of every cell by a sigmoid per temperature and a comparison per cell."""
    positives = truth.sum()
    found = []
    for temperature in axes[0]:
        probability = 1.0 / (1.0 + np.exp(-logits / temperature))
        for threshold in axes[1]:
            fires = probability >= threshold
            tp = (fires & truth).sum(axis=0)
            found.append(2 * tp.sum() / (fires.sum() + positives))
    return np.array(found)


def grid(repeats: int) -> None:
    """Print the grid of 15 x 9 cells against naive numpy."""
    rng = np.random.default_rng(2)
    truth = rng.random((50_000, 28)) < rng.uniform(0.02, 0.3, 28)
    logits = rng.normal(np.where(truth, 3.0, -6.0), 6.0).astype(np.float32)
    axes = np.arange(1.0, 16.0), np.arange(1, 10) / 10
    columns = [
        (np.ascontiguousarray(logits[:, at]), np.ascontiguousarray(truth[:, at]))
        for at in range(28)
    ]
    expected = naive_grid(logits.astype(np.float64), truth, axes)
    found = grid_search(columns, *axes).micro_f1.ravel()
    ours = seconds(lambda: grid_search(columns, *axes), repeats)
    peer = seconds(lambda: naive_grid(logits, truth, axes), 3)
    off = np.abs(found - expected).max()
    print(
        f"\ngrid, 50k x 28, 135 cells: {1000 * ours:.1f} ms, naive float32 numpy {peer:.2f} s, ",
        end="",
    )
    print(f"{peer / ours:.1f}x, largest difference of micro F1 {off:.1e}", flush=True)


def memory(size: int) -> None:
    """Print the peak of a process that holds one label and tunes it, less what it starts with."""
    for text in ("max-f1", "max-recall@fpr<=0.02", "youden"):
        for shape in ("normal", "useless"):
            command = [sys.executable, __file__, "--only", f"peak {text} {shape}"]
            said = subprocess.run(
                [*command, "--scores", str(size)], check=True, capture_output=True, text=True
            )
            print(said.stdout.strip(), flush=True)


def peak(text: str, shape: str, size: int) -> None:
    """Print this process's peak above what it held, in units of the scores, these included."""
    scores, truth = label(size, shape)
    best_cut(scores[:1000], truth[:1000], parse_objective(text))
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:  # noqa: PTH123
        file.write("5")  # the peak starts anew
    before = _status("VmRSS")
    best_cut(scores, truth, parse_objective(text))
    more = (_status("VmHWM") - before) * 1024 / scores.nbytes
    print(f"memory {text} {shape}: scores 1 + {more:.2f} of their size on top")


def _status(key: str) -> int:
    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123
        return next(int(line.split()[1]) for line in file if line.startswith(f"{key}:"))


def main() -> None:
    """Run the parts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scores", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="thresholds,grid,memory")
    options = parser.parse_args()
    if options.only.startswith("peak "):
        _, text, shape = options.only.split(" ", 2)
        peak(text, shape, options.scores)
        return
    switch = os.environ.get("NPY_DISABLE_CPU_FEATURES", "")
    print(f"Python {platform.python_version()}, numpy {np.__version__}, ", end="")
    print(f"scikit-learn {sklearn.__version__}, {platform.machine()}, ", end="")
    print(f"NPY_DISABLE_CPU_FEATURES={switch!r}")
    if "thresholds" in options.only:
        thresholds(options.scores, options.repeats)
    if "grid" in options.only:
        grid(options.repeats)
    if "memory" in options.only:
        memory(options.scores)


if __name__ == "__main__":
    main()
