"""`calreg feedback`: from predictions and outcomes to the factors that an application loads."""

import json
from pathlib import Path
from shutil import copytree

import pytest
from desk import fingerprint
from sales import FACTORS, RATIOS, month

from calreg import overrides
from calreg.documents import load_overrides, load_suggestions
from calreg.errors import InputError

NAME = "CONDITION_PRICE_FACTOR"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A person in a folder of their own."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture
def sales(tmp_path):
    return month(tmp_path / "january")


@pytest.fixture
def february(tmp_path):
    return month(tmp_path / "february", seed=1)


@pytest.fixture
def current(tmp_path):
    """What the application multiplies by before anything is overridden."""
    file = tmp_path / "defaults.json"
    file.write_text(json.dumps({NAME: FACTORS}))
    return file


@pytest.fixture
def kept(feedback_folders, place):
    """A folder that holds one run of the sales."""
    return copytree(feedback_folders / "named/feedback", place / "feedback")


@pytest.fixture
def applied(cli, kept):
    """A folder that holds one application."""
    assert cli("feedback", "apply").code == 0
    return kept


def in_force(folder: Path):
    file = folder / "overrides.json"
    return load_overrides(file.read_bytes(), where=str(file))


def edited(kept: Path, change) -> Path:
    """The suggestions of the run, with something changed by hand."""
    [file] = kept.glob("suggestions-*.json")
    data = json.loads(file.read_text())
    change(data)
    target = kept.parent / "edited.json"
    target.write_text(json.dumps(data))
    return target


# The whole loop


def test_run_apply_load(cli, place, sales, current, monkeypatch):
    """Evidence becomes factors that an application loads, once, and no bound turns a cut round."""
    run = cli("feedback", "run", *sales.words, "--current", current, "--json")
    assert run.code == 0
    wanted = run.json["suggestions"]
    assert wanted["parts"]["suggested_factor"] < 0.4
    assert wanted["parts"]["status"] == wanted["used"]["status"] == "ok"

    done = cli("feedback", "apply", "--why", "first month")
    again = cli("feedback", "apply")
    monkeypatch.setenv("CALREG_OVERRIDES", str(place / "feedback/overrides.json"))
    loaded = overrides.load({NAME: FACTORS, "OTHER": 1}, strict=True)

    assert done.code == 0
    assert again.code == 3
    assert "the same data was applied already" in again.err
    # 0.40 is below the floor of 0.5: a cut must not end as a rise to it.
    assert loaded[NAME]["parts"] == 0.4
    assert loaded[NAME]["used"] == pytest.approx(0.9 * 0.85)
    assert loaded[NAME]["new"] == 1.0
    assert loaded["OTHER"] == 1
    assert "allows no cut from 0.4: held" in done.out
    [entry] = in_force(place / "feedback").history
    assert entry.why == "first month"
    assert entry.before == FACTORS
    assert entry.data_digest == run.json["data"]["digest"]


def test_the_second_month_goes_on_from_the_first(cli, applied, tmp_path):
    """The factors in force are the folder's own, and a new month moves them one more step."""
    moved = {group: ratio * 0.9 for group, ratio in RATIOS.items()}
    second = month(tmp_path / "second", ratios=moved, factors=in_force(applied).factors, seed=2)

    run = cli("feedback", "run", *second.words, "--json")
    done = cli("feedback", "apply", "--json")

    assert run.json["suggestions"]["used"]["current_factor"] == pytest.approx(0.9 * 0.85)
    assert done.code == 0
    assert done.json["after"]["used"] < done.json["before"]["used"]
    assert done.json["after"]["parts"] == 0.4
    history = in_force(applied).history
    assert history[1].before == history[0].after


# Run


def test_the_run_has_the_promised_shape(cli, place, sales):
    """Programs may rely on these keys."""
    said = cli("feedback", "run", *sales.words, "--json")

    found = said.json
    assert found["joined"] == found["keys"]["matched"] == 180
    assert {"matched", "predicted_only", "outcome_only"} <= found["keys"].keys()
    assert {"n", "mae", "rmse", "bias", "mape"} <= found["price"].keys()
    assert {"n", "brier", "ece10", "bins"} <= found["probability"].keys()
    assert len(found["probability"]["bins"]) == 10
    assert {"lo", "hi", "n", "mean_probability", "rate"} <= found["probability"]["bins"][0].keys()
    assert {"n", "mae", "rmse", "bias", "median_ratio"} <= found["groups"]["used"].keys()
    suggestion = found["suggestions"]["used"]
    assert {"current_factor", "suggested_factor", "n", "status"} <= suggestion.keys()
    assert found["price"]["n"] == 144
    assert found["rejects"] == []


