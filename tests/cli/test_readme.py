"""What the README and the guides say, done."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import requests
from desk import scores
from labelled_tables import table as labelled_table

from calreg.cli.group import _COMMANDS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(text: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def typed(block: str) -> list[list[str]]:
    """The commands of a console block, comments left out."""
    lines = [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]
    return [shlex.split(line, comments=True) for line in lines]


def predicted_and_sold(predictions: Path, outcomes: Path) -> None:
    """Two groups of items; one is always sold a tenth above its prediction."""
    said, sold = [], ["sku,realized_price,sold,days_to_sale"]
    for number in range(80):
        group, price = ("good", 20.0 + number) if number % 2 else ("fair", 10.0 + number)
        item = {"sku": f"{number:05}", "predicted_price": price, "condition": group, "factor": 1.0}
        said.append(json.dumps(item))
        ratio = (1.1 if group == "good" else 1.0) * (0.98 + 0.01 * (number % 5))
        sold.append(f"{number:05},{price * ratio:.2f},true,{number % 30 + 1}")
    predictions.write_text("\n".join(said) + "\n", encoding="utf-8")
    outcomes.write_text("\n".join(sold) + "\n", encoding="utf-8")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder with a table of scores in the form of the README, and nothing else."""
    import duckdb

    lines = [
        f"essentia/effnet,mood_happy,{label},track-{number},{value!r}"
        for seed, label in enumerate(("happy", "sad"))
        for number, value in enumerate(scores(300, seed=seed).tolist())
    ]
    table = tmp_path / "scores.csv"
    table.write_text("model,head,label,item,score\n" + "\n".join(lines) + "\n", encoding="utf-8")
    target = tmp_path / "scores.parquet"
    duckdb.sql(f"COPY (FROM '{table}') TO '{target}'")
    for name, seed in (("calibration", 1), ("holdout", 2)):
        labelled_table(tmp_path / f"{name}.csv", seed=seed)
    predicted_and_sold(tmp_path / "predictions.jsonl", tmp_path / "outcomes.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def is_served() -> bool:
    """Whether `calreg serve` answers and goes when it is told to; its port is any here."""
    words = [sys.executable, "-m", "calreg", "serve", "--port", "0"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        try:
            address = re.search(r"http://[0-9.:]+", process.stderr.readline())
            page = requests.get(address[0], timeout=60)
        finally:
            process.terminate()
        return page.ok and "head" in page.text and process.wait(60) == 0


def test_every_command_of_the_readme_works(cli, elsewhere, monkeypatch):
    """The developer's, the production service's and the CI's lines run as they stand."""
    for words in [line for block in blocks(README, "console") for line in typed(block)]:
        if words[0] in {"make", "pip"}:
            continue
        if words[0] == "cd":
            monkeypatch.chdir(words[1])
            continue
        assert words[0] == "calreg"
        if words[1] in {"pull", "verify", "status"}:  # another machine, beside the registry
            (elsewhere / "production").mkdir(exist_ok=True)
            monkeypatch.chdir(elsewhere / "production")
        elif words[1] in {"withdraw", "stable", "doctor", "serve", "retag"}:
            monkeypatch.chdir(elsewhere / "calibrations")
        if words == ["calreg", "serve"]:
            assert is_served()
            continue
        said = cli(*words[1:])
        assert said.code == 0, f"{words}: {said.err}"

    monkeypatch.chdir(elsewhere / "production")
    snippet = next(block for block in blocks(README, "python"))
    space = {"scores": np.array([0.0, 0.5, 1.0])}
    exec(snippet, space)
    assert space["calibrated"][0] == 0.0
    assert space["calibrated"][2] == 1.0
    assert space["flagged"].tolist() == [False, False, True]


def test_the_readme_names_only_commands_there_are():
    """No `calreg …` in the README or a guide is a command that does not exist."""
    known = set(_COMMANDS)
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        named = re.findall(
            r"^\$ calreg (?:--registry \S+ )?([a-z]+)", page.read_text(), re.MULTILINE
        )
        named += re.findall(r"`calreg ([a-z]+)", page.read_text())
        assert set(named) <= known, page


def test_links_of_the_pages_lead_somewhere():
    """Every relative link in the README and the guides points at a file of this project."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readme_maps_every_room():
    """README's map of modules names every room of the source, and no other."""
    map_of_modules = README[README.index("## The house") : README.index("## Figures")]
    named = set(re.findall(r"`([a-z_]+)`", map_of_modules))
    rooms = {
        path.stem for path in (ROOT / "src" / "calreg").iterdir() if not path.stem.startswith("_")
    }

    assert named == rooms - {"demo_data", "py", "failpoints"}
