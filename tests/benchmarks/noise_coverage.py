"""How often each metric stays within its noise when nothing drifted: the table in the docs.

    python tests/benchmarks/noise_coverage.py [--pairs 2000] [--seed 1] [--shape uniform …]

Draws pairs of samples from one distribution and prints, per shape and sizes, the share of
pairs whose metric is at most its noise. 95 % is what the noise promises. A trailing "0"
marks metrics that are exactly zero in most pairs (an atom holds the percentile).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import numpy as np

from calreg.documents.calibration import METRICS, QUANTILES
from calreg.drift import measure
from calreg.noise import noise_of
from calreg.summaries import Floats, Summaries

Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]


def _bimodal(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    is_low = rng.random(shape) < 0.35
    return np.where(is_low, rng.beta(3, 12, shape), rng.beta(14, 3, shape))


def _fine(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """A rare label of a confident classifier: most scores within one stored cell of 0."""
    return np.where(rng.random(shape) < 0.9, rng.beta(0.3, 60, shape), rng.beta(5, 2, shape))


def _torn(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """A confident classifier of two equal halves: the median lies in the gap."""
    return np.where(rng.random(shape) < 0.5, rng.beta(1, 30, shape), rng.beta(30, 1, shape))


SHAPES: dict[str, Draw] = {
    "uniform": lambda rng, shape: rng.random(shape),
    "beta(.5,.5)": lambda rng, shape: rng.beta(0.5, 0.5, shape),
    "normal": lambda rng, shape: np.clip(rng.normal(0.5, 0.15, shape), 0.0, 1.0),
    "clipped": lambda rng, shape: np.clip(rng.normal(0.3, 0.25, shape), 0.0, 1.0),
    "bimodal": _bimodal,
    "torn": _torn,
    "skewed": lambda rng, shape: rng.beta(1, 8, shape),
    "fine": _fine,
}


def summarise(scores: Floats) -> Summaries:
    """The summaries of many samples at once: scores of shape (n_samples, n_scores) in [0, 1]."""
    rows, n = scores.shape
    ordered = np.sort(scores, axis=1)
    # Cells as documents define them: [i/100, (i+1)/100) by the edges' own doubles.
    edges = np.arange(101) / 100
    cell = np.clip(np.searchsorted(edges, ordered, side="right") - 1, 0, 99)
    flat = (cell + 102 * np.arange(rows)[:, None] + 1).ravel()
    counts = np.bincount(flat, minlength=102 * rows).reshape(rows, 102).astype(np.float64)
    quantiles = np.percentile(ordered, [100 * p for p in QUANTILES.values()], axis=1).T
    return Summaries(
        samples=np.full(rows, float(n)),
        bounds=quantiles[:, [1, 5]],
        quantiles=quantiles,
        extremes=ordered[:, [0, -1]],
        grid=np.tile([0.0, 1.0], (rows, 1)),
        counts=counts,
    )


def measure_pairs(
    draw: Draw, new: int, reference: int, *, pairs: int, is_grown: bool, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Metrics and noise of `pairs` comparisons without drift, each of shape (6, pairs)."""
    scores = draw(rng, (pairs, new))
    other = scores[:, :reference] if is_grown else draw(rng, (pairs, reference))
    sides = summarise(scores), summarise(other)
    with np.errstate(divide="ignore", invalid="ignore"):
        own, _ = noise_of(*sides, np.full(pairs, is_grown), np.ones(pairs, np.int64))
        return measure(*sides), own


def cases() -> Iterator[tuple[int, int, bool]]:
    """New and reference sizes, and whether new contains the reference."""
    yield from ((500, 500, False), (1000, 500, False), (1000, 1000, False), (5000, 500, False))
    yield from ((1000, 5000, False), (5000, 5000, False), (200, 200, False))
    yield from ((1000, 500, True), (1100, 1000, True), (5000, 1000, True))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shape", choices=SHAPES, action="append")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    print(f"numpy {np.__version__}, seed {options.seed}, {options.pairs} pairs; % within noise")
    print(f"{'shape':12}{'new':>6}{'ref':>6}{'':6}" + "".join(f"{m:>13}" for m in METRICS))
    for name in options.shape or SHAPES:
        draw = SHAPES[name]
        for new, reference, is_grown in cases():
            metrics, noise = measure_pairs(
                draw, new, reference, pairs=options.pairs, is_grown=is_grown, rng=rng
            )
            within = 100 * (metrics <= noise).mean(axis=1)
            zero = (metrics == 0).mean(axis=1) > 0.5
            marks = [f"{w:11.1f}{' 0' if z else '  '}" for w, z in zip(within, zero, strict=True)]
            grown = " grown" if is_grown else ""
            print(f"{name:12}{new:6}{reference:6}{grown:6}" + "".join(marks))


if __name__ == "__main__":
    main()