def test_what_is_told_is_what_is_kept(cli, place, sales):
    """The document in the folder is the one on standard output, and apply's reader takes it."""
    said = cli("feedback", "run", *sales.words, "--json", "--timestamp", "2026-01-31T12:00:00Z")

    [name] = said.json["files"]
    kept = load_suggestions(Path(name).read_bytes(), where=name).to_json()
    digest = said.json["data"]["digest"]
    assert kept == {key: said.json[key] for key in kept}
    assert Path(name).name == f"suggestions-20260131T120000Z-{digest[:8]}.json"


def test_two_runs_of_one_second_are_two(cli, place, sales):
    """Names are unique even where clock and data are the same."""
    words = ("feedback", "run", *sales.words, "--timestamp", "2026-01-31T12:00:00Z", "--json")

    first, second = cli(*words).json, cli(*words).json

    assert second["id"] == f"{first['id']}-2"
    assert len(list((place / "feedback").glob("suggestions-*.json"))) == 2


def test_the_report_says_which_groups_ask_for_another_factor(cli, place, sales):
    """The groups that need a look come first, and the last line says what to do."""
    said = cli("feedback", "run", *sales.words)

    lines = said.out.splitlines()
    table = [line.split()[0] for line in lines if line.startswith(("parts", "used", "new", "all"))]
    assert table == ["parts", "used", "new", "all"]
    assert "too dear on average" in said.out
    assert lines[-1].startswith("Next: calreg feedback apply --dry-run")


def test_without_a_factor_column_somebody_is_told(cli, place, tmp_path):
    """A factor of 1 is taken only with a warning."""
    said = cli("feedback", "run", *month(tmp_path / "m", factors=None).words)

    assert said.code == 0
    assert "do not say which factor was in force: 1 is taken" in said.out


def test_a_price_with_a_sign_is_rejected_or_taken(cli, place, sales):
    """`$27.50` is no number unless somebody says what the sign is; its row stays either way."""
    text = sales.outcomes.read_text()
    first = next(line for line in text.splitlines() if ",true," in line)
    key, price, *rest = first.split(",")
    sales.outcomes.write_text(text.replace(first, ",".join([key, f"${price}", *rest])))

    strict = cli("feedback", "run", *sales.words, "--dry-run", "--json").json
    told = cli("feedback", "run", *sales.words, "--dry-run", "--json", "--currency", "$").json

    [reject] = strict["rejects"]
    assert (reject["source"], reject["reason"]) == ("outcomes.csv", "not_a_number")
    assert reject["line"] == text.splitlines().index(first) + 1
    assert (strict["joined"], strict["price"]["n"]) == (180, 143)
    assert (told["rejects"], told["price"]["n"]) == ([], 144)


def test_garbled_lines_are_named(cli, place, sales):
    """All of them by number, even where there are more than a screen should show."""
    good = sales.predictions.read_text().splitlines()
    sales.predictions.write_text("\n".join([*good, *["{"] * 15]) + "\n")

    refused = cli("feedback", "run", *sales.words)
    left = list(place.iterdir())
    said = cli("feedback", "run", *sales.words, "--max-reject-rate", "0.2")

    assert (refused.code, left) == (3, [])
    assert "predictions.jsonl line 181: garbled" in said.out
    assert "garbled, too: lines 191, 192, 193, 194, 195" in said.out


def test_columns_can_be_named(cli, place, sales):
    """A column of another name is one option away, on the side that has the role."""
    sales.outcomes.write_text(sales.outcomes.read_text().replace("sold_price", "gross", 1))

    refused = cli("feedback", "run", *sales.words, "--column", "price=gross")
    said = cli("feedback", "run", *sales.words, "--column", "outcome=gross", "--json")

    assert refused.code == 2
    assert said.json["price"]["n"] == 144


