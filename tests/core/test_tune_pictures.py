"""Pictures of tuned heads, as numbers: what is drawn is what was found, and never an item."""

import json
from dataclasses import replace

import numpy as np
import pytest

from calreg.calibrate.objectives import parse_objective
from calreg.labelled import LabelledColumn, LabelledScores
from calreg.report.pictures import MAX_LABELS, tune_page, tune_spec
from calreg.report.pictures.measured import MAX_POINTS, measured
from calreg.report.pictures.phrases import printable
from calreg.report.pictures.words import answer
from calreg.tuning import Request, tune

FPR = parse_objective("max-recall@fpr<=0.02")
HOSTILE = '</script><b onload="x">&\u2028\u202e{"expr": "1"}\n\x00'


def column(count, *, seed, sign=1.0, is_logit=False):
    rng = np.random.default_rng(seed)
    truth = rng.random(count) < 0.3
    logits = sign * np.where(truth, 2.0, -1.0) + rng.normal(size=count)
    scores = logits if is_logit else 1.0 / (1.0 + np.exp(-logits))
    return LabelledColumn(scores, truth, np.arange(count))


def labelled(count=400, *, seed=0, labels=("a", "b"), sign=1.0, is_logit=False):
    columns = {
        label: column(count, seed=seed + 7 * place, sign=sign, is_logit=is_logit)
        for place, label in enumerate(labels)
    }
    return LabelledScores(columns, is_logit, count)


def of_two(count=400, *, seed):
    """Two labels, exactly one of them true for each item: what a softmax is for."""
    first = column(count, seed=seed, is_logit=True)
    second = replace(column(count, seed=seed + 1, is_logit=True), truth=~first.truth)
    return LabelledScores({"a": first, "b": second}, is_logit=True, rows=count)


def drawn(request, **kwargs):
    """A tuned head, its sets, and its picture."""
    if request.link == "softmax":
        calibration, holdout = of_two(seed=1), of_two(seed=100)
    else:
        calibration, holdout = labelled(seed=1, **kwargs), labelled(seed=100, **kwargs)
    tuned = tune(calibration, holdout, request)
    return tuned, calibration, holdout, tune_spec("m/h", tuned, calibration, holdout)


