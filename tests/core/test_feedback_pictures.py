"""Pictures of the feedback loop, as numbers: what is drawn is what the document says."""

import json

import numpy as np
import pytest
from joined_rows import joined

from calreg.feedback.figures import feedback_figures, feedback_figures_by_group
from calreg.feedback.suggest import suggest_factors
from calreg.report.pictures import feedback_page, feedback_spec
from calreg.report.pictures.feedback_history import events_of, in_force, marks
from calreg.report.pictures.feedback_rows import bin_rows, error_rows, factor_rows, worst_first
from calreg.report.pictures.feedback_specification import MAX_GROUPS
from calreg.report.pictures.feedback_words import answer
from calreg.report.pictures.phrases import lines, rounded, told_apart

HOSTILE = '</script><b onload="x">&\u2028\u202e{"expr": "1"}\n\x00'
FACTORS = {"new": 1.0, "worn": 0.6, "open": 0.9}


def document(rows=600, *, groups=tuple(FACTORS), right=("open",), seed=0):
    """The document of a run in which all groups but those `right` sell for a fifth more."""
    rng = np.random.default_rng(seed)
    group = rng.choice(groups, rows)
    outcome = rng.lognormal(3.0, 0.5, rows)
    off = np.where(np.isin(group, right), 1.0, 1 / 1.2)
    probability = rng.random(rows)
    found = joined(
        rows,
        predicted=outcome * off * rng.lognormal(0.0, 0.05, rows),
        outcome=outcome,
        probability=probability,
        sold=(rng.random(rows) < probability).astype(int),
        group=group,
        factor=[FACTORS.get(name, 1.0) for name in group],
    )
    return {
        "id": "20260301T101500Z-0123abcd",
        "timestamp": "2026-03-01T10:15:00Z",
        "data": {"keys": found.counts.to_json(), "rejects": {"not_a_number": 3}},
        **feedback_figures(found, unsold="include").to_json(),
        "groups": {
            name: one.group_json()
            for name, one in feedback_figures_by_group(found, unsold="include").items()
        },
        "suggestions": suggest_factors(found, unsold="include").to_json(),
    }


def event(day, action, before, after, **more):
    return {
        "id": f"{action}-{day}",
        "timestamp": f"2026-01-{day:02d}T12:00:00Z",
        "action": action,
        "before": before,
        "after": after,
        **more,
    }


HISTORY = [
    event(1, "run", {"a": 1.0, "b": 0.5}, {"a": 0.9, "b": 0.5}, price={"n": 9, "mae": 2.0}),
    event(2, "apply", {"a": 1.0, "b": 0.5}, {"a": 0.9, "b": 0.5}),
    event(3, "run", {"a": 0.9, "b": 0.5}, None, price={"n": 9, "mae": 3.0, "bias": -1.0}),
    event(4, "revert", {"a": 0.9, "b": 0.5}, {"a": 1.0, "b": 0.5}),
]


def rows_in(spec):
    """Every row of data in a specification."""
    if isinstance(spec, dict):
        values = spec["data"]["values"] if "data" in spec else []
        return [*values, *(row for part in spec.values() for row in rows_in(part))]
    if isinstance(spec, list):
        return [row for part in spec for row in rows_in(part)]
    return []


def test_the_numbers_drawn_are_those_of_the_document():
    """Errors, intervals, counts, factors and bins stand in the picture as in the document."""
    found = document()

    drawn = rows_in(feedback_spec(found))

    for name, one in found["groups"].items():
        row = next(row for row in drawn if row.get("group") == name and "mae" in row)
        for figure in ("bias", "mae"):
            ends = [row[f"{figure}_low"], row[f"{figure}_high"]]
            assert (row[figure], ends) == (one[figure], one[f"{figure}_interval"])
        assert row["n"] == one["n"]
    for name, one in found["suggestions"].items():
        row = next(row for row in drawn if row.get("group") == name and "suggested" in row)
        assert row["before"] == one["current_factor"] == FACTORS[name]
        assert row["suggested"] == one["suggested_factor"]
        assert [row["low"], row["high"]] == one["interval"]
        assert (row["n"], row["status"]) == (one["n"], one["status"].replace("_", " "))
        assert row["change"] == pytest.approx(one["suggested_factor"] / FACTORS[name] - 1.0)
    bins = {row["lo"]: row for row in drawn if "came" in row and "lo" in row}
    assert [*bins] == [one["lo"] for one in found["probability"]["bins"]]
    for one in found["probability"]["bins"]:
        row = bins[one["lo"]]
        assert (row["hi"], row["n"], row["came"]) == (one["hi"], one["n"], one["rate"])
        assert [row["low"], row["high"]] == one["rate_interval"]
        assert row["said"] == one["mean_probability"]