def test_a_dry_run_keeps_nothing(cli, place, sales):
    """Not even the folder is made."""
    said = cli("feedback", "run", *sales.words, "--dry-run", "--json")

    assert said.code == 0
    assert said.json["files"] == []
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ("sku,sold_price,sold\nother,1.0,true\n", "no key is in both"),
        ("sku,sold_price,sold,sold_price\nnew-0000,1,true,2\n", ""),
        ("", ""),
    ],
)
def test_bad_outcomes_are_one_line_and_nothing_is_kept(cli, place, sales, outcomes, said):
    """Exit 3, what is wrong, and no folder."""
    sales.outcomes.write_text(outcomes)

    refused = cli("feedback", "run", *sales.words)

    assert refused.code == 3
    assert said in refused.err
    assert len([line for line in refused.err.splitlines() if not line.startswith("Hint")]) == 1
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        '{"used": "1"}',
        '{"used": 0}',
        '{"used": NaN}',
        '{"CONDITION_PRICE_FACTOR": 1}',
        "x",
    ],
)
def test_factors_that_are_none_are_refused(cli, place, sales, tmp_path, content):
    """A file of current factors holds numbers above 0, or is not used."""
    (tmp_path / "bad.json").write_text(content)

    refused = cli("feedback", "run", *sales.words, "--current", tmp_path / "bad.json")

    assert refused.code == 3
    assert list(place.iterdir()) == []


# Alerts


def test_an_alert_fires_with_exit_1(cli, place, sales):
    """The run is kept all the same, and the line says by how much."""
    said = cli("feedback", "run", *sales.words, "--alert", "abs(bias)>0.10")

    assert said.code == 1
    assert "alert: abs(bias) is" in said.out
    assert (place / "feedback/history.jsonl").is_file()


def test_a_rule_that_compares_waits_for_the_second_run(cli, place, sales, tmp_path):
    """The first run is no alarm; the second is, when errors grew by half."""
    worse = month(tmp_path / "worse", ratios=dict.fromkeys(RATIOS, 0.5), seed=3)

    first = cli("feedback", "run", *sales.words, "--alert", "mae:+50%")
    second = cli("feedback", "run", *worse.words, "--alert", "mae:+50%", "--json")
    seen = cli("feedback", "history", "--alert", "mae:+50%")

    assert first.code == 0
    assert "waits for the next" in first.out
    assert second.code == seen.code == 1
    [alert] = second.json["alerts"]
    assert (alert["rule"], alert["verdict"]) == ("mae:+50%", "fired")


def test_the_same_data_again_is_no_comparison(cli, kept, sales):
    """A run that is repeated is compared with the run before, not with itself."""
    said = cli("feedback", "run", *sales.words, "--alert", "mae:+1%")

    assert said.code == 0
    assert "waits for the next" in said.out


def test_what_cannot_be_told_is_no_yes(cli, place, sales):
    """A rule on a figure that is missing is refused before anything is kept."""
    rows = [json.loads(line) for line in sales.predictions.read_text().splitlines()]
    lines = [json.dumps({k: v for k, v in row.items() if k != "probability"}) for row in rows]
    sales.predictions.write_text("\n".join(lines) + "\n")

    said = cli("feedback", "run", *sales.words, "--alert", "brier>0.2")

    assert said.code == 3
    assert "could not tell" in said.err
    assert not (place / "feedback/history.jsonl").exists()


def test_groups_can_raise_an_alert_of_their_own(cli, place, sales):
    """All rows may be well while one group is not."""
    words = ("feedback", "run", *sales.words, "--alert", "median_ratio<0.75")

    assert cli(*words).code == 0
    said = cli(*words, "--alert-groups", "--json")

    assert said.code == 1
    assert [alert["place"] for alert in said.json["alerts"]] == ["parts"]


def test_a_rule_that_is_none_is_a_usage_error(cli, place, sales):
    """With the form that was probably meant."""
    said = cli("feedback", "run", *sales.words, "--alert", "mae+50")

    assert said.code == 2
    assert list(place.iterdir()) == []


# Apply


def test_a_dry_run_shows_before_and_after(cli, kept):
    """The table is the whole effect: nothing is written."""
    before = fingerprint(kept)

    said = cli("feedback", "apply", "--dry-run")

    assert said.code == 0
    row = next(line for line in said.out.splitlines() if line.startswith("used"))
    assert row.split()[:6] == ["used", "0.9000", row.split()[2], "0.7650", "-15.0", "%"]
    assert "the largest step, 0.15, ends it at 0.765" in row
    assert "Dry run: nothing written" in said.out
    assert fingerprint(kept) == before


