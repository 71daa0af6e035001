"""Bad input gets one clear line, exit code 3, and not a byte of the registry changes."""

import os
from pathlib import Path

import pytest
from desk import fingerprint, scores, wide


def one_column(path: Path, *values: object, header: str = "score_a") -> Path:
    path.write_text("\n".join([header, *map(str, values)]) + "\n", encoding="utf-8")
    return path


def long_table(path: Path, names: list[tuple[str, str]]) -> Path:
    rows = [
        f"{model},{head},a,{value!r}" for model, head in names for value in scores(200).tolist()
    ]
    path.write_text("\n".join(["model,head,label,score", *rows]) + "\n", encoding="utf-8")
    return path


def unreadable(tmp_path: Path) -> list[object]:
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    return [folder, "--head", "m/h"]


def renamed(tmp_path: Path) -> list[object]:
    table = tmp_path / "t.csv"
    table.write_text("model,head,label,value\nm,h,a,0.5\n")
    return [table]


# What is wrong, the words after `run`, what the line says, what the hint says.
CASES = {
    "missing file": (
        lambda folder: [folder / "none.csv", "--head", "m/h"], "none.csv", ""),
    "a folder": (unreadable, "folder.csv", ""),
    "a glob without a match": (
        lambda folder: [folder / "*.parquet", "--head", "m/h"], "*.parquet", ""),
    "an empty file": (
        lambda folder: [_empty(folder / "t.csv"), "--head", "m/h"], "t.csv", ""),
    "a header alone": (
        lambda folder: [one_column(folder / "t.csv"), "--head", "m/h"], "has no rows", ""),
    "a missing column": (
        renamed, "no column 'score'; it has model, head, label, value", "--column score=value"),
    "text among numbers": (
        lambda folder: [one_column(folder / "t.csv", *["0.5"] * 50, "high"), "--head", "m/h"],
        "line 52", ""),
    "all rejected": (
        lambda folder: [one_column(folder / "t.csv", *["nan"] * 200), "--head", "m/h"], "NaN", ""),
    "infinities": (
        lambda folder: [one_column(folder / "t.csv", *["inf", 0.5] * 100), "--head", "m/h"],
        "infinite", ""),
    "a constant label": (
        lambda folder: [one_column(folder / "t.csv", *[0.25] * 200), "--head", "m/h"],
        "m/h, label 'a': constant at 0.25", ""),
    "too few scores": (
        lambda folder: [wide(folder / "t.csv", a=scores(87)), "--head", "m/h"],
        "87 scores, at least 100 are needed", "--min-samples"),
    "heads that differ in case": (
        lambda folder: [long_table(folder / "t.csv", [("m", "Mood"), ("m", "mood")])], "mood", ""),
    "not a table": (
        lambda folder: [one_column(folder / "t.csv", 1, 2, header="x"), "--head", "m/h"], "x", ""),
    "a web address": (
        lambda _folder: ["https://example.org/t.csv", "--head", "m/h"], "https://example.org", ""),
    "a bad head name": (
        lambda folder: [wide(folder / "t.csv", a=scores(200)), "--head", "../h"], "'..'", ""),
}  # fmt: skip


def _empty(path: Path) -> Path:
    path.write_bytes(b"")
    return path


@pytest.mark.parametrize("case", CASES)
def test_bad_table_is_one_line_and_changes_nothing(cli, published, tmp_path, case):
    """A table that cannot be used is one line that names it, exit 3, and nothing written."""
    arrange, line, hint = CASES[case]
    words = arrange(tmp_path)
    before = fingerprint(published)

    said = cli("run", *words)

    assert said.code == 3, said.err
    first, *rest = said.err.splitlines()
    assert line in first
    assert hint in "\n".join(rest)
    assert all(other.startswith(("Hint: ", "      ")) for other in rest)
    assert said.out == ""
    assert fingerprint(published) == before


def dirty_reference(folder: Path, git) -> None:
    path = folder / "m/mood-calibration.json"
    path.write_text(path.read_text().replace('"samples": 400', '"samples": 401'))


