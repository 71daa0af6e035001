"""How long the light commands take to start, beside an empty Python.

python tests/benchmarks/bench_start.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 15
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import calreg.client": [sys.executable, "-c", "import calreg.client"],
    "calreg --version": [str(Path(sys.executable).with_name("calreg")), "--version"],
}


def seconds(command: list[str]) -> float:
    """Wall time of one process."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Print the median and the least of each, in turn."""
    found: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(RUNS):
        for name, command in COMMANDS.items():
            found[name].append(seconds(command))
    for name, times in found.items():
        print(f"{name:<22} {1e3 * statistics.median(times):5.0f} ms  least {1e3 * min(times):.0f}")


if __name__ == "__main__":
    main()
