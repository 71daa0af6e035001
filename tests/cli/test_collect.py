import itertools
import sys
from pathlib import Path

import pytest

_numbers = itertools.count()


@pytest.fixture
def scorer(tmp_path, monkeypatch):
    """Write a module in the folder where the person is; its name."""
    monkeypatch.chdir(tmp_path)

    def write(text):
        name = f"a_scorer_{next(_numbers)}"  # a module is imported once per process
        (tmp_path / f"{name}.py").write_text(text)
        return name

    yield write
    for name in [name for name in sys.modules if name.startswith("a_scorer_")]:
        monkeypatch.delitem(sys.modules, name)


@pytest.fixture
def data(tmp_path):
    """Three items with truth."""
    file = tmp_path / "data.csv"
    file.write_text("id,text,y_spam\na,xx,1\nb,xxxx,0\nc,x,1\n")
    return file


LENGTH = """
def score(items):
    print("loading")
    return [len(item["text"]) / 10 for item in items]
"""


def test_a_data_set_becomes_a_table(cli, scorer, data):
    """A scorer of the current folder scores the data set; one line says what came out."""
    said = cli("collect", data, "--scorer", f"{scorer(LENGTH)}:score", "--out", "out.jsonl")

    assert (said.code, said.out) == (0, "out.jsonl  3 items · label spam\n")
    assert said.err == "loading\n"
    assert Path("out.jsonl").read_text().splitlines()[0] == (
        '{"item": "a", "score_spam": 0.2, "y_spam": "1", "error": null}'
    )


def test_json_is_one_document(cli, scorer, data):
    """What the scorer prints does not get into the document on standard output."""
    name = scorer(LENGTH)

    said = cli("collect", data, "--scorer", f"{name}:score", "--out", "out.parquet", "--json")

    assert said.json == {
        "out": "out.parquet",
        "journal": "out.parquet",
        "complete": True,
        "labels": ["spam"],
        "read": 3,
        "recorded": 3,
        "errors": 0,
        "nameless": 0,
        "duplicates": 0,
        "resumed": 0,
        "torn_bytes": 0,
        "first_errors": [],
        "set_aside": [],
        "warnings": [],
    }


def test_the_summary_says_what_is_not_right(cli, scorer, tmp_path):
    """Errors, duplicates, earlier records and what a restart kept are in the one line."""
    lines = [f"{n},x" for n in range(200)]
    (tmp_path / "data.csv").write_text("\n".join(["id,text", *lines, "7,x", ",x"]))
    name = scorer("def score(item):\n    return 1 / int(item['id'])\n")
    words = ("collect", "data.csv", "--scorer", f"{name}:score", "--per-item", "--out", "o.jsonl")

    first, second = cli(*words), cli(*words)
    third = cli(*words, "--restart", "--timestamp", "2026-01-02T03:04:05Z")

    assert first.out == (
        "o.jsonl  200 items · label score · 2 with errors "
        "(first: 0: ZeroDivisionError: division by zero) · 1 duplicates left out\n"
    )
    assert first.err == (
        "Warning: 1 rows name an item that came before; the first of each counts: "
        "'7' (data.csv line 202)\n"
    )
    assert "200 items · 200 of them from before" in second.out
    assert "what was there is in o.jsonl.bak-20260102T030405Z" in third.out


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("raise RuntimeError('no model')", "RuntimeError: no model"),
        ("import no_such_thing", "ModuleNotFoundError: No module named 'no_such_thing'"),
        ("def score(:", "SyntaxError: invalid syntax"),
        ("import sys; sys.exit(0)", "SystemExit: 0"),
    ],
)
def test_a_scorer_that_cannot_be_imported(cli, scorer, data, tmp_path, text, error):
    """Whatever goes wrong in an import is one line, exit 3, and leaves no output behind."""
    name = scorer(text)

    said = cli("collect", data, "--scorer", f"{name}:score", "--out", "out.jsonl")

    assert said.code == 3
    assert said.err.startswith(f"cannot import '{name}': {error}")
    assert "It is looked for in" in said.err
    assert len(said.err.splitlines()) == 2
    assert list(tmp_path.glob("out*")) == []


def test_too_many_errors_exit_three(cli, scorer, data):
    """A scorer that fails for everything stops with where the results are, not with a traceback."""
    name = scorer("def score(items):\n    raise OSError('gone')\n")

    said = cli("collect", data, "--scorer", f"{name}:score", "--out", "out.jsonl", "--json")

    assert said.code == 3
    assert said.json["error"]["code"] == "errors"
    assert said.json["error"]["message"] == (
        "out.jsonl: 3 of 3 items have errors (first: a: OSError: gone), more than 1.00% may"
    )
    assert "'out.jsonl'" in said.json["error"]["hint"]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--reduce", "median"), "--reduce: no reducer 'median'"),
        (("--batch-size", "0"), "Invalid value for '--batch-size'"),
        (("--max-error-rate", "2"), "Invalid value for '--max-error-rate'"),
        (("--kind", "probability"), "Invalid value for '--kind'"),
        (("--out", "out.csv"), "expected an output that ends in .jsonl or .parquet"),
    ],
)
def test_options_that_make_no_sense(cli, scorer, data, words, error):
    """Options are checked before anything is read."""
    said = cli("collect", data, "--scorer", f"{scorer(LENGTH)}:score", "--out", "o.jsonl", *words)

    assert said.code == 2
    assert said.err.startswith(error)


def test_production_may_collect(cli, scorer, data, monkeypatch):
    """Nothing is written to a registry, so that a place that may not do that can collect."""
    monkeypatch.setenv("CALREG_CALIBRATE_HEADS", "false")

    said = cli("collect", data, "--scorer", f"{scorer(LENGTH)}:score", "--out", "out.jsonl")

    assert said.code == 0


def test_the_folder_is_not_left_on_the_path(cli, scorer, data, tmp_path):
    """Modules of the folder can be imported while the scorer works, and not afterwards."""
    cli("collect", data, "--scorer", f"{scorer(LENGTH)}:score", "--out", "out.jsonl")

    assert str(tmp_path) not in sys.path