def test_the_answer_says_how_far_off_and_what_would_mend_it():
    """The title names the direction of the bias and the groups that would need another factor."""
    found = document()

    text = answer(found)

    bias = found["price"]["bias"]
    assert text.startswith(f"Prices are predicted {rounded(-bias)} too low on average; ")
    assert "new" in text
    assert "worn" in text
    assert " % higher" in text
    assert "open" not in text
    assert feedback_spec(found)["title"]["text"] == lines(text, 110)


def test_noise_is_not_called_an_error():
    """Where the interval of the bias holds zero, predictions are not said to be too low."""
    found = document(groups=("open",))
    found["price"] |= {"bias": -0.25, "bias_interval": [-0.5, 0.25]}

    assert answer(found) == (
        "Prices are predicted right on average, as far as can be told (0.25 too low); "
        "no group would need another factor"
    )


def test_groups_that_need_another_factor_come_first():
    """The order is ok, within noise, too few, and of the same status the largest change first."""
    one = {"current_factor": 1.0, "n": 5, "interval": None, "median_ratio": 1.0}
    suggestions = {
        "few": {**one, "suggested_factor": 3.0, "status": "too_few"},
        "noise": {**one, "suggested_factor": 1.5, "status": "within_noise"},
        "up": {**one, "suggested_factor": 1.1, "status": "ok"},
        "down": {**one, "suggested_factor": 0.8, "status": "ok"},
    }

    assert worst_first({"suggestions": suggestions}) == ["down", "up", "noise", "few"]
    assert answer({"suggestions": suggestions}) == (
        "Down would need a factor 20 % lower, up one 10 % higher"
    )


PARTS = ("price", "probability", "groups", "suggestions", "data", "id", "timestamp")


@pytest.mark.parametrize("missing", [*((part,) for part in PARTS), PARTS])
@pytest.mark.parametrize("history", [[], HISTORY], ids=["alone", "with history"])
def test_a_part_that_is_missing_is_not_drawn(missing, history):
    """Without any part of the document there is still a picture and a page with an answer."""
    found = {name: part for name, part in document(rows=60).items() if name not in missing}

    spec = feedback_spec(found, history)
    page = feedback_page(found, history)

    assert spec["vconcat"]
    assert json.loads(json.dumps(spec, allow_nan=False)) == spec
    assert page.answer.startswith(" ".join(spec["title"]["text"])[:20])
    drawn = rows_in(spec)
    assert any("came" in row and "lo" in row for row in drawn) is ("probability" not in missing)
    assert any("suggested" in row for row in drawn) is ("suggestions" not in missing)


def test_figures_that_are_absent_are_not_drawn_as_zero():
    """A group without pairs has no mark, and one without an interval a mark and no bar."""
    nothing = {"n": 0, "bias": None, "mae": None, "bias_interval": None, "mae_interval": None}
    single = {**nothing, "n": 1, "bias": 2.0, "mae": 2.0}
    suggestion = {
        "current_factor": 1.0,
        "suggested_factor": None,
        "n": 0,
        "status": "too_few",
        "median_ratio": None,
        "interval": None,
    }
    found = {
        "price": single,
        "groups": {"none": nothing, "one": single},
        "suggestions": {"none": suggestion},
    }
    shown = {"none": "none", "one": "one"}

    assert [row["group"] for row in error_rows(found, shown)] == ["all prices", "one"]
    assert [row["change"] for row in factor_rows(found, shown)] == [None]
    drawn = rows_in(feedback_spec(found))
    assert [row for row in drawn if row.get("group") == "none" and row.get("field") == 0] == []
    assert bin_rows({"probability": {"bins": [{"lo": 0.0, "hi": 0.1, "n": 0, "rate": None}]}}) == []


def test_the_line_of_a_factor_has_a_step_where_it_was_changed():
    """The factor in force goes from before to after at each application and revert."""
    events = events_of(HISTORY)

    assert [row["factor"] for row in in_force(events, "a")] == [1.0, 1.0, 0.9, 0.9, 0.9, 1.0]
    assert [(row["what"], row["factor"]) for row in marks(events, "a")] == [
        ("suggested", 0.9),
        ("applied", 0.9),
        ("reverted", 1.0),
    ]
    assert [row["what"] for row in marks(events, "b")] == ["suggested"]
    drawn = rows_in(feedback_spec({}, HISTORY))
    assert {row["factor"] for row in drawn if "place" in row} == {1.0, 0.9, 0.5}
    assert [row["mae"] for row in drawn if "when" in row and "mae" in row and "field" not in row][
        :2
    ] == [2.0, 3.0]