def test_bounds_are_options_and_are_remembered(cli, kept, tmp_path):
    """The next application has the bounds of the last one, unless told otherwise."""
    words = ("--min-factor", "0.3", "--max-factor", "1.1", "--max-step", "0.5")
    first = cli("feedback", "apply", *words, "--json")
    second = month(tmp_path / "second", factors=first.json["after"], seed=4)
    cli("feedback", "run", *second.words)

    again = cli("feedback", "apply", "--dry-run", "--json")

    assert first.json["after"]["parts"] < 0.4
    assert again.json["bounds"] == {"min_factor": 0.3, "max_factor": 1.1, "max_step": 0.5}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--min-factor", "nan"), 2),
        (("--min-factor", "1.5"), 2),
        (("--max-step", "0"), 2),
        (("--commit",), 2),
        (("--push",), 2),
        (("--head", "m/h"), 2),
        (("--head", "m/h", "--commit", "--dry-run"), 2),
        (("nowhere.json",), 3),
        (("--by", ""), 3),
        (("--by", "x" * 201), 3),
        (("--by", "a\x1b[31m"), 3),
        (("--why", "x" * 1001), 3),
        (("--out-overrides", "/dev/null/x.json"), 3),
    ],
)
def test_what_cannot_be_applied_writes_nothing(cli, kept, words, code):
    """One line, and the folder as it was."""
    before = fingerprint(kept)

    said = cli("feedback", "apply", *words)

    assert said.code == code
    assert fingerprint(kept) == before


@pytest.mark.parametrize("value", ["NaN", '"0.8"', "-1", "0", "null", "true", "1e999"])
def test_a_suggested_factor_that_is_no_number_is_refused(cli, kept, value):
    """A suggestion that a person or a program broke is never guessed at."""
    file = edited(kept, lambda data: data["suggestions"]["used"].update(suggested_factor="HERE"))
    file.write_text(file.read_text().replace('"HERE"', value))

    said = cli("feedback", "apply", file)

    assert said.code == 3
    assert not (kept / "overrides.json").exists()


@pytest.mark.parametrize("factor", ["x", None, -1.0, []])
def test_a_current_factor_that_is_none_is_refused(cli, kept, factor):
    """The file names the factors that it was made against, and they are checked, too."""
    file = edited(kept, lambda data: data["options"]["current"].update(used=factor))

    said = cli("feedback", "apply", file)

    assert said.code == 3
    assert not (kept / "overrides.json").exists()


def test_an_unknown_group_is_refused_or_allowed(cli, kept):
    """A group that has no factor gets none by accident."""
    file = edited(
        kept,
        lambda data: data["suggestions"].update(
            usde={**data["suggestions"]["used"], "current_factor": 1.0}
        ),
    )

    refused = cli("feedback", "apply", file)
    allowed = cli("feedback", "apply", file, "--allow-unknown", "--json")

    assert refused.code == 3
    assert "Did you mean used?" in refused.err
    assert allowed.json["groups"]["usde"]["action"] == "new"
    assert allowed.json["after"]["usde"] == pytest.approx(0.85)


def test_the_plain_file_is_written_too(cli, kept, tmp_path):
    """What applications have always read, with the same factors."""
    out = tmp_path / "out/overrides.json"

    said = cli("feedback", "apply", "--out-overrides", out, "--json")

    assert json.loads(out.read_text()) == {NAME: said.json["after"]}
    assert str(out) in said.json["files"]
    assert overrides.load({NAME: FACTORS}, out, strict=True)[NAME] == said.json["after"]


def test_nothing_to_change_is_no_application(cli, place, tmp_path):
    """Evidence that holds every factor is not used up."""
    calm = month(tmp_path / "calm", ratios={"new": 1.0}, factors={"new": 1.0})
    cli("feedback", "run", *calm.words)

    said = cli("feedback", "apply")

    assert said.code == 0
    assert "Nothing to apply" in said.out
    assert not (place / "feedback/overrides.json").exists()


def test_suggestions_against_other_factors_are_held(cli, applied, sales, february, current):
    """What was suggested before the last application says nothing about the factors since."""
    stale = cli("feedback", "run", *february.words, "--current", current, "--json")

    said = cli("feedback", "apply", "--json")

    assert stale.code == 0
    assert said.json["groups"]["used"]["action"] == "held"
    assert "run the feedback again" in said.json["groups"]["used"]["reason"]


def test_two_do_not_write_at_once(cli, kept):
    """The second is told, and nothing of it is written."""
    import fcntl

    with (kept / ".lock").open("a") as stream:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX)

        said = cli("feedback", "apply")

    assert said.code == 3
    assert "another calreg feedback writes here" in said.err
    assert not (kept / "overrides.json").exists()


def test_a_broken_document_of_factors_is_refused(cli, applied):
    """Factors in force that cannot be read are no reason to start from others."""
    (applied / "overrides.json").write_text("{")

    for words in (("apply", "--dry-run"), ("revert",)):
        assert cli("feedback", *words).code == 3


# History and revert


