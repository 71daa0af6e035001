"""Predictions against outcomes, from files to suggestions: time and peak memory.

    python tests/benchmarks/bench_feedback.py [--rows 1000000] [--repeats 3] [--bytes 550]

Predictions are JSONL of about `--bytes` a line, as applications write them with all that
they knew; outcomes are CSV in another order. Each run is a process of its own, so that the
peak is that of one loop; the limits are 10 s and 1.5 GB for a million on either side.
"""

from __future__ import annotations

import argparse
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

GROUPS = ("new", "like_new", "used_good", "used_fair", "open_box", "for_parts", "unknown")


def write(folder: Path, rows: int, width: int) -> None:
    """Write both files: nine in ten keys are on both sides, half of the items sold."""
    draw = random.Random(1)
    with (folder / "predictions.jsonl").open("w", encoding="utf-8") as file:
        for item in range(rows):
            line = (
                f'{{"sku_local": "A-{item:08d}", "est_price_mu": {draw.lognormvariate(3, 1):.2f}, '
                f'"sell_p60": {draw.random():.4f}, "sell_hazard_daily": 0.0109, "horizon_days": 60,'
                f' "condition_bucket": "{draw.choice(GROUPS)}", "factor": 0.9, "context": "'
            )
            file.write(f'{line}{"x" * max(0, width - len(line) - 3)}"}}\n')
    order = list(range(rows // 10, rows + rows // 10))
    draw.shuffle(order)
    with (folder / "outcomes.csv").open("w", encoding="utf-8") as file:
        file.write("sku_local,realized_price,sold_within_horizon,days_to_sale\n")
        for item in order:
            sold = f"{draw.lognormvariate(3, 1):.2f},True,{draw.randrange(1, 61)}"
            file.write(f"A-{item:08d},{sold if draw.random() < 0.5 else ',False,'}\n")


def once(folder: Path) -> None:
    """Print the seconds and the peak of this process after one loop."""
    start = time.perf_counter()
    from calreg.feedback.figures import feedback_figures, feedback_figures_by_group
    from calreg.feedback.suggest import suggest_factors
    from calreg.scores.feedback import read_feedback
    from calreg.scores.feedback_columns import FeedbackTable

    joined = read_feedback(
        FeedbackTable("predictions", (str(folder / "predictions.jsonl"),)),
        FeedbackTable("outcomes", (str(folder / "outcomes.csv"),)),
    )
    read = time.perf_counter() - start
    feedback_figures(joined)
    feedback_figures_by_group(joined)
    suggest_factors(joined)
    whole = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"{read:.2f} {whole:.2f} {peak:.0f} {joined.counts.matched}")


def main() -> None:
    """Write the files, run the loop some times, print the medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--bytes", type=int, default=550)
    parser.add_argument("--once", type=Path)
    options = parser.parse_args()
    if options.once is not None:
        once(options.once)
        return
    import duckdb
    import numpy as np

    print(f"Python {platform.python_version()}, numpy {np.__version__}, ", end="")
    print(f"DuckDB {duckdb.__version__}, {platform.machine()}")
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), options.rows, options.bytes)
        found = []
        for _ in range(options.repeats):
            command = [sys.executable, __file__, "--once", name]
            ran = subprocess.run(command, check=True, capture_output=True, text=True)
            found.append(tuple(map(float, ran.stdout.split())))
    read, whole, peak, matched = (median(column) for column in zip(*found, strict=True))
    print(
        f"{options.rows:,} predictions of about {options.bytes} bytes, as many outcomes, ", end=""
    )
    print(f"{matched:,.0f} matched: read and joined {read:.2f} s, whole {whole:.2f} s, ", end="")
    print(f"peak {peak:,.0f} MB (limits 10 s, 1,500 MB)")


if __name__ == "__main__":
    main()
