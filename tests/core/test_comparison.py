from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled_sets import drawn, labelled

from calreg.calibrate.objectives import parse_objective
from calreg.documents import Confusion
from calreg.errors import InputError
from calreg.evaluate import evidence_of, overall_of
from calreg.report.compare import compare_lines, compare_markdown
from calreg.tuning import Outputs, Request, paired
from calreg.tuning.compare import Addition, Mining, Option, compare
from calreg.tuning.figures import figure_named, figure_of_labels
from calreg.tuning.paired import difference_interval
from calreg.tuning.rebalance import NegativesWanted, Surroundings
from calreg.tuning.rule import derived_rule, stated_rule

counts = st.integers(0, 40)
confusions = st.builds(Confusion, tp=counts, fp=counts, fn=counts, tn=counts)


def scored(items: int, *, seed: int, name: str = "", **labels: float):
    """A set whose labels are `apart` by so much, with named items."""
    wanted = labels or {"spam": 1.5, "scam": 2.5}
    return labelled(
        items=[f"{name}{n}" for n in range(items)],
        **{
            label: drawn(items, seed=seed + place, apart=apart)
            for place, (label, apart) in enumerate(wanted.items())
        },
    )


CALIBRATION = scored(400, seed=1, name="c")
AROUND = Surroundings(scored(500, seed=11, name="h"))


def option(name="plain", calibration=CALIBRATION, objective="max-f1", **request):
    aim = None if objective is None else parse_objective(objective)
    return Option(name, Request(objective=aim, **request), calibration)


# --- figures ------------------------------------------------------------------------------


@given(st.lists(confusions, min_size=1, max_size=4))
def test_figures_are_those_of_the_evidence(found):
    """Macro, micro and worst figures are the ones that `tune` reports, to the last bit."""
    cells = np.array([[[one.tp, one.fp, one.fn, one.tn] for one in found]], dtype=float)
    expected = overall_of({str(place): one for place, one in enumerate(found)})

    for name, value in expected.items():
        assert figure_of_labels(name).of_counts(cells)[0] == pytest.approx(value, abs=1e-15)
    for name in ("precision", "recall", "f1", "fpr"):
        own = figure_named(name).formula(cells)[0].tolist()
        assert own == [getattr(one, name) for one in found]
    assert figure_named("f2").formula(cells)[0].tolist() == [one.f_beta(2.0) for one in found]


def test_a_cost_is_per_item():
    """What a confusion costs is the price of its errors, shared by all items."""
    cells = np.array([3.0, 1.0, 2.0, 4.0])

    assert figure_named("cost@fp=1,fn=20").formula(cells) == (1 + 40) / 10


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("macro_recal", "macro_recall"),
        ("recall", "macro_recall"),
        ("micro_auroc", "macro_auroc"),
        ("macro_f0", "macro_f1"),
        ("macro_cost@fp=1", ""),
    ],
)
def test_a_figure_that_is_none_is_refused_with_the_nearest(name, hint):
    """An unknown figure names what was probably meant."""
    with pytest.raises(InputError) as found:
        figure_of_labels(name)

    assert hint in (found.value.hint or "")


# --- rules --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("objectives", "text"),
    [
        (["max-recall@fpr<=0.02"], "highest macro recall with every FPR at most 0.02"),
        (
            ["max-recall@fpr<=0.05", "max-f1", "max-recall@fpr<=0.02"],
            "highest macro recall with every FPR at most 0.02",
        ),
        (["max-precision@recall>=0.9"], "highest macro precision with every recall at least 0.9"),
        (["max-recall@precision>=0.8"], "highest macro recall with every precision at least 0.8"),
        (["max-f1"], "highest macro F1"),
        (["max-f0.5", None], "highest macro F0.5"),
        (["youden", "min-cost@fp=1,fn=20"], "highest macro recall less FPR"),
        (["min-cost@fp=1,fn=20"], "lowest macro cost per item (fp=1,fn=20)"),
        ([None], "lowest macro NLL"),
    ],
)
def test_the_rule_follows_from_the_objectives(objectives, text):
    """Where nobody states a rule it is what options were tuned for, in words."""
    requests = [
        Request(map_method="platt", objective=parse_objective(one) if one else None)
        for one in objectives
    ]

    rule = derived_rule(requests, ["spam", "scam"])

    assert rule.text == text
    assert rule.is_derived


def test_limits_of_single_labels_stay_theirs():
    """A limit that one label's objective has binds that label alone."""
    request = Request(objectives={"scam": parse_objective("max-recall@fpr<=0.02")})

    rule = derived_rule([request], ["spam", "scam"])

    assert rule.text == "highest macro recall with FPR of scam at most 0.02"
    assert rule.bounds[0].of("spam") is None


