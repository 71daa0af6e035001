"""Applying what is installed: calibrated scores, probabilities, decisions."""

import subprocess
import sys

import numpy as np
import pytest
from published import Published

from calreg import Client
from calreg.documents import Calibration, Decision, Distribution, LabelCalibration
from calreg.errors import InputError
from calreg.names import HeadName

SCAM = "mail/fasttext/scam"
TOPIC = "mail/fasttext/topic"
MOOD = "essentia/effnet/mood"
SIGMOID = {"temperature": 2.0, "link": "sigmoid", "scale": "logit"}
SOFTMAX = {**SIGMOID, "link": "softmax"}


def tuned(method, parameters, threshold, *, direction="higher", cut=None):
    falls = method == "threshold" and direction == "lower"
    status = "infeasible" if threshold is None else "ok"
    decision = Decision(
        threshold,
        "<=" if falls else ">=",
        "max-recall@fpr<=0.02",
        status,
        score_threshold=cut,
    )
    return LabelCalibration(method, parameters, Distribution(1000), direction, decision)


HEADS = {
    SCAM: {
        "scam": tuned("threshold", {}, 0.7),
        "clean": tuned("threshold", {}, 0.25, direction="lower"),
        "never": tuned("threshold", {}, None),
    },
    TOPIC: {
        "crypto": tuned("temperature", SOFTMAX, 0.5),
        "sport": tuned("temperature", SOFTMAX, 0.75),
    },
    MOOD: {
        "happy": tuned("temperature", SIGMOID, 0.5, cut=0.0),
        "sad": tuned("platt", {"slope": -4.0, "intercept": 2.0}, 0.5, direction="lower", cut=0.5),
        "calm": LabelCalibration("minmax", {"p5": 0.1, "p95": 0.9}, Distribution(1000)),
        "tense": LabelCalibration(
            "platt", {"slope": 1.0, "intercept": 0.0}, Distribution(9), "higher"
        ),
    },
}


@pytest.fixture
def installed(tmp_path):
    """An installed set of three heads: raw thresholds, a softmax, and a mixture."""
    registry = Published(tmp_path / "registry")
    for head, labels in HEADS.items():
        name = HeadName.parse(head)
        raw = Calibration(name, 1, labels).to_bytes()
        registry.write(name.version_path(1), raw)
        registry.write(name.reference_path, raw)
    registry.commit("Run 1")
    Client(registry.root.as_uri()).pull(tmp_path / "models")
    return Client.open(tmp_path / "models")


@pytest.fixture
def scam(installed):
    """Labels with thresholds for raw scores."""
    return installed.reference(SCAM)


@pytest.fixture
def topic(installed):
    """Labels of one softmax."""
    return installed.reference(TOPIC)


@pytest.fixture
def mood(installed):
    """Labels of several methods."""
    return installed.reference(MOOD)


def lists(columns):
    return {label: column.tolist() for label, column in columns.items()}


def test_decisions_come_from_the_reference(scam):
    """A label fires by its own threshold and direction; null never fires."""
    scores = [0.2, 0.25, 0.7, 1.00001]

    assert scam.fires(scores, label="scam").tolist() == [False, False, True, True]
    assert scam.fires(scores, label="clean").tolist() == [True, True, False, False]
    assert scam.fires(scores, label="never").tolist() == [False] * 4
    assert scam.fires(0.7, label="scam")


def test_float32_scores_are_not_rounded_up(scam):
    """The float32 nearest to a threshold of 0.7 is below it, and does not fire."""
    assert scam.fires(np.array([0.7], np.float32), label="scam").tolist() == [False]


def test_probabilities(mood):
    """Probability methods give probabilities, minmax calibrated scores."""
    assert mood.apply([0.0, 1e308], label="happy").tolist() == [0.5, 1.0]
    assert mood.apply([0.5], label="sad").tolist() == [0.5]
    assert mood.apply(np.float32([0.1]), label="calm").dtype == np.float32
    assert mood.apply([0.9], label="calm").tolist() == [1.0]


def test_a_probability_decides_by_its_cut(mood):
    """Where the reference has a cut for the raw score, that decides, in its direction."""
    assert mood.fires([-0.1, 0.0], label="happy").tolist() == [False, True]
    assert mood.fires([0.5, 0.6], label="sad").tolist() == [True, False]


def test_several_labels_at_once(mood):
    """apply_all and fires_all give by label what apply and fires give."""
    columns = {"sad": [0.5, 0.6], "happy": [-0.1, 0.0]}

    applied, fired = mood.apply_all(columns), mood.fires_all(columns)

    assert list(applied) == list(fired) == ["sad", "happy"]
    for label, scores in columns.items():
        assert applied[label].tolist() == mood.apply(scores, label=label).tolist()
        assert fired[label].tolist() == mood.fires(scores, label=label).tolist()


