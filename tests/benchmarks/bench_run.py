"""How long calreg takes for a table of scores, in turn with DuckDB's own quantiles of it.

Each turn is a process of its own, start-up included. `--part read` measures the reading of
scores, `--part run` the whole of `calreg run --dry-run`. DuckDB computes seven quantiles
per label and nothing else; calreg also describes, checks and compares.

    python tests/benchmarks/bench_run.py --rows 10000000 --labels 100
    python tests/benchmarks/bench_run.py --rows 1000000 --labels 100 --wide
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import duckdb

QUANTILES = "[0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]"
READ = (
    "import sys; from calreg.scores import ScoreTable, read_scores; "
    "read_scores(ScoreTable((sys.argv[1],)), grid_of=lambda head, label: None)"
)
QUERY = "import sys, duckdb; duckdb.connect().execute(sys.argv[1]).fetchall()"
ORDERS = {"items": "i", "labels": "label, i", "random": "hash(i)"}


def generate(path: Path, options: argparse.Namespace) -> None:
    """Write the table: long ones item by item unless another order is asked for."""
    score = f"(random() * random())::{options.type}"
    if options.wide:
        columns = ", ".join(f'{score} AS "net/head:label_{n}"' for n in range(options.labels))
        query = f"SELECT {columns} FROM range({options.rows})"
    else:
        query = (
            "SELECT 'some/net' AS model, 'head' AS head, "
            f"'label_' || (i % {options.labels}) AS label, {score} AS score "
            f"FROM range({options.rows}) t(i)"
        )
        if options.order != "items":
            query += f" ORDER BY {ORDERS[options.order]}"
    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")


def duckdb_query(path: Path, options: argparse.Namespace) -> str:
    """The quantiles of every label, each from a cast to DOUBLE as exactness needs."""
    if options.wide:
        each = ", ".join(
            f'quantile_cont("net/head:label_{n}"::DOUBLE, {QUANTILES})'
            for n in range(options.labels)
        )
        return f"SELECT {each} FROM '{path}'"
    return (
        f"SELECT model, head, label, quantile_cont(score::DOUBLE, {QUANTILES}) "
        f"FROM '{path}' GROUP BY ALL"
    )


def measured(command: list[str]) -> tuple[float, float]:
    """Seconds and peak MB of one process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command[0]} ended with exit code {process.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def ours(path: Path, folder: Path, part: str) -> list[str]:
    """The command to measure, everything it needs prepared."""
    if part == "read":
        return [sys.executable, "-c", READ, str(path)]
    calreg = [str(Path(sys.executable).with_name("calreg"))]
    registry = folder / "registry"
    identity = {"GIT_AUTHOR_NAME": "bench", "GIT_AUTHOR_EMAIL": "bench@example.org"}
    identity |= {key.replace("AUTHOR", "COMMITTER"): text for key, text in identity.items()}
    os.environ.update(identity)
    subprocess.run([*calreg, "init", str(registry)], check=True, stdout=subprocess.DEVNULL)
    return [*calreg, "--registry", str(registry), "run", "--dry-run", "--json", str(path)]


def main() -> None:
    """Measure in turn, print medians and the median of the ratios of pairs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--wide", action="store_true", help="a column per label")
    parser.add_argument("--order", choices=sorted(ORDERS), default="items")
    parser.add_argument("--type", choices=["FLOAT", "DOUBLE"], default="FLOAT")
    parser.add_argument("--part", choices=["read", "run"], default="read")
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-run-") as name:
        folder = Path(name)
        path = folder / "scores.parquet"
        # In a process of its own: a child's peak is at least what its parent held.
        making = get_context("spawn").Process(target=generate, args=(path, options))
        making.start()
        making.join()
        peer = [sys.executable, "-c", QUERY, duckdb_query(path, options)]
        own = ours(path, folder, options.part)
        measured(own)
        measured(peer)
        pairs = [(measured(own), measured(peer)) for _ in range(options.pairs)]
    report(options, pairs)


def report(
    options: argparse.Namespace, pairs: list[tuple[tuple[float, float], tuple[float, float]]]
) -> None:
    """Print what was measured."""
    form = "wide" if options.wide else f"long by {options.order}"
    print(f"{options.rows:,} rows, {options.labels} labels, {form}, {options.type}, {options.part}")
    for name, place in (("calreg", 0), ("DuckDB", 1)):
        seconds = statistics.median(pair[place][0] for pair in pairs)
        peak = max(pair[place][1] for pair in pairs)
        print(f"  {name:7} {seconds:6.2f} s  {peak:6.0f} MB peak")
    ratios = sorted(own[0] / peer[0] for own, peer in pairs)
    print(f"  ratio   {statistics.median(ratios):6.2f}    from {ratios[0]:.2f} to {ratios[-1]:.2f}")
    used = ", ".join(f"{name} {version(name)}" for name in ("calreg", "duckdb", "numpy"))
    print(f"  {used}, Python {platform.python_version()}, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
