"""Which items change between two references, over a hundred million scores.

    python tests/benchmarks/bench_retag.py [--rows 100000000] [--labels 32] [--folder DIR]

Makes a library of `rows` scores as Parquet, long (model, head, label, item, score) and wide
(a column per head and label), and compares two sets of calibrations that differ as after
another run: some labels not at all, some by a little, a few by much. The peer reads the same
file with the same engine and applies both calibrations to every score with numpy. Each runs
in a process of its own: wall clock, CPU, largest memory.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np

from calreg.documents import Calibration, Distribution, LabelCalibration
from calreg.methods import apply_method
from calreg.names import HeadName
from calreg.retag import RetagRules
from calreg.scores import ScoreTable, retag_scores
from calreg.scores.engine import batches, connect

RULES = RetagRules(0.01, (0.3, 0.6, 0.8))
EVIDENCE = Distribution(None)


def names(labels):
    """Heads of two labels each, in two models."""
    return [
        (HeadName(f"essentia/{'effnet' if n % 4 < 2 else 'musicnn'}", f"head_{n // 2}"),
         "no" if n % 2 else "yes")
        for n in range(labels)
    ]  # fmt: skip


def sides(labels):
    """Before and after: of eight labels one moves far, one a little, one by its map."""
    found = ({}, {})
    for number, (name, label) in enumerate(names(labels)):
        shift = {0: 0.03, 1: 0.008}.get(number % 8, 0.0)
        for version, side in enumerate(found):
            numbers = LabelCalibration(
                "minmax", {"p5": 0.1 + shift * version, "p95": 0.9}, EVIDENCE
            )
            if number % 8 == 2:
                parameters = {"slope": 6.0 + 0.3 * version, "intercept": -3.0}
                numbers = LabelCalibration("platt", parameters, EVIDENCE)
            side.setdefault(name, {})[label] = numbers
    return tuple(
        {name: Calibration(name, version, of_head) for name, of_head in side.items()}
        for version, side in enumerate(found, start=1)
    )


def make(folder, rows, labels):
    """The library in both forms."""
    items = rows // labels
    connection = duckdb.connect()
    score = "(random() * 0.7 + random() * 0.3)::FLOAT"
    item = "'track-' || lpad(i::VARCHAR, 9, '0') AS item"
    model = "'essentia/' || CASE WHEN l % 4 < 2 THEN 'effnet' ELSE 'musicnn' END AS model"
    head = "'head_' || (l // 2)::VARCHAR AS head"
    label = "CASE WHEN l % 2 = 1 THEN 'no' ELSE 'yes' END AS label"
    connection.execute(
        f"COPY (SELECT {model}, {head}, {label}, {item}, {score} AS score "
        f"FROM range({items}) a(i), range({labels}) b(l)) TO '{folder / 'long.parquet'}'"
    )
    cells = ", ".join(f'{score} AS "{name}:{label}"' for name, label in names(labels))
    connection.execute(
        f"COPY (SELECT {item}, {cells} FROM range({items}) a(i)) TO '{folder / 'wide.parquet'}'"
    )


def changed(old, new, scores):
    """What changes, by applying both."""
    before, after = (apply_method(side.method, side.parameters, scores) for side in (old, new))
    found = np.abs(after - before) >= RULES.min_change
    cuts = np.array(RULES.tiers)
    return found | (cuts.searchsorted(before, "right") != cuts.searchsorted(after, "right"))


def peer_wide(path, before, after, labels):
    """Read every column, apply both to all of it: changed scores, and rows with any."""
    columns = ", ".join(f'"{name}:{label}"::DOUBLE' for name, label in names(labels))
    scores_changed = items = 0
    with reader(path) as connection:
        for batch in batches(connection, f"SELECT {columns} FROM read_parquet('{path}')"):
            hit = np.zeros(batch[0][0].size, bool)
            for (name, label), (scores, _) in zip(names(labels), batch, strict=True):
                found = changed(before[name].labels[label], after[name].labels[label], scores)
                scores_changed += int(found.sum())
                hit |= found
            items += int(hit.sum())
    return scores_changed, items


def peer_long(path, before, after, labels):
    """Read label and score of every row, apply both to all of it: changed scores; no items."""
    keys = names(labels)
    rows = ", ".join(
        f"('{name.model}', '{name.head}', '{label}', {n})" for n, (name, label) in enumerate(keys)
    )
    query = (
        f"SELECT n, score::DOUBLE FROM read_parquet('{path}') t JOIN (VALUES {rows}) "
        "k(model, head, label, n) USING (model, head, label)"
    )
    scores_changed = 0
    with reader(path) as connection:
        for (places, _), (scores, _) in batches(connection, query):
            order = np.argsort(places, kind="stable")
            ends = np.cumsum(np.bincount(places, minlength=labels))
            for (name, label), mine in zip(keys, np.split(order, ends[:-1]), strict=True):
                numbers = before[name].labels[label], after[name].labels[label]
                scores_changed += int(changed(*numbers, scores[mine]).sum())
    return scores_changed, None


def reader(path):
    """The engine, as calreg sets it up."""
    return connect([str(path)], folder=str(path.parent))


def run(how, folder, labels):
    """One measured run, in this process: what it found, and what it took."""
    before, after = sides(labels)
    form, _, task = how.partition("-")
    path = folder / f"{form}.parquet"
    start, cpu = time.perf_counter(), time.process_time()
    if task == "peer":
        peer = peer_wide if form == "wide" else peer_long
        found = peer(path, before, after, labels)
    else:
        out = folder / "out.parquet" if task == "list" else None
        items = folder / "items.parquet" if task == "items" else None
        counts = retag_scores(ScoreTable((str(path),)), before, after, RULES, out=out, items=items)
        found = counts.changed, counts.changed_items
    took = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"found": found, "wall_s": took[0], "cpu_s": took[1], "peak_mb": peak}))


TASKS = tuple(f"{form}-{task}" for form in ("wide", "long")
              for task in ("peer", "count", "items", "list"))  # fmt: skip


def main() -> None:
    """Make the library, then measure every task in a process of its own, in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--labels", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        run(options.one, options.folder, options.labels)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        make(folder, options.rows, options.labels)
        print(f"Python {platform.python_version()}, numpy {np.__version__}, "
              f"duckdb {duckdb.__version__}, {platform.machine()}")  # fmt: skip
        print(f"{options.rows:,} scores, {options.labels} labels; median of {options.rounds}")
        words = [sys.executable, __file__, "--folder", name, "--labels", str(options.labels)]
        found = {task: [] for task in TASKS}
        for _ in range(options.rounds):
            for task in TASKS:
                done = subprocess.run(
                    [*words, "--one", task], check=True, capture_output=True, text=True
                )
                found[task].append(json.loads(done.stdout.splitlines()[-1]))
        report(found)


def report(found) -> None:
    """A line per task, with the ratio to its peer."""
    for task, runs in found.items():
        middle = {key: sorted(one[key] for one in runs)[len(runs) // 2]
                  for key in ("wall_s", "cpu_s", "peak_mb")}  # fmt: skip
        peers = [one["wall_s"] for one in found[f"{task.partition('-')[0]}-peer"]]
        ratio = sorted(one["wall_s"] / peer for one, peer in zip(runs, peers, strict=True))[
            len(runs) // 2
        ]
        print(f"{task:11} {middle['wall_s']:7.1f} s  cpu {middle['cpu_s']:7.1f} s  "
              f"{middle['peak_mb']:6.0f} MB  x {ratio:.2f}  {runs[0]['found']}")  # fmt: skip


if __name__ == "__main__":
    main()