def test_a_softmax_needs_the_head(topic):
    """Labels of a softmax are applied and decided together."""
    columns = {"sport": [0.0, 6.0], "crypto": [0.0, 0.0]}

    applied = topic.apply_all(columns)

    assert applied["sport"][0] == applied["crypto"][0] == 0.5
    assert applied["sport"][1] == pytest.approx(1 / (1 + np.exp(-3)), rel=1e-15)
    assert lists(topic.fires_all(columns)) == {"sport": [False, True], "crypto": [True, False]}


@pytest.mark.parametrize(
    ("act", "hint"),
    [
        (lambda head: head.apply([0.5], label="sport"), "Use .apply_all({label: scores, …})."),
        (lambda head: head.fires([0.5], label="sport"), "Use .fires_all({label: scores, …})."),
    ],
)
def test_one_label_of_a_softmax_is_refused(topic, act, hint):
    """One label of a softmax alone is refused, and the way to go is named."""
    with pytest.raises(InputError, match=r"'sport' of mail/fasttext/topic v1 is part") as caught:
        act(topic)

    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("act", "hint"),
    [
        (lambda head: head.apply([0.5], label="scam"), "Use .fires(scores, label=…)."),
        (
            lambda head: head.apply([0.5], label="scam", missing="raw"),
            "Use .fires(scores, label=…).",
        ),
        (lambda head: head.apply_all({"scam": [0.5]}), "Use .fires_all({label: scores, …})."),
    ],
)
def test_a_threshold_has_no_calibrated_scores(scam, act, hint):
    """A label that only decides is never applied, and never handed back raw."""
    with pytest.raises(InputError, match=r"'scam' of .* has a threshold for raw scores") as caught:
        act(scam)

    assert caught.value.hint == hint


@pytest.mark.parametrize("label", ["calm", "tense"])
def test_no_threshold_is_no_guess(mood, label):
    """A label without a threshold is refused by name, not decided at 0.5."""
    where = f"essentia/effnet/mood v1, label '{label}'"

    with pytest.raises(InputError, match=rf"{where}: nothing fires by method"):
        mood.fires([0.5], label=label)
    with pytest.raises(InputError, match=rf"{where}: nothing fires by method"):
        mood.fires_all({"happy": [0.5], label: [0.5]})


def test_unreadable_scores_are_counted(scam, topic):
    """NaN and infinities are an error with their number, unless they may not fire."""
    scores = [0.9, np.nan, np.inf, -np.inf, 0.9]

    with pytest.raises(InputError, match=r"'scam': 3 of 5 scores are NaN or infinite") as caught:
        scam.fires(scores, label="scam")
    assert 'unreadable="false"' in str(caught.value.hint)
    fired = scam.fires(scores, label="scam", unreadable="false")
    assert fired.tolist() == [True, False, False, False, True]
    with pytest.raises(InputError, match="'sport': 1 of 2 scores"):
        topic.fires_all({"crypto": [9.0, 9.0], "sport": [0.0, np.nan]})
    found = topic.fires_all({"crypto": [9.0, 9.0], "sport": [0.0, np.nan]}, unreadable="false")
    assert lists(found) == {"crypto": [True, False], "sport": [False, False]}
    with pytest.raises(InputError, match="expected 'raise' or 'false', got 'no'"):
        scam.fires(scores, label="scam", unreadable="no")


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"sport": [0.5]}, "topic v1: a softmax needs .* missing: crypto"),
        ({"sport": [0.5], "crypto": [0.5, 0.6]}, r"'sport' has \(1,\), 'crypto' \(2,\)"),
        ({"sport": [0.5], "cryptic": [0.5]}, "no label 'cryptic' in mail.* it has crypto, sport"),
        ({"sport": [0.5], "crypto": ["high"]}, "label 'crypto': scores: expected numbers"),
    ],
)
@pytest.mark.parametrize("act", ["apply_all", "fires_all"])
def test_columns_that_are_not_the_heads_are_refused(topic, act, columns, words):
    """Missing labels, unknown ones, other shapes and text are refused by name."""
    with pytest.raises(InputError, match=words):
        getattr(topic, act)(columns)


def test_a_process_that_decides_needs_numpy_only(installed):
    """A process that decides imports numpy when it does, and neither git nor scipy ever."""
    code = (
        "import sys; from calreg import Client; "
        f"scam = Client.open({str(installed.root)!r}).reference({SCAM!r}); "
        "light = 'numpy' not in sys.modules; scam.fires([0.5], label='scam'); "
        "print(light, *sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    light, *modules = ran.stdout.split()
    assert light == "True"
    assert {"git", "scipy", "yaml", "requests", "duckdb"} & set(modules) == set()