def broken_rules(folder: Path, git) -> None:
    rules = folder / "registry.yaml"
    rules.write_text(rules.read_text().replace("min_samples: 100", "min_samples: many"))


def committed_broken_rules(folder: Path, git) -> None:
    broken_rules(folder, git)
    git(folder, "commit", "--quiet", "-am", "Break it")


def committed_broken_reference(folder: Path, git) -> None:
    path = folder / "m/mood-calibration.json"
    path.write_text(path.read_text().replace('"version": 1', '"version": "one"'))
    git(folder, "commit", "--quiet", "-am", "Break it")


def unsaved_rules(folder: Path, git) -> None:
    rules = folder / "registry.yaml"
    rules.write_text(rules.read_text().replace("min_samples: 100", "min_samples: 50"))


def file_in_the_way(folder: Path, git) -> None:
    (folder / "m/v2").mkdir()
    (folder / "m/v2/run.json").write_text("mine\n")


def detached(folder: Path, git) -> None:
    git(folder, "checkout", "--quiet", "--detach")


def nobody(folder: Path, git) -> None:
    Path(os.environ["HOME"], ".gitconfig").unlink()


# What was done to the registry, what the line says, what the hint says.
STATES = {
    "a changed reference": (dirty_reference, "m/mood-calibration.json", ""),
    "rules broken in the work tree": (broken_rules, "registry.yaml: at /min_samples", ""),
    "rules broken and committed": (committed_broken_rules, "registry.yaml: at /min_samples", ""),
    "a reference broken and committed": (
        committed_broken_reference, "m/mood-calibration.json: at /version", ""),
    "uncommitted rules": (unsaved_rules, "uncommitted changes in registry.yaml", "git commit"),
    "a file in the way": (file_in_the_way, "m/v2/run.json", ""),
    "a detached HEAD": (detached, "HEAD is detached", "git switch -c NAME"),
    "no identity": (nobody, "git", "git config"),
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_bad_registry_is_one_line_and_changes_nothing(cli, published, drifted, git, state):
    """A registry that cannot be written to is one line with the place, and stays as it is."""
    break_it, line, hint = STATES[state]
    break_it(published, git)
    before = fingerprint(published)

    said = cli("run", drifted, "--head", "m/mood")

    assert said.code == 3, said.err
    first, *rest = said.err.splitlines()
    assert line in first
    assert hint in "\n".join(rest)
    assert fingerprint(published) == before


def test_not_a_registry(cli, tmp_path, table, monkeypatch):
    """A folder without registry.yaml is not a registry, and the hint says how to get one."""
    monkeypatch.setenv("CALREG_CALIBRATE_HEADS", "1")

    said = cli("--registry", tmp_path, "run", table, "--head", "m/h")

    assert said.code == 3
    assert "not a registry" in said.err
    assert "calreg init" in said.err


def test_declined_push_keeps_the_run(cli, published, drifted, git, tmp_path):
    """A push that the server declines keeps the run as a commit and says how to push it."""
    git(tmp_path, "init", "--quiet", "--bare", "remote.git")
    git(published, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(published, "push", "--quiet", "-u", "origin", "main")
    hook = tmp_path / "remote.git/hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho only through review >&2\nexit 1\n")
    hook.chmod(0o755)

    said = cli("run", drifted, "--head", "m/mood", "--push")

    assert said.code == 4
    assert "only through review" in said.err
    assert "calreg push" in said.err
    assert git(published, "log", "-1", "--format=%s").startswith("Run 2")


def test_bad_input_in_json(cli, published, tmp_path):
    """In --json mode an error is one document on standard output, with the same exit code."""
    said = cli("run", tmp_path / "none.csv", "--head", "m/h", "--json")

    assert said.code == 3
    assert set(said.json) == {"error"}
    assert set(said.json["error"]) == {"code", "message", "hint", "where"}
    assert "none.csv" in said.json["error"]["message"]
    assert said.err == ""