def test_history_lists_what_happened_newest_first(cli, applied, february):
    """Runs with their figures, applications with what they changed, and trends."""
    cli("feedback", "run", *february.words)

    said = cli("feedback", "history")
    found = cli("feedback", "history", "--json").json

    assert [event["action"] for event in found["events"]] == ["run", "apply", "run"]
    assert found["count"] == 3
    assert "used 0.9000 → 0.7650" in said.out
    assert {event["by"] for event in found["events"]} != {""}
    assert all(event["timestamp"].endswith("Z") for event in found["events"])
    assert found["events"][0]["groups"]["used"]["bias"] > 0
    trend = next(line for line in said.out.splitlines() if line.startswith("used"))
    assert any(block in trend for block in "▁▂▃▄▅▆▇█")


def test_pictures_of_a_run_and_of_the_history(cli, applied, february, tmp_path):
    """Both commands draw; a name that says no format is refused before anything is kept."""
    page, picture = tmp_path / "run.html", tmp_path / "plots/history.svg"
    refused = cli("feedback", "run", *february.words, "--plot", tmp_path / "x.doc")
    count = cli("feedback", "history", "--json").json["count"]

    run = cli("feedback", "run", *february.words, "--plot", page)
    history = cli("feedback", "history", "--plot", picture)

    assert (refused.code, count) == (2, 2)
    assert run.code == history.code == 0
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert picture.read_text().startswith("<svg")


def test_a_line_that_was_cut_off_is_said_and_survived(cli, applied, february):
    """A machine that died in the middle of a line loses that line, and no other."""
    file = applied / "history.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:40])

    said = cli("feedback", "history", "--json")
    cli("feedback", "run", *february.words)
    after = cli("feedback", "history", "--json")

    assert said.code == 0
    assert said.json["count"] == 2
    [warning] = said.json["warnings"]
    assert "line 3" in warning
    assert [event["action"] for event in after.json["events"]] == ["run", "apply", "run"]


def test_a_line_that_would_steer_the_terminal_is_left_out(cli, applied):
    """What somebody else wrote into the file never reaches a terminal as it is."""
    file = applied / "history.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0].replace('"by": "', '"by": "\\u001b[2J'), lines[1]]) + "\n")

    said = cli("feedback", "history")

    assert "\x1b" not in said.out + said.err
    assert "line 1" in said.err


def test_apply_finds_the_newest_suggestions_without_the_history(cli, kept):
    """A history that was lost takes nothing else with it."""
    (kept / "history.jsonl").unlink()

    assert cli("feedback", "apply").code == 0


def test_revert_restores_and_is_recorded(cli, applied):
    """The factors from before, as one more entry; what was recorded stays."""
    before = in_force(applied)

    shown = cli("feedback", "revert", "--dry-run")
    unchanged = in_force(applied)
    done = cli("feedback", "revert", "--why", "too bold")
    again = cli("feedback", "revert")

    assert shown.code == done.code == 0
    assert unchanged == before
    after = in_force(applied)
    assert after.factors == FACTORS
    assert after.history[:1] == before.history
    assert (after.history[1].action, after.history[1].why) == ("revert", "too bold")
    assert again.code == 3


def test_revert_takes_a_name(cli, applied, tmp_path):
    """Any application can be named; one that is not there is refused with the nearest."""
    second = month(tmp_path / "second", factors=in_force(applied).factors, seed=5)
    cli("feedback", "run", *second.words)
    cli("feedback", "apply")
    first = in_force(applied).history[0]

    refused = cli("feedback", "revert", "20200101T000000Z-00000000")
    done = cli("feedback", "revert", first.id, "--json")

    assert refused.code == 3
    assert done.json["reverted"] == first.id
    assert in_force(applied).factors == FACTORS


def test_reverting_does_not_free_the_evidence(cli, applied):
    """What was applied once is in the history, reverted or not."""
    cli("feedback", "revert")

    assert cli("feedback", "apply").code == 3


def test_nothing_applied_cannot_be_reverted(cli, kept):
    """One line, exit 3."""
    said = cli("feedback", "revert")

    assert said.code == 3
    assert "nothing was applied yet" in said.err


@pytest.mark.parametrize("command", ["run", "apply", "history", "revert"])
def test_every_command_explains_itself(cli, command):
    """Help names the folder and says what comes of it."""
    said = cli("feedback", command, "--help")

    assert said.code == 0
    assert "--folder" in said.out


def test_an_application_refuses_what_apply_would_not_write(place):
    """The bounds are checked once more where the factors are loaded."""
    (place / "plain.json").write_text(json.dumps({NAME: {"used": 3.0}}))

    with pytest.raises(InputError, match="out of bounds"):
        overrides.load({NAME: FACTORS}, place / "plain.json", strict=True)