REQUESTS = {
    "threshold": Request(objective=FPR),
    "temperature": Request(map_method="temperature"),
    "softmax": Request(map_method="temperature", link="softmax"),
    "platt": Request(map_method="platt", objective=None),
    "histogram": Request(map_method="histogram"),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_the_chosen_points_lie_on_their_curves(name):
    """Every mark of a threshold is a point of its set's curve, whatever decides."""
    tuned, calibration, holdout, _ = drawn(REQUESTS[name], is_logit=name != "threshold")

    for picture in measured(tuned, calibration, holdout, list(tuned.labels)).values():
        curve = {(row["set"], row["recall"], row["fpr"]) for row in picture.curves}
        for point in picture.chosen:
            at = tuple(float(f"{point[rate]:.6g}") for rate in ("recall", "fpr"))
            assert (point["set"], *at) in curve
        assert len(picture.chosen) == (0 if name == "platt" else 2)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_curve_rises_from_never_to_always(name):
    """Along a curve recall and false positives only grow, from none to all."""
    tuned, calibration, holdout, _ = drawn(REQUESTS[name], is_logit=name != "threshold")

    picture = measured(tuned, calibration, holdout, ["a"])["a"]
    for set_name in ("calibration", "holdout"):
        rows = [row for row in picture.curves if row["set"] == set_name]
        for rate in ("recall", "fpr"):
            rates = [row[rate] for row in rows]
            assert rates == sorted(rates)
            assert (rates[0], rates[-1]) == (0.0, 1.0)


@pytest.mark.parametrize("name", REQUESTS)
def test_bins_and_cells_hold_every_item(name):
    """Counts of a histogram and of a reliability diagram add up to the items of the set."""
    tuned, calibration, holdout, _ = drawn(REQUESTS[name], is_logit=name != "threshold")

    picture = measured(tuned, calibration, holdout, ["a"])["a"]
    truth = holdout.labels["a"].truth
    cells = picture.histogram.cells
    assert sum(cell["n"] for cell in cells) == truth.size
    assert sum(cell["n"] for cell in cells if cell["height"] > 0) == truth.sum()
    assert picture.reliability
    for diagram in picture.reliability:
        assert sum(one["n"] for one in diagram.bins) == truth.size


def test_far_scores_are_counted_in_the_last_cells():
    """One score far away does not press all others into one cell, and is still counted."""
    scores = labelled(4000, labels=("a",), is_logit=True)
    far = scores.labels["a"].scores.copy()
    far[0] = 1e6
    scores = replace(scores, labels={"a": replace(scores.labels["a"], scores=far)})

    tuned = tune(scores, None, Request())
    found = measured(tuned, scores, None, ["a"])["a"].histogram

    assert found.is_clipped
    assert max(cell["hi"] for cell in found.cells) < 100.0
    assert sum(cell["n"] for cell in found.cells) == 4000


def test_a_picture_holds_no_items():
    """A picture of fifty thousand items is no larger than its points, bins and cells allow."""
    calibration = labelled(50_000, seed=1, labels=("a",))
    tuned = tune(calibration, None, REQUESTS["threshold"])

    spec = tune_spec("m/h", tuned, calibration, None)

    picture = measured(tuned, calibration, None, ["a"])["a"]
    assert len(picture.curves) <= MAX_POINTS
    assert len(json.dumps(spec)) < 100_000


def test_raw_scores_that_speak_downwards_are_no_probabilities():
    """Where low scores speak for a label, they are not drawn as if they were probabilities."""
    tuned, calibration, holdout, _ = drawn(Request(), labels=("a",), sign=-1.0)

    picture = measured(tuned, calibration, holdout, ["a"])["a"]

    assert tuned.labels["a"].label.direction == "lower"
    assert picture.reliability == ()
    assert picture.histogram.cut == tuned.labels["a"].label.decision.threshold


def test_at_most_twelve_labels_are_drawn_and_the_others_named():
    """Of many labels the first twelve have a row; words say which have none."""
    labels = tuple(f"label{number}" for number in range(MAX_LABELS + 2))
    *_, spec = drawn(Request(), labels=labels)

    assert len(spec["vconcat"]) == 1 + MAX_LABELS
    assert "Not drawn" in " ".join(spec["title"]["subtitle"])


def test_a_label_that_misses_its_limit_comes_first():
    """The row that a person must see stands on top, and the answer names it."""
    calibration = labelled(400, seed=1)
    second = calibration.labels["b"]
    worse = np.where(second.truth, second.scores, second.scores + 0.5)
    holdout = replace(
        calibration, labels={**calibration.labels, "b": replace(second, scores=worse)}
    )

    tuned = tune(calibration, holdout, REQUESTS["threshold"])
    spec = tune_spec("m/h", tuned, calibration, holdout)

    assert spec["vconcat"][1]["title"]["text"][0].startswith("b: fires at score >= ")
    assert "b misses its limit on the holdout" in answer(tuned)


def test_hostile_labels_stay_text():
    """A label that would end a script or begin a tag is shown and does neither."""
    tuned, calibration, holdout, spec = drawn(Request(), labels=(HOSTILE, "b"))

    text = json.dumps(spec)
    page = tune_page("m/h", tuned).html(text, "")

    assert page.count("</script>") == 2
    assert "<b" not in page.replace("<body", "")
    assert "&lt;/script&gt;&lt;b onload=" in page
    inside = page.partition('id="spec">')[2].partition("</script>")[0]
    assert json.loads(inside) == spec
    assert all(sign not in text for sign in ("\\u2028", "\\u202e", "\\u0000"))
    assert printable(HOSTILE) in page.replace("&lt;", "<").replace("&gt;", ">").replace(
        "&quot;", '"'
    ).replace("&amp;", "&")
    assert measured(tuned, calibration, holdout, [HOSTILE]).keys() == {HOSTILE}