def test_objectives_that_differ_imply_no_rule():
    """F1 and F2 cannot both be the figure that decides: somebody has to say."""
    requests = [Request(objective=parse_objective(one)) for one in ("max-f1", "max-f2")]

    with pytest.raises(InputError, match="imply no rule"):
        derived_rule(requests, ["spam"])


def test_nobody_wants_the_worst():
    """To maximise what is better low is refused, and so are no figure and two."""
    for words in (("macro_nll", None), (None, "macro_f1"), (None, None), ("macro_f1", "macro_nll")):
        with pytest.raises(InputError):
            stated_rule(*words, {})


def test_a_broken_limit_is_told_with_both_numbers():
    """A rate just above its limit is not rounded onto it, and its interval is named."""
    scores, truth = drawn(3000, seed=3, prevalence=0.5)
    fires = np.zeros(3000, dtype=bool)
    fires[np.flatnonzero(~truth)[:31]] = True
    evidence = evidence_of(
        scores, truth, direction="higher", fires=fires, probabilities=None, digest="0" * 64
    )
    limit = stated_rule("macro_recall", None, {"fpr": 0.02}).bounds[0]

    said = limit.broken_by("topic_crypto", evidence)

    assert said.startswith(f"FPR of topic_crypto {31 / np.count_nonzero(~truth):.3f} exceeds 0.02")
    assert "lies within its interval" in said


# --- differences --------------------------------------------------------------------------


def decided(scores, cut):
    return Outputs(
        dict.fromkeys(scores.labels),
        {label: column.scores >= cut for label, column in scores.labels.items()},
    )


def test_a_thing_is_not_better_than_itself():
    """The difference of two equal decisions is exactly none."""
    one = decided(AROUND.holdout, 1.0)

    for name in ("macro_f1", "micro_recall", "worst_fpr"):
        interval = difference_interval(AROUND.holdout, one, one, figure_of_labels(name))
        assert interval == (0.0, 0.0)


def test_the_interval_covers_the_difference_and_tells_a_large_one():
    """A clearly better decision has an interval above none, with the difference inside."""
    figure = figure_of_labels("macro_recall")
    good, bad = decided(AROUND.holdout, 0.5), decided(AROUND.holdout, 2.5)

    low, high = difference_interval(AROUND.holdout, good, bad, figure)

    recalls = [
        np.mean([said.fires[label][column.truth].mean() for label, column in labels.items()])
        for said in (good, bad)
        for labels in [AROUND.holdout.labels]
    ]
    assert 0.0 < low < recalls[0] - recalls[1] < high


def test_many_kinds_of_items_give_about_the_same_interval():
    """Leaving out groups agrees with drawing anew, to a seventh of the interval."""
    holdout = scored(4000, seed=31, name="h")
    one, other = decided(holdout, 0.8), decided(holdout, 1.6)
    figure = figure_of_labels("macro_f1")
    kinds = paired._Kinds.of(holdout, one.fires, other.fires)

    drawn_anew = np.array(paired._drawn(kinds, holdout.rows, figure, 0))
    left_out = np.array(paired._left_out(kinds, holdout.rows, figure, 0))

    width = drawn_anew[1] - drawn_anew[0]
    assert np.abs(left_out - drawn_anew).max() < 0.15 * width
    for which, said in enumerate((one, other)):
        counts = kinds.grouped(np.arange(4000) % 200, which).sum(axis=0)
        column, fires = holdout.labels["spam"], said.fires["spam"]
        assert counts[0].tolist() == [
            np.count_nonzero(fires & column.truth),
            np.count_nonzero(fires & ~column.truth),
            np.count_nonzero(~fires & column.truth),
            np.count_nonzero(~fires & ~column.truth),
        ]


def test_losses_have_an_interval_and_ranks_have_none():
    """NLL is compared row by row; of AUROC nothing is said."""
    holdout = AROUND.holdout
    said = [
        Outputs(
            {
                label: 1 / (1 + np.exp(-(column.scores * slope - 2)))
                for label, column in holdout.labels.items()
            },
            dict.fromkeys(holdout.labels),
        )
        for slope in (1.5, 0.1)
    ]

    low, high = difference_interval(holdout, *said, figure_of_labels("macro_nll"))

    assert low < high < 0.0
    assert difference_interval(holdout, *said, figure_of_labels("macro_auroc")) is None
    assert difference_interval(holdout, *said, figure_of_labels("macro_f1")) is None


# --- comparing ----------------------------------------------------------------------------


