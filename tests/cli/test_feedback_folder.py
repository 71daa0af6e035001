"""A feedback folder that somebody else had his hands in: refused in a line, or read without it."""

import json
import os
from shutil import copytree

import pytest
from desk import fingerprint
from sales import FACTORS, month

from calreg import overrides
from calreg.cli.feedback_folder import FeedbackFolder
from calreg.documents import load_overrides
from calreg.errors import InputError

RUN = {
    "id": "x1",
    "timestamp": "2026-01-01T00:00:00Z",
    "by": "somebody",
    "action": "run",
    "data_digest": "0" * 64,
}


@pytest.fixture
def sales(tmp_path):
    return month(tmp_path / "january")


@pytest.fixture
def kept(feedback_folders, tmp_path, monkeypatch):
    """A folder that holds one run, and a person above it."""
    copytree(feedback_folders / "run", tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work/feedback"


@pytest.fixture
def applied(feedback_folders, tmp_path, monkeypatch):
    """A folder that holds one application."""
    copytree(feedback_folders / "applied", tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work/feedback"


def one_line(said):
    """The error, which is one line."""
    [line] = [line for line in said.err.splitlines() if not line.startswith("Hint")]
    return line


def to_nothing(file):
    file.unlink()
    file.symlink_to("nowhere")


def to_itself(file):
    file.unlink()
    file.symlink_to(file.name)


def to_folder(file):
    file.unlink()
    file.mkdir()


def to_fifo(file):
    file.unlink()
    os.mkfifo(file)


def to_huge(file):
    data = json.loads(file.read_text())
    data["factors"]["used"] = data["history"][-1]["after"]["used"] = 10**400
    file.write_text(json.dumps(data))


@pytest.mark.parametrize("change", [to_nothing, to_itself, to_folder, to_fifo, to_huge])
@pytest.mark.parametrize("command", ["apply", "revert", "run"])
def test_factors_that_cannot_be_read_are_no_absent_ones(cli, applied, sales, change, command):
    """Nobody starts again from other factors, or applies what was applied; exit 3."""
    change(applied / "overrides.json")
    before = fingerprint(applied)

    said = cli("feedback", command, *(sales.words if command == "run" else ()))

    assert said.code == 3
    assert "overrides.json" in one_line(said)
    assert fingerprint(applied) == before


def test_factors_behind_a_link_are_written_where_it_points(cli, applied, tmp_path):
    """The link stays, and whoever reads its target has the new factors."""
    file, real = applied / "overrides.json", tmp_path / "real.json"
    file.rename(real)
    file.symlink_to(real)

    said = cli("feedback", "revert")

    assert said.code == 0
    assert file.is_symlink()
    assert load_overrides(real.read_bytes(), where=str(real)).factors == FACTORS


@pytest.mark.parametrize("change", [to_nothing, to_folder, to_fifo])
@pytest.mark.parametrize("command", ["apply", "revert", "run", "history"])
def test_a_history_that_cannot_be_read_is_found_before_anything_is_written(
    cli, applied, sales, change, command
):
    """Exit 3 and the folder as it was: no factors are in force that the history lacks."""
    change(applied / "history.jsonl")
    before = fingerprint(applied)

    said = cli("feedback", command, *(sales.words if command == "run" else ()))

    assert said.code == 3
    assert one_line(said)
    assert fingerprint(applied) == before


def test_a_lock_that_cannot_be_taken_is_said(cli, applied):
    """Exit 3, and nothing is written without it."""
    to_folder(applied / ".lock")
    before = fingerprint(applied)

    said = cli("feedback", "revert")

    assert said.code == 3
    assert ".lock" in one_line(said)
    assert fingerprint(applied) == before


@pytest.mark.parametrize(
    "part",
    [
        {"price": [1]},
        {"price": "x"},
        {"price": {"n": "x"}},
        {"price": {"mae": 10**400}},
        {"holding": {"median_days": []}},
        {"groups": ["used"]},
        {"groups": {"used": 3}},
        {"groups": {"used": {"n": "x"}}},
        {"alerts": "abc"},
        {"alerts": [3]},
        {"alerts": [{"rule": "mae>1"}]},
        {"before": "x", "after": [1]},
        {"after": {"used": "x"}},
        {"after": {"used": 10**400}},
        {"data_digest": 3},
        {"id": "../x"},
        {"action": "delete"},
    ],
    ids=str,
)
def test_a_line_of_another_shape_is_left_out_and_said(cli, applied, sales, part):
    """Whatever a line holds, what happened is told, runs are judged, and its number is named."""
    with (applied / "history.jsonl").open("a") as stream:
        stream.write(json.dumps({**RUN, **part}) + "\n")

    shown = cli("feedback", "history")
    judged = cli("feedback", "history", "--alert", "mae:+50%", "--alert-groups", "--json")
    run = cli("feedback", "run", *sales.words, "--alert", "mae:+50%", "--alert-groups")

    assert (shown.code, judged.code, run.code) == (0, 0, 0)
    assert "line 3" in shown.err
    assert judged.json["count"] == 2


def test_a_line_that_says_little_is_a_line(cli, applied, sales):
    """What a line does not say is null: a run without figures is no comparison."""
    short = {key: value for key, value in RUN.items() if key != "data_digest"}
    with (applied / "history.jsonl").open("a") as stream:
        stream.write(json.dumps(short) + "\n")

    shown = cli("feedback", "history", "--json")
    run = cli("feedback", "run", *sales.words)

    assert (shown.code, run.code) == (0, 0)
    assert shown.json["events"][0]["price"] is None


def test_a_lost_history_is_written_again_from_the_factors(cli, applied):
    """Applications are on record twice, and one of the two is enough."""
    [entry] = load_overrides((applied / "overrides.json").read_bytes(), where="x").history
    (applied / "history.jsonl").unlink()

    shown = cli("feedback", "history", "--json").json
    reverted = cli("feedback", "revert", "--json").json

    assert [event["id"] for event in shown["events"]] == [entry.id]
    lines = (applied / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [entry.id, reverted["id"]]


@pytest.mark.parametrize(
    "name", ["overrides.json", "history.jsonl", ".lock", "publishing.json", "suggestions-x.json"]
)
@pytest.mark.parametrize("command", ["apply", "revert"])
def test_the_plain_file_takes_no_place_of_the_folder(cli, applied, name, command):
    """--out-overrides into the folder itself would destroy what the folder knows."""
    (applied.parent / "link.json").symlink_to(applied / name)
    before = fingerprint(applied)

    for out in (applied / name, applied / ".." / "feedback" / name, "link.json"):
        said = cli("feedback", command, "--out-overrides", out)

        assert said.code == 3
        assert "--out-overrides" in one_line(said)
    assert fingerprint(applied) == before


@pytest.mark.parametrize("command", ["apply", "revert"])
def test_a_reason_in_another_encoding_is_refused(cli, kept, command):
    """A record is UTF-8; what is not is found before anything is written."""
    before = fingerprint(kept)

    said = cli("feedback", command, "--why", "gr\udcfcn")

    assert said.code == 3
    assert "--why" in one_line(said)
    assert fingerprint(kept) == before


@pytest.mark.parametrize("name", ["x" * 500, "a\x1b[2Jb", "a\nb"])
def test_an_account_of_any_name_can_be_recorded(cli, kept, monkeypatch, name):
    """What the system calls somebody is cut to what a record and a terminal can hold."""
    monkeypatch.setenv("LOGNAME", name)

    done = cli("feedback", "apply")
    found = cli("feedback", "history", "--json").json

    assert done.code == 0
    assert found["warnings"] == []
    assert 0 < len(found["events"][0]["by"]) <= 200
    assert found["events"][0]["by"].isprintable()


def test_current_factors_may_have_any_number_of_digits(cli, kept, sales, tmp_path):
    """A whole number beyond every float is no factor, and no crash."""
    file = tmp_path / "bad.json"
    file.write_text(json.dumps({"used": 10**400}))
    before = fingerprint(kept)

    said = cli("feedback", "run", *sales.words, "--current", file)

    assert said.code == 3
    assert "expected a factor above 0" in one_line(said)
    assert fingerprint(kept) == before


def test_no_document_is_written_that_nobody_would_read(applied):
    """A history that outgrows what applications read is refused before it is written."""
    folder = FeedbackFolder(applied)
    found = folder.overrides()
    [entry] = found.history
    factors = {f"{'g' * 190}{number}": 1.0 for number in range(900)}
    entries = [entry] + [
        type(entry)(f"x{number}", entry.timestamp, "b", "revert", None, factors, factors, "")
        for number in range(50)
    ]
    before = fingerprint(applied)

    with pytest.raises(InputError, match="at most 16,777,216 are read"):
        folder.write_overrides(type(found)(found.name, factors, found.bounds, tuple(entries[1:])))

    assert fingerprint(applied) == before
    assert len((applied / "overrides.json").read_bytes()) < overrides.MAX_BYTES


@pytest.mark.parametrize("group", ["used\u00a0good", "\U0001f469\u200d\U0001f527", "a'b\"c", "é"])
def test_a_group_of_any_name_is_in_the_history(cli, tmp_path, monkeypatch, group):
    """What a run may suggest and apply is told afterwards, and is compared with."""
    monkeypatch.chdir(tmp_path)
    found = month(tmp_path / "m", ratios={group: 0.8}, factors={group: 0.9})

    run = cli("feedback", "run", *found.words)
    done = cli("feedback", "apply")
    history = cli("feedback", "history", "--json").json

    assert (run.code, done.code, history["warnings"]) == (0, 0, [])
    assert [event["action"] for event in history["events"]] == ["apply", "run"]
    assert group in history["events"][0]["after"]


def test_a_file_name_does_not_steer_the_terminal(cli, tmp_path, monkeypatch):
    """A name that somebody else chose is written out where it could do something."""
    monkeypatch.chdir(tmp_path)
    found = month(tmp_path / "m")
    file = found.outcomes.rename(tmp_path / "m/o\x1b[2J.csv")
    file.write_text(file.read_text().replace(",true,", ",maybe,"))

    said = cli("feedback", "run", found.predictions, file)

    assert said.code == 0
    assert "'o\\x1b[2J.csv' line 3" in said.out
    assert "\x1b" not in said.out + said.err


def test_many_broken_lines_are_counted(cli, applied):
    """A file of rubbish is no page of notes."""
    with (applied / "history.jsonl").open("a") as stream:
        stream.write("rubbish\n" * 500)

    said = cli("feedback", "history", "--json").json

    assert len(said["warnings"]) == 11
    assert said["warnings"][-1] == "490 more lines are left out"
    assert said["count"] == 2


def test_a_factor_that_applications_refuse_is_said(cli, kept):
    """Wider bounds are the application's business, too: one that is not told refuses the file."""
    wide = cli("feedback", "apply", "--min-factor", "0.1", "--dry-run", "--json").json
    usual = cli("feedback", "apply", "--dry-run", "--json").json

    [warning] = [text for text in wide["warnings"] if "bounds=" in text]
    assert "'parts' is not between 0.5 and 1.2" in warning
    assert not any("bounds=" in text for text in usual["warnings"])


def test_doctor_finds_held_factors_in_force(cli, applied, monkeypatch):
    """A factor that was below the floor before, and is held there, is nothing to put right."""
    monkeypatch.setenv("CALREG_OVERRIDES", str(applied / "overrides.json"))

    said = cli("doctor", "--json")

    [found] = [one for one in said.json["findings"] if one["check"] == "overrides"]
    assert found["level"] == "ok", found
    assert "parts 0.4" in found["message"]
