from __future__ import annotations

from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calreg.errors import UsageError
from calreg.feedback.alerts import (
    EXAMPLES,
    METRICS,
    AlertRule,
    baseline_of,
    evaluate,
    parse_alert,
)

LAW = settings(deadline=None, max_examples=200)

figures = st.floats(0.01, 1000.0)
broken = st.sampled_from([nan, inf, -inf, None, True, "4", [4.0]])
rules = st.one_of(
    st.builds(
        lambda metric, sign, cents: f"{metric}:{sign}{cents / 100}%",
        st.sampled_from([metric for metric in METRICS if metric != "bias"]),
        st.sampled_from("+-"),
        st.integers(1, 10_000),
    ),
    st.builds(
        lambda subject, sign, thousandths: f"{subject}{sign}{thousandths / 1000}",
        st.sampled_from([*METRICS, *(f"abs({metric})" for metric in METRICS)]),
        st.sampled_from([">", ">=", "<", "<="]),
        st.integers(0, 5000),
    ),
)


def judged(text: str, now: dict, before: dict | None = None):
    return evaluate([parse_alert(text)], now, before)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("mae:+50%", AlertRule("mae", False, "+", 0.5)),
        ("sell_through:-20%", AlertRule("sell_through", False, "-", 0.2)),
        ("abs(bias):+7%", AlertRule("bias", True, "+", 0.07)),
        ("abs(bias)>0.10", AlertRule("bias", True, ">", 0.1)),
        ("abs( bias ) >= 10 %", AlertRule("bias", True, ">=", 0.1)),
        ("bias<-0.1", AlertRule("bias", False, "<", -0.1)),
        ("median_ratio<=.9", AlertRule("median_ratio", False, "<=", 0.9)),
    ],
)
def test_rules_are_read(text, rule):
    """Changes and limits are read, with white space, percent and short numbers."""
    assert parse_alert(text) == rule


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_are_rules(text):
    """Every example that a message shows is one."""
    assert parse_alert(text).text == text.replace("0.10", "0.1")


@LAW
@given(rules)
def test_text_reads_back(text):
    """A rule's own text is the same rule."""
    rule = parse_alert(text)

    assert parse_alert(rule.text) == rule


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("mae:50%", "Did you mean mae:+50%?"),
        ("mae:+50", "Did you mean mae:+50%?"),
        ("mae:-5", "Did you mean mae:-5%?"),
        ("mae", "for example mae:+50% or sell_through:-20% or abs(bias)>0.10"),
        ("", "for example"),
        ("mae>", "for example"),
        ("mae>nan", "for example"),
        ("mae>inf", "for example"),
        ("mae:+inf%", "for example"),
        ("mae>1e3", "for example"),
        ("mae=0.1", "for example"),
        ("mae:+50%,bias>1", "for example"),
        ("mae:+-50%", "for example"),
        ("abs(bias>0.1", "for example"),
        ("abs(abs(bias))>0.1", "for example"),
        ("mae>0.1\nrmse>0.1", "for example"),
        ("mae>٣", "for example"),
        ("mea:+50%", "Did you mean mae?"),
        ("MAE:+50%", "There are: bias"),
        ("bias:+50%", "Write abs(bias):+50%."),
        ("mae:+0%", "for example mae:+50%"),
        ("mae:-101%", "for example mae:-20%"),
        ("abs(bias)>-0.1", "for example abs(bias)>0.10"),
    ],
)
def test_what_is_no_rule_is_refused_with_advice(text, hint):
    """A text that is no rule is refused, and the hint says what was probably meant."""
    with pytest.raises(UsageError) as caught:
        parse_alert(text)

    assert caught.value.hint.startswith(hint)
    assert str(caught.value).startswith(repr(text))
    assert caught.value.code == "alert"


@LAW
@given(figures, figures, st.integers(1, 300))
def test_a_rise_fires_from_its_share_on(now, before, percent):
    """A rise fires exactly where the figure reached the baseline and its share."""
    found = judged(f"mae:+{percent}%", {"mae": now}, {"mae": before})

    assert bool(found) == (now >= before + before * float(f"{percent / 100:.15g}"))
    assert not found or found[0].verdict == "fired"


@LAW
@given(figures, figures, st.integers(1, 100))
def test_a_fall_fires_from_its_share_on(now, before, percent):
    """A fall fires exactly where the figure lost the share of the baseline."""
    found = judged(f"sell_through:-{percent}%", {"sell_through": now}, {"sell_through": before})

    assert bool(found) == (now <= before - before * float(f"{percent / 100:.15g}"))


@LAW
@given(st.floats(-50, 50), st.floats(1, 1000), st.integers(1, 500))
def test_a_limit_on_prices_is_relative(bias, mean, thousandths):
    """A limit of the bias is a share of the mean outcome, whatever the currency."""
    text = f"abs(bias)>{thousandths / 1000}"

    found = judged(text, {"bias": bias, "mean_outcome": mean})

    assert bool(found) == (abs(bias) / mean > thousandths / 1000)
    assert len(found) == len(judged(text, {"bias": bias * 4, "mean_outcome": mean * 4}))