def test_a_history_is_drawn_in_the_order_of_time():
    """Rows that are not in order are put in order, and those without a time are left out."""
    shuffled = [HISTORY[2], {**HISTORY[0], "timestamp": "yesterday"}, HISTORY[3], HISTORY[1]]

    assert [event.row["id"] for event in events_of(shuffled)] == ["apply-2", "run-3", "revert-4"]


def test_a_history_alone_answers_with_its_last_run():
    """Without a document the answer is that of the last run, and what changed is said."""
    spec = feedback_spec({}, HISTORY)

    assert spec["title"]["text"] == ["Prices are predicted 1.0 too low on average"]
    assert (
        "Factors were changed 2 times, last on 2026-01-04: a 0.900 → 1.000"
        in (spec["title"]["subtitle"])
    )


def test_one_endless_interval_does_not_hide_the_others():
    """An interval far longer than the others is cut at the edge, which the panel says."""
    found = document()
    found["groups"]["open"]["bias_interval"] = [-1e9, 1e9]

    text = json.dumps(feedback_spec(found))

    assert text.count("the longest is cut") == 1
    assert "1000000000.0" in text


def test_many_groups_are_named_and_not_drawn():
    """Of many groups the first have a row; words say which have none, and the page has all."""
    groups = tuple(f"g{number:02d}" for number in range(MAX_GROUPS + 2))
    found = document(rows=4000, groups=groups)

    spec, page = feedback_spec(found), feedback_page(found)

    drawn = {row["group"] for row in rows_in(spec) if "group" in row}
    assert len(drawn - {"all prices"}) == MAX_GROUPS
    assert "Not drawn" in " ".join(spec["title"]["subtitle"])
    assert len(page.tables[0].rows) == 1 + len(groups)


def test_hostile_groups_stay_text():
    """A group that would end a script or begin a tag is shown, in data only, and does neither."""
    names = {"new": HOSTILE, "worn": HOSTILE.replace("\n", "\r"), "open": "all prices"}
    found = document()
    for part in ("groups", "suggestions"):
        found[part] = {names[name]: one for name, one in found[part].items()}
    factors = dict.fromkeys(names.values(), 1.0)
    history = [event(1, "apply", factors, {**factors, HOSTILE: 0.9})]

    spec = feedback_spec(found, history)
    text = json.dumps(spec)
    page = feedback_page(found, history).html(text, "")

    assert len({row["group"] for row in rows_in(spec) if "group" in row}) == 4
    assert all(sign not in text for sign in ("\\u2028", "\\u202e", "\\u0000"))
    assert page.count("</script>") == 2
    assert "<b" not in page.replace("<body", "")
    assert "&lt;/script&gt;&lt;b onload=" in page
    inside = page.partition('id="spec">')[2].partition("</script>")[0]
    assert json.loads(inside) == spec


def test_names_that_look_alike_are_told_apart():
    """Two names that are shown with the same text get different ones."""
    long = "x" * 80

    found = told_apart([long, long + "y", "a\n", "a\t"])

    assert len(set(found.values())) == 4
    assert all(len(text) <= 45 for text in found.values())


def test_the_page_has_the_figures_of_the_picture():
    """The tables have a row per group, per bin and per change, and rejects are a warning."""
    found = document()

    page = feedback_page(found, HISTORY)
    groups, bins, changes = page.tables

    assert [row[0] for row in groups.rows] == ["all prices", *worst_first(found)]
    assert [row[1] for row in bins.rows] == [
        str(one["n"]) for one in found["probability"]["bins"] if one["n"]
    ]
    assert [row[1:] for row in changes.rows] == [
        ["reverted", "a", "0.900", "1.000"],
        ["applied", "a", "1.000", "0.900"],
    ]
    assert page.warnings == ["3 lines and values were not accepted"]


def test_what_a_run_suggests_is_marked_in_the_history():
    """The run that the document is of has marks at its suggestions that are not noise."""
    found = document()
    row = event(5, "run", FACTORS, None) | {"id": found["id"]}

    events = events_of([*HISTORY, row], found)

    for name, one in found["suggestions"].items():
        expected = [one["suggested_factor"]] if one["status"] == "ok" else []
        assert [mark["factor"] for mark in marks(events, name)] == expected
