"""Time and memory of judging one change in process: many heads changed, little or much history.

    python tests/benchmarks/bench_gate.py [--heads 1000 10000] [--history 10 1000] [--repeats 3]

Each head has two labels. The base has one run of all heads and names of older folders and runs,
as a listing has them; the change is one more run, in which a fifth of the heads drifted. Only
`judge` is timed: blobs come from a dict. Memory is the peak of this process after the
registry itself was made, so run one size at a time to compare.
"""

from __future__ import annotations

import argparse
import platform
import resource
import statistics
import sys
import time
from collections.abc import Collection
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))

from gate_builder import at, entries, side

from calreg.calibrate import describe, minmax
from calreg.documents import LabelCalibration, Pins, RunInputs, digest_of, load_settings
from calreg.gate import Change, FileAt, Side, Touch, judge
from calreg.names import HeadName, run_path
from calreg.plan import Computed, Reference, RegistryState, plan_run

RULES = b"schema: calreg/registry/1.0\nname: large\n"
PER_MODEL = 100


def _label(rng: np.random.Generator, centre: float) -> LabelCalibration:
    scores = np.clip(rng.normal(centre, 0.1, 2_000), 0.0, 1.0)
    return minmax(describe(scores, grid=(0.0, 1.0)))


def _computed(heads: int, seed: int, *, moved: bool) -> Computed:
    rng = np.random.default_rng(seed)
    made = {}
    for number in range(heads):
        name = HeadName(f"maker/model-{number // PER_MODEL}", f"head_{number % PER_MODEL}")
        centre = 0.6 if moved and number % 5 == 0 else 0.5
        made[name] = {"no": _label(rng, 1 - centre), "yes": _label(rng, centre)}
    digest = digest_of(str(seed).encode())
    return Computed(made, {}, {}, RunInputs(digest, "long", 1, 1, {}, ()))


def _change(heads: int, history: int) -> Change:
    """One run on top of so many runs, of which the base lists all and holds the last."""
    settings = load_settings(RULES, where="r")
    state = RegistryState(settings, history - 1, 0, {}, Pins({}))
    before = plan_run(state, _computed(heads, 1, moved=False), timestamp=at(1), tool="bench")
    references = {
        name: Reference(made, digest_of(raw), raw)
        for name, made in before.calibrations.items()
        for raw in [before.files[name.reference_path]]
    }
    state = RegistryState(settings, history, 0, references, Pins({}))
    after = plan_run(state, _computed(heads, 2, moved=True), timestamp=at(2), tool="bench")
    base = {"registry.yaml": RULES, **before.files}
    head = {**base, **after.files}
    old, new = entries(base), entries(head)
    touches = tuple(
        Touch(path, old.get(path), new[path]) for path in new if old.get(path) != new[path]
    )
    models = sorted({name.model for name in before.calibrations})
    return Change(_deep(side(base), models, history), _deep(side(head), models, history), touches)


def _deep(found: Side, models: Collection[str], history: int) -> Side:
    """The same side with the names of all older runs in its listing."""
    folders = {f"{m}/v{n}": FileAt("040000", "0" * 40) for m in models for n in range(1, history)}
    runs = {run_path(number): FileAt("100644", "0" * 40) for number in range(1, history)}
    return Side({**folders, **runs, **found.listing}, found.read)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print times and memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--heads", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--history", type=int, nargs="+", default=[10, 1000])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}")
    print("heads   runs   seconds (least)    CPU   files   findings   peak MB (made → judged)")
    for heads in options.heads:
        for history in options.history:
            change = _change(heads, history)
            made, times, cpu = _peak_mb(), [], []
            for _ in range(options.repeats):
                start, begun = time.perf_counter(), time.process_time()
                judged = judge(change)
                times.append(time.perf_counter() - start)
                cpu.append(time.process_time() - begun)
            if not judged.ok:
                raise SystemExit(f"the change should pass: {judged.findings[:3]}")
            print(
                f"{heads:6,} {history:5,} {statistics.median(times):9.2f} ({min(times):.2f})"
                f" {statistics.median(cpu):7.2f} {len(change.touches):9,} {len(judged.findings):9,}"
                f"       {made:.0f} → {_peak_mb():.0f}"
            )


if __name__ == "__main__":
    main()
