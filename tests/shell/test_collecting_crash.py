from __future__ import annotations

import contextlib
import hashlib
import json
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import duckdb
import pytest
from collecting import Recording, data_set, run, score_of

from calreg import failpoints

ITEMS = [f"item-{number}" for number in range(300)]

# Tells somebody else what it is asked for before it answers, and says so on standard error.
SCORER = """
import os, sys

def score(items):
    with open("asked", "a") as log:
        log.write("".join(item["item"] + "\\n" for item in items))
    print("batch", file=sys.stderr, flush=True)
    if "KILL_AT" in os.environ and items[0]["item"] == os.environ["KILL_AT"]:
        for name in os.environ["SIGNALS"].split():
            os.kill(os.getpid(), int(name))
    return [int(item["item"].rpartition("-")[2]) / 1000 for item in items]
"""


@pytest.fixture
def desk(tmp_path):
    """A data set and a scorer, in a folder of their own."""
    (tmp_path / "scorer.py").write_text(SCORER)
    data_set(tmp_path / "data.csv", [*ITEMS, "item-7"])
    return tmp_path


def command(out, *words):
    return [
        *(sys.executable, "-m", "calreg", "collect", "data.csv", "--scorer", "scorer:score"),
        *("--out", out, "--batch-size", "16", "--json", *words),
    ]


def collect(warm, folder, out, *words, **environment):
    return warm.run(*command(out, *words)[3:], cwd=folder, env=environment)


def go_on(folder, out):
    """What the same command does, without the start of a process: the result, who was asked."""
    scorer = Recording()
    digest = hashlib.sha256((folder / "scorer.py").read_bytes()).hexdigest()
    with contextlib.chdir(folder):
        done = run(
            ("data.csv",), Path(out), scorer, name="scorer:score", digest=digest, batch_size=16
        )
    return done, scorer.asked


def recorded(folder, out):
    """The items on disk that are recorded in whole lines."""
    journal = folder / (out if out.endswith(".jsonl") else f"{out}.collect.jsonl")
    if (folder / out).suffix == ".parquet" and (folder / out).exists():
        return [item for (item,) in duckdb.sql(f"SELECT item FROM '{folder / out}'").fetchall()]
    if not journal.exists():
        return []
    lines = journal.read_text().split("\n")[:-1]
    return [json.loads(line)["item"] for line in lines]


def scores(folder, out):
    return duckdb.sql(f"SELECT item, score_spam FROM '{folder / out}'").fetchall()


def asked(folder):
    log = folder / "asked"
    return log.read_text().split() if log.exists() else []


def check_complete(folder, out):
    """Every item is there once, with its own score, and the command has nothing more to do."""
    assert scores(folder, out) == [(item, score_of(item)) for item in ITEMS]
    again, questions = go_on(folder, out)
    assert (again.resumed, questions) == (300, [])


@pytest.mark.parametrize(
    ("step", "out"),
    [
        *((step, "out.parquet") for step in failpoints.COLLECT_STEPS),
        *((step, "out.jsonl") for step in failpoints.COLLECT_STEPS if "table" not in step),
    ],
)
def test_a_kill_at_any_step_loses_and_doubles_nothing(warm, desk, step, out):
    """Killed at any step, the same command goes on; what was recorded is not asked for again."""
    first = collect(warm, desk, out, **{failpoints.VARIABLE: f"{step}:kill"})
    assert first.was_killed, first.err
    before = recorded(desk, out)

    second, questions = go_on(desk, out)

    assert second.resumed == len(before)
    assert questions == ITEMS[len(before) :]
    check_complete(desk, out)
    assert sorted(file.name for file in desk.glob(".*")) == [f".{out}.collect.lock"]
    assert (desk / f"{out}.collect.jsonl").exists() is False


def test_a_batch_cut_in_the_middle_is_no_batch(warm, desk):
    """A process killed in the middle of writing leaves half a batch; its torn line is cut."""
    collect(warm, desk, "out.jsonl", **{failpoints.VARIABLE: "records-torn:kill"})
    raw = (desk / "out.jsonl").read_bytes()
    assert 0 < len(recorded(desk, "out.jsonl")) < 16
    assert not raw.endswith(b"\n")

    second, _ = go_on(desk, "out.jsonl")

    assert second.to_json()["torn_bytes"] == len(raw) - raw.rindex(b"\n") - 1
    check_complete(desk, "out.jsonl")


@pytest.mark.parametrize("seed", range(3))
def test_kills_at_random_lose_and_double_nothing(warm, desk, seed):
    """Killed again and again at moments that nobody chose, the output becomes what it should."""
    chance = random.Random(seed)
    kills = 0
    for _ in range(3):
        before, questions = recorded(desk, "out.jsonl"), len(asked(desk))
        with subprocess.Popen(
            command("out.jsonl"),
            cwd=desk,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            for _ in range(chance.randint(1, 6)):
                process.stderr.readline()
            process.kill()
        kills += process.returncode == -signal.SIGKILL
        assert set(asked(desk)[questions:]).isdisjoint(before)

    done = collect(warm, desk, "out.jsonl")

    assert done.code == 0, done.err
    check_complete(desk, "out.jsonl")
    # What was in hand at a kill is asked for again, and nothing else is.
    assert kills > 0
    assert max(Counter(asked(desk)).values()) <= kills + 1
    assert len(asked(desk)) <= len(ITEMS) + 16 * kills


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_waits_for_the_batch(warm, desk, number):
    """Ctrl-C and SIGTERM let the batch in hand be written, exit 130, and can be gone on from."""
    first = collect(warm, desk, "out.jsonl", KILL_AT="item-32", SIGNALS=f"{number:d}")

    assert first.code == 130, first.err
    assert json.loads(first.out)["error"]["code"] == "interrupted"
    assert "out.jsonl: 48 items; the same command goes on" in first.err
    assert recorded(desk, "out.jsonl") == ITEMS[:48]
    header = json.loads((desk / "out.jsonl.collect.json").read_text())
    assert (header["state"], header["counts"]["recorded"]) == ("stopped", 48)
    assert asked(desk) + go_on(desk, "out.jsonl")[1] == ITEMS
    check_complete(desk, "out.jsonl")


def test_a_full_disk_is_said_and_gone_on_from(desk):
    """When no byte more can be written the code is that of the system, and nothing is lost."""
    limited = 'ulimit -f 8; exec "$@"'
    first = subprocess.run(
        ["bash", "-c", limited, "bash", *command("out.jsonl")],
        cwd=desk,
        capture_output=True,
        text=True,
        check=False,
    )
    before = recorded(desk, "out.jsonl")

    assert first.returncode == 5, first.stderr
    assert json.loads(first.stdout)["error"]["message"] == "out.jsonl: file too large"
    assert 0 < len(before) < 300
    assert go_on(desk, "out.jsonl")[0].resumed == len(before)
    check_complete(desk, "out.jsonl")


def test_a_second_interrupt_does_not_wait(warm, desk):
    """Two interrupts leave the batch in hand unrecorded, and lose nothing else."""
    first = collect(warm, desk, "out.jsonl", KILL_AT="item-32", SIGNALS="2 2")

    assert first.code == 130, first.err
    assert recorded(desk, "out.jsonl") == ITEMS[:32]
    assert go_on(desk, "out.jsonl")[1] == ITEMS[32:]
    check_complete(desk, "out.jsonl")
