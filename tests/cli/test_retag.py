"""`retag`: what a person names, what is said, what is written."""

from __future__ import annotations

import hashlib
import json
import os

import numpy as np
import pytest
from desk import fingerprint, scores, wide


@pytest.fixture
def moved(cli, published, drifted):
    """A registry whose second run moved the reference of `m/mood`; both runs have their day."""
    said = cli("run", drifted, "--head", "m/mood", "--timestamp", "2031-01-02T00:00:00Z")
    assert said.code == 0, said.err
    return published


def changed(said):
    assert said.code == 0, said.err
    return said.json["changed_items"]


def bounds(folder, version):
    raw = json.loads((folder / f"m/v{version}/mood-calibration-v{version}.json").read_bytes())
    return {label: (found["p5"], found["p95"]) for label, found in raw["labels"].items()}


def expected(folder, rows, *, min_change=0.01):
    """The rows of which any value moves from version 1 to 2, by the formula of minmax."""
    hit = np.zeros(len(next(iter(rows.values()))), bool)
    for label, column in rows.items():
        old, new = (
            np.clip((column - p5) / (p95 - p5), 0, 1)
            for p5, p95 in (bounds(folder, version)[label] for version in (1, 2))
        )
        hit |= np.abs(new - old) >= min_change
    return hit


LIBRARY = {"happy": scores(300, seed=7), "sad": scores(300, seed=8)}


@pytest.fixture
def library(tmp_path):
    """What was tagged with the first version."""
    return wide(tmp_path / "library.csv", **LIBRARY)


def test_the_items_that_move_are_counted_and_listed(cli, moved, library, tmp_path):
    """Counts, and the list of items, are those of the formula applied to every score."""
    hit = expected(moved, LIBRARY)

    words = ["retag", library, "--head", "m/mood", "--from", "v1", "--to", "v2"]
    said = cli(*words, "--items", tmp_path / "items.csv", "--out", tmp_path / "out.csv", "--json")
    assert changed(said) == hit.sum()
    assert said.json["items"] == 300
    assert said.json["saved"] == pytest.approx(1 - hit.mean())
    assert (said.json["out"], said.json["items_out"]) == (
        str(tmp_path / "out.csv"),
        str(tmp_path / "items.csv"),
    )
    again = (tmp_path / "items.csv").read_text().splitlines()[1:]
    assert sorted(map(int, again)) == np.flatnonzero(hit).tolist()
    head = (tmp_path / "out.csv").read_text().splitlines()[0]
    assert head == "item,head,label,score,before,after,why"


def test_the_report_says_what_is_saved(cli, moved, library):
    """The labels, the farthest movers, and in the last line what need not be tagged again."""
    hit = int(expected(moved, LIBRARY, min_change=0.05).sum())
    words = ["--head", "m/mood", "--from", "v1", "--to", "v2", "--limit", "2"]

    said = cli("retag", library, *words, "--min-change", "0.05", "--tiers", "0.5")

    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0] == "Retag  v1 → v2  a value moves by 0.05 or more · fired · tier 0.5"
    assert lines[2].split() == ["head", "label", "scores", "change", "share", "value", "tier"]
    assert lines[3].split()[:3] == ["m/mood", "happy", "300"]
    farthest = next(n for n, line in enumerate(lines) if line.startswith("farthest"))
    assert lines[farthest].split() == [
        "farthest", "head", "label", "score", "before", "after", "why"
    ]  # fmt: skip
    assert len(lines[farthest + 1 : lines.index("", farthest)]) == 2
    items = json.loads(
        cli("retag", library, *words, "--min-change", "0.05", "--tiers", "0.5", "--json").out
    )["changed_items"]
    assert items >= hit
    assert lines[-2].startswith(f"{items:,} of 300 items to tag again · ")
    assert lines[-2].endswith("% of the library saved")
    assert lines[-1] == "Next: the same with --items FILE lists what to tag again."


def test_what_was_in_force_can_be_named_in_many_ways(cli, moved, library, git, tmp_path):
    """A run, a version, a commit, a date, a branch, a stamp, a folder and a file are one set."""
    first = git(moved, "log", "--format=%H", "--", "runs/1.json")
    assert cli("pull", moved, tmp_path / "now").code == 0
    old_file = "m/v1/mood-calibration-v1.json"
    git(moved, "branch", "before", first)
    words = ["retag", library, "--head", "m/mood", "--json", "--limit", "0", "--to"]
    wanted = changed(cli(*words, "v2", "--from", "v1"))
    assert wanted > 0

    for old in ("m/mood@v1", first, first[:8], "2030-12-31", "2030-12-31T12:00Z", "before",
                old_file, "1"):  # fmt: skip
        assert changed(cli(*words, "v2", "--from", old)) == wanted, old
    for new in ("HEAD", "main", "2", tmp_path / "now", "2031-01-02", "m/mood@v2"):
        assert changed(cli(*words, new, "--from", "v1")) == wanted, new


def test_references_that_are_the_same_are_said_to_be(cli, moved, library):
    """Where both sides hold the same calibrations a line says why nothing changes."""
    same = cli("retag", library, "--head", "m/mood", "--from", "v2", "--to", "main")
    other = cli("retag", library, "--head", "m/mood", "--from", "v1", "--to", "main")

    assert (same.code, "0 of 300 items to tag again" in same.out) == (0, True)
    assert "hold the same calibrations." in same.err
    assert "hold the same calibrations." not in other.err