def test_the_best_by_the_rule_is_recommended_and_the_others_know_why():
    """Highest figure within limits wins; the rest have a reason with numbers."""
    options = [
        option("loose", objective="max-recall@precision>=0.5"),
        option("tight", objective="max-recall@fpr<=0.01"),
        option("tighter", objective="max-recall@fpr<=0.002"),
    ]

    found = compare(options, AROUND, rule=stated_rule("macro_recall", None, {"fpr": 0.06}))

    assert found.recommended == "tight"
    assert found.keeping == ("tight", "tighter")
    assert found.reasons["loose"][0].startswith("FPR of spam 0.")
    assert "exceeds 0.06" in found.reasons["loose"][0]
    assert found.reasons["tighter"][0].startswith("macro recall 0.")
    assert " < 0." in found.reasons["tighter"][0]
    assert found.reasons["tighter"][0].count("of tight") == 1
    for name, tried in found.tried.items():
        assert tried.tuned.overall["holdout"]["macro_recall"] == found.values[name]


def test_a_small_difference_is_not_called_worse():
    """An option that loses by a few items is said to be not clearly worse."""
    fewer = replace_rows(CALIBRATION, 380)

    found = compare([option("all"), option("fewer", fewer)], AROUND)

    assert found.recommended is not None
    assert len(found.not_clearly_worse) == 1
    loser = found.not_clearly_worse[0]
    why = found.reasons[loser][0]
    assert "not clearly worse" in why or "the same macro F1" in why


def replace_rows(scores, kept):
    """The first rows of a set."""
    labels = {
        label: type(column)(column.scores[:kept], column.truth[:kept], column.rows[:kept])
        for label, column in scores.labels.items()
    }
    return replace(scores, labels=labels, rows=kept, items=scores.items[:kept])


def test_of_equal_options_the_simpler_method_wins_then_the_first():
    """A tie goes to the method that fits fewer numbers, then to the order of the file."""
    options = [
        option("sigmoid", map_method="platt"),
        option("plain"),
        option("twin"),
    ]

    found = compare(options, AROUND)

    assert found.recommended == "plain"
    assert found.reasons["sigmoid"][0].endswith("and threshold is simpler than platt")
    assert found.reasons["twin"][0].endswith("and plain stands before it")


def test_no_option_within_the_limits_is_no_recommendation():
    """Where every option breaks the rule none is recommended, and each says why."""
    rule = stated_rule("macro_recall", None, {"recall": {"spam": 1.0}, "fpr": 0.0001})

    found = compare([option("a"), option("b", objective="youden")], AROUND, rule=rule)

    assert found.recommended is None
    assert found.reasons.keys() == {"a", "b"}
    assert any(
        "recall of spam" in reason and "is below 1" in reason for reason in found.reasons["a"]
    )
    assert found.to_json()["recommendation"]["option"] is None


def test_what_never_fires_is_not_recommended():
    """Catching nothing keeps any FPR limit; it is ruled out by name."""
    hopeless = scored(60, seed=5, name="x", spam=-4.0, scam=-4.0)
    silent = option("silent", hopeless, "max-recall@fpr<=0.001", direction="higher")

    found = compare([silent, option("loud")], AROUND, rule=stated_rule("macro_recall", None, {}))

    assert found.recommended == "loud"
    assert "fires on no item" in found.reasons["silent"][0]


def test_an_option_tuned_on_the_holdout_is_ruled_out():
    """Figures of the items an option was chosen on win nothing."""
    cheat = option("cheat", AROUND.holdout)

    found = compare([cheat, option("plain")], AROUND)

    assert found.values["cheat"] > found.values["plain"]
    assert found.recommended == "plain"
    assert "its calibration set is the holdout" in found.reasons["cheat"][0]


def test_one_option_that_cannot_be_tuned_is_a_row():
    """Truth of one class is that option's problem; the others are compared."""
    one_class = scored(50, seed=7, name="z")
    for label, column in one_class.labels.items():
        one_class.labels[label] = replace(column, truth=np.ones(50, dtype=bool))

    found = compare([option("bad", one_class), option("good")], AROUND)

    assert found.recommended == "good"
    assert "all 50 truths are 1" in found.tried["bad"].problem
    assert found.to_json()["options"]["bad"]["status"] == "failed"
    with pytest.raises(InputError, match="no option could be tuned: bad: cannot tune label"):
        compare([option("bad", one_class)], AROUND)


