"""Every benchmark in turn, as `make bench` runs them; a quarter of an hour on two cores.

Each prints ratios against a peer in the same run, with versions. None of them is a test.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BENCHMARKS = (
    ("bench_start.py",),
    ("bench_run.py", "--part", "run", "--rows", "10000000"),
    ("bench_run.py", "--part", "run", "--rows", "10000000", "--order", "random"),
    ("bench_run.py", "--part", "run", "--rows", "10000000", "--type", "DOUBLE"),
    ("bench_run.py", "--part", "run", "--rows", "100000000", "--pairs", "3"),
    ("bench_run.py", "--part", "run", "--rows", "1000000", "--wide", "--pairs", "3"),
    ("bench_drift.py",),
    ("bench_thresholds.py",),
    ("bench_fits.py",),
    ("bench_feedback.py",),
    ("bench_publish.py", "1000", "50"),
    ("bench_race.py",),
    ("bench_gate.py",),
    ("bench_retag.py",),
    ("bench_service.py",),
)
WITH_PEERS = (("bench_production.py",), ("bench_site.py",))


def main(peers: str | None) -> None:
    """Run them one by one; stop at the first that breaks."""
    beside = ("--peers", peers) if peers else ()
    for name, *options in (*BENCHMARKS, *((*row, *beside) for row in WITH_PEERS)):
        print(f"\n== {name} {' '.join(options)}", flush=True)
        subprocess.run([sys.executable, str(HERE / name), *options], check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", help="the Python of an environment with the group `peers`")
    main(parser.parse_args().peers)