def test_runs_are_of_all_heads(cli, moved, tmp_path):
    """Without --head, v1 and 1 are what was in force after run 1."""
    table = tmp_path / "many.csv"
    rows = zip(*(LIBRARY[name].tolist() for name in ("happy", "sad")), strict=True)
    lines = [f"{n},{happy!r},{sad!r}" for n, (happy, sad) in enumerate(rows)]
    table.write_text("item,m/mood:happy,m/mood:sad\n" + "\n".join(lines) + "\n")
    hit = expected(moved, LIBRARY)

    for old in ("1", "v1"):
        said = cli("retag", table, "--from", old, "--to", "v2", "--json")
        assert changed(said) == hit.sum()
        assert (said.json["from"], said.json["to"]) == ("run 1", "run 2")


def test_a_stamp_is_the_version_it_names(cli, moved, library):
    """What an application stored with its results is enough to say what changes since."""
    digest = hashlib.sha256((moved / "m/v1/mood-calibration-v1.json").read_bytes()).hexdigest()
    words = ["retag", library, "--json", "--from"]

    said = cli(*words, f"reg@4f2a91c m/mood v1 sha256:{digest}")
    assert changed(said) == expected(moved, LIBRARY).sum()
    other = cli(*words, f"reg@4f2a91c m/mood v2 sha256:{digest}")
    assert other.code == 3
    assert "is not what the stamp names" in other.json["error"]["message"]


def test_what_is_published_can_be_named(cli, moved, library, git, tmp_path):
    """`stable` is what production reads."""
    assert cli("retag", library, "--head", "m/mood", "--from", "stable").code == 3
    assert cli("keys", "new", tmp_path / "key").code == 0
    assert cli("keys", "trust", f"{tmp_path / 'key'}.pub", "--sign", tmp_path / "key").code == 0
    assert cli("stable", "publish", "--sign", tmp_path / "key").code == 0

    words = ["retag", library, "--head", "m/mood", "--from", "v1", "--json", "--to"]
    for new in ("stable", git(moved, "rev-parse", "stable")):
        assert changed(cli(*words, new)) == expected(moved, LIBRARY).sum()


def test_nothing_changes_from_a_version_to_itself(cli, moved, library):
    """All of the library is saved, and no next step is offered."""
    said = cli("retag", library, "--head", "m/mood", "--from", "v2")

    assert said.code == 0
    assert said.out.splitlines()[-1] == "0 of 300 items to tag again · 100 % of the library saved"
    assert said.err == "v2 and HEAD (v2) hold the same calibrations.\n"


def test_production_may_look(cli, moved, library, monkeypatch):
    """Production mode refuses what writes to a registry; this writes nothing."""
    monkeypatch.setitem(os.environ, "CALREG_CALIBRATE_HEADS", "false")
    before = fingerprint(moved)

    said = cli("retag", library, "--head", "m/mood", "--from", "v1", "--to", "v2")
    assert said.code == 0
    assert fingerprint(moved) == before


def test_installed_folders_need_no_registry(cli, moved, library, tmp_path, monkeypatch):
    """Two folders, or files, are compared wherever one is."""
    assert cli("pull", moved, tmp_path / "now").code == 0
    old = tmp_path / "old.json"
    old.write_bytes((moved / "m/v1/mood-calibration-v1.json").read_bytes())
    hit = expected(moved, LIBRARY)
    monkeypatch.chdir(tmp_path)

    said = cli("retag", library, "--from", "old.json", "--to", "now", "--json")
    assert changed(said) == hit.sum()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--head", "m/mood", "--from", "v9"], 3, "m/mood has no version v9"),
        (["--head", "m/moood", "--from", "v1"], 3, "no head 'm/moood' in reg"),
        (["--from", "9"], 3, "'9' names no calibrations"),
        (["--from", "nothing"], 3, "'nothing' names no calibrations"),
        (["--from", "1999-01-01"], 3, "the registry had no commits by 1999-01-01"),
        (["--from", "m/mood@v1", "--to", "m/other@v1"], 3, "no head 'm/other'"),
        (["--head", "m/mood", "--from", "v1", "--min-change", "0"], 3, "a number above 0"),
        (["--head", "m/mood", "--from", "v1", "--tiers", "0.6,0.3"], 3, "ascending numbers"),
        (["--head", "m/mood", "--from", "v1", "--tiers", "a,b"], 2, "expected numbers"),
        (["--head", "m/mood", "--from", "v1", "--out", "list.txt"], 2, "ends in"),
        (["--head", "m/mood", "--from", "m/other@v1"], 3, "no head 'm/other'"),
        (["--from", "2", "--to", "1"], 3, "the scores of one head, which is not named"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(cli, moved, library, words, code, message):
    """The reason and a hint, nothing written."""
    before = fingerprint(moved)

    said = cli("retag", library, *words)

    assert said.code == code
    first, *rest = said.err.splitlines()
    assert message in first
    assert all(line.startswith("Hint: ") for line in rest)
    assert said.out == ""
    assert fingerprint(moved) == before


def test_an_error_has_a_document(cli, moved, library):
    """In --json mode the refusal is one document on standard output."""
    said = cli("retag", library, "--head", "m/mood", "--from", "v9", "--json")

    assert said.code == 3
    assert said.json["error"]["code"] == "no-such-version"