def test_other_labels_and_other_rows_do_not_compare():
    """An option with other labels, or judged on fewer items of the holdout, is a failed row."""
    partial = replace(CALIBRATION, labels={"spam": CALIBRATION.labels["spam"]})
    holed = replace(AROUND.holdout, labels=dict(AROUND.holdout.labels))
    column = holed.labels["spam"]
    holed.labels["spam"] = type(column)(column.scores[1:], column.truth[1:], column.rows[1:])
    softmax = option("softmax", objective="max-f1", map_method="temperature", link="softmax")

    found = compare([option("partial", partial), softmax, option("plain")], Surroundings(holed))

    assert "only the holdout has the label 'scam'" in found.tried["partial"].problem
    assert "softmax" in found.tried["softmax"].problem
    assert found.recommended == "plain"


def test_probabilities_alone_are_compared_by_their_likelihood():
    """Without thresholds the lowest NLL decides, and threshold options have none."""
    options = [
        option("platt", objective=None, map_method="platt"),
        option("histogram", objective=None, map_method="histogram"),
    ]

    found = compare(options, AROUND)

    assert found.rule.text == "lowest macro NLL"
    best = min(found.values, key=found.values.get)
    assert found.recommended == best
    rule = stated_rule(None, "macro_nll", {})
    mixed = compare([options[0], option("plain")], AROUND, rule=rule)
    assert mixed.reasons["plain"] == ("macro NLL is not defined for it",)


def test_added_rows_are_told_and_trained_ones_warned_about():
    """What came from a pool is counted, and rows of the training set are warned about."""
    pool = scored(200, seed=21, name="p")
    around = replace_train(AROUND, pool)
    options = [
        option("plain"),
        replace(option("more"), addition=Addition(pool, NegativesWanted(30))),
        replace(option("hard"), mining=Mining(pool, NegativesWanted(10), "scam")),
        replace(
            option("both"),
            mining=Mining(pool, NegativesWanted(10), "scam"),
            addition=Addition(pool, NegativesWanted(30)),
        ),
    ]

    found = compare(options, around)

    assert {name: tried.rows for name, tried in found.tried.items()} == {
        "plain": 400,
        "more": 430,
        "hard": 410,
        "both": 440,
    }
    assert [step.meta["kind"] for step in found.tried["both"].steps] == ["mine", "add_negatives"]
    assert found.tried["both"].steps[1].meta["removed"]["calibration"] > 0
    warning = found.tried["more"].cautions[0]
    assert warning.code == "pool_trained_on"
    assert "trained on 30 of 30 added rows (200 of 200 of the pool)" in warning.message
    unknown = compare(options[:2], AROUND).tried["more"].cautions[0]
    assert unknown.code == "pool_train_unknown"


def replace_train(around, train):
    return Surroundings(around.holdout, train=train, groups=around.groups)


@settings(max_examples=10, deadline=None)
@given(st.permutations(["a", "b", "c"]))
def test_the_order_of_options_changes_only_ties(order):
    """Whatever the order of the file, the same option has the best figure."""
    made = {
        "a": option("a", objective="max-f0.5"),
        "b": option("b", objective="max-f2"),
        "c": option("c", objective="youden"),
    }

    found = compare([made[name] for name in order], AROUND, rule=stated_rule("macro_f1", None, {}))

    assert found.values[found.recommended] == max(found.values.values())


# --- reports ------------------------------------------------------------------------------


def test_a_narrow_terminal_gets_fewer_columns_and_no_longer_lines():
    """The table fits; what decides stays to the end."""
    found = compare([option("plain"), option("sigmoid", map_method="platt")], AROUND)

    wide = compare_lines("m/posts", found, holdout_rows=500, width=None)
    narrow = compare_lines("m/posts", found, holdout_rows=500, width=60)

    table = [line.plain for line in narrow[2:9]]
    assert all(len(line) <= 60 for line in table)
    assert "recall" in table[0]
    assert "FPR interval" in wide[2].plain
    assert "FPR interval" not in table[0]
    assert any("Recommended: plain" in line.plain for line in narrow)


def test_markdown_is_one_table_with_the_same_figures():
    """Every row of the page has as many cells as its header, whatever names hold."""
    odd = [option("a | b_c*"), option("plain", objective="youden")]

    page = compare_markdown("m/posts", compare(odd, AROUND), holdout_rows=500)

    rows = [line.replace("\\|", "") for line in page.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 2 * 3
    assert len({line.count("|") for line in rows}) == 1
    assert "**Recommended: " in page


def test_many_labels_are_a_line_per_option():
    """With more labels than a table can hold, options have one line each."""
    names = {f"l{n}": 1.0 for n in range(8)}
    around = Surroundings(scored(100, seed=2, name="h", **names))

    found = compare([option("all", scored(100, seed=1, name="c", **names))], around)

    lines = [line.plain for line in compare_lines("m/x", found, holdout_rows=100, width=None)]
    assert sum("mean of labels" in line for line in lines) == 1
    assert not any(line.split()[:1] == ["l3"] for line in lines)