@LAW
@given(rules, broken, st.booleans())
def test_what_cannot_be_told_is_an_alert(text, value, is_absent):
    """A missing or broken figure never passes, on either side of a comparison."""
    rule = parse_alert(text)
    whole = {**dict.fromkeys(METRICS, 0.5), "mean_outcome": 10.0}
    lacking = {**whole, rule.metric: value}
    if is_absent:
        del lacking[rule.metric]

    assert [a.verdict for a in evaluate([rule], lacking, whole)] == ["could_not_tell"]
    if rule.compares:
        assert [a.verdict for a in evaluate([rule], whole, lacking)] == ["could_not_tell"]
        assert [a.verdict for a in evaluate([rule], whole)] == ["could_not_tell"]


@pytest.mark.parametrize("mean", [nan, inf, None, 0.0, -3.0])
def test_a_share_of_no_mean_cannot_be_told(mean):
    """Without a mean outcome above 0 a limit on prices is an alert."""
    [alert] = judged("abs(bias)>0.10", {"bias": 0.0, "mean_outcome": mean})

    assert alert.verdict == "could_not_tell"
    assert "no share of the mean outcome" in alert.reason


def test_the_way_of_a_limit_counts():
    """A limit below fires below, and equality fires only where it is asked for."""
    assert judged("median_ratio<0.9", {"median_ratio": 0.89})
    assert not judged("median_ratio<0.9", {"median_ratio": 0.9})
    assert judged("median_ratio<=0.9", {"median_ratio": 0.9})
    assert judged("mape>=0.3", {"mape": 0.3})
    assert not judged("mape>0.3", {"mape": 0.3})
    assert judged("median_days>30", {"median_days": 31.0})


def test_a_share_that_is_just_reached_fires():
    """Exactly 50 % more is an alert, and so is exactly a fifth less."""
    assert judged("mae:+50%", {"mae": 6.0}, {"mae": 4.0})
    assert not judged("mae:+50%", {"mae": 5.999}, {"mae": 4.0})
    assert judged("sell_through:-25%", {"sell_through": 0.75}, {"sell_through": 1.0})
    assert not judged("sell_through:-25%", {"sell_through": 0.751}, {"sell_through": 1.0})


def test_from_nothing_every_rise_fires():
    """Of a baseline of 0 only staying there passes a rise."""
    [alert] = judged("mae:+50%", {"mae": 0.1}, {"mae": 0.0})

    assert (alert.verdict, alert.reason) == ("fired", "mae rose from 0 to 0.1")
    assert judged("mae:+50%", {"mae": 0.0}, {"mae": 0.0}) == ()


def test_a_negative_baseline_has_no_share():
    """A share of a negative figure is no change that could be judged."""
    [alert] = judged("mae:+50%", {"mae": 4.0}, {"mae": -4.0})

    assert alert.verdict == "could_not_tell"
    assert "the baseline is negative, -4" in alert.reason


def test_alerts_say_what_happened():
    """An alert names rule, place, figures and limit, in the order of the rules."""
    asked = [parse_alert(text) for text in ("rmse:+10%", "abs(bias)>0.10", "mae:+50%")]
    now = {"mae": 8.0, "rmse": 9.0, "bias": -3.0, "mean_outcome": 20.0}

    found = evaluate(asked, now, {"mae": 4.0, "rmse": 9.0}, place="used")

    assert [alert.to_json() for alert in found] == [
        {
            "rule": "abs(bias)>0.1",
            "metric": "bias",
            "place": "used",
            "verdict": "fired",
            "value": 0.15,
            "limit": 0.1,
            "baseline": None,
            "reason": "abs(bias) is 0.15 of the mean outcome, 20",
        },
        {
            "rule": "mae:+50%",
            "metric": "mae",
            "place": "used",
            "verdict": "fired",
            "value": 8.0,
            "limit": 6.0,
            "baseline": 4.0,
            "reason": "mae rose from 4 to 8 (+100 %)",
        },
    ]


def test_reasons_of_what_could_not_be_told():
    """What could not be told says which figure was missing, and where."""
    no_run = judged("mae:+50%", {"mae": 4.0})
    no_figure = judged("mae:+50%", {"mae": 4.0}, {"mae": nan})
    no_value = judged("mae:+50%", {}, {"mae": 4.0})

    assert [alert.reason for alert in (*no_run, *no_figure, *no_value)] == [
        "could not tell: mae is 4, there is no earlier run",
        "could not tell: mae is 4, in the baseline mae is nan",
        "could not tell: mae is missing",
    ]


def test_baselines():
    """A baseline is the run before, or per metric the middle of the last ones that have it."""
    history = [{"mae": 1.0}, {"mae": 4.0, "bias": nan}, {"mae": 9.0, "bias": 2.0}, {"mae": 5.0}]

    assert baseline_of([]) is None
    assert baseline_of(history) == {"mae": 5.0}
    assert baseline_of(history, last=3) == {"mae": 5.0, "bias": 2.0}
    assert baseline_of(history, last=99) == {"mae": 4.5, "bias": 2.0}
    with pytest.raises(UsageError, match="at least 1 run"):
        baseline_of(history, last=0)


def test_a_slow_creep_shows_against_the_middle_of_several():
    """A rise that no two neighbouring runs show fires against the last five."""
    history = [{"mae": 10.0 * 1.2**k} for k in range(6)]
    rule = [parse_alert("mae:+50%")]

    assert evaluate(rule, history[-1], baseline_of(history[:-1])) == ()
    assert evaluate(rule, history[-1], baseline_of(history[:-1], last=5))
