"""Thresholds files of other systems: read without falling for their 1.0, and written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calreg import formats
from calreg.documents import (
    Calibration,
    Confusion,
    Decision,
    Distribution,
    LabelCalibration,
    Trial,
    checked_bytes,
)
from calreg.errors import InputError
from calreg.names import HeadName

FULL: dict[str, Any] = {
    "version": 1,
    "classes": ["clean", "scam", "topic"],
    "thresholds": {"clean": 0.1, "scam": 0.9669240117073059, "topic": 1.0},
    "tune_target_fpr": 0.02,
    "tuned_on": "data/calib.txt",
    "tuned_at": "2026-02-01",
    "label_stats": {
        "scam": {
            "threshold": 0.9669240117073059,
            "fpr": 0.00625,
            "recall": 0.5625,
            "precision": 0.875,
        },
        "topic": {"threshold": 1.0, "fpr": 1.0, "recall": 0.0, "precision": 0.0},
    },
}
FLAT: dict[str, Any] = {"scam": 0.25, "topic": 0.5}
TAU: dict[str, Any] = {
    "best_tau": 0.3125,
    "best_precision": 0.75,
    "min_recall_target": 0.9,
    "auroc": 0.8125,
    "pr_auc": 0.7,
}
PLACE = "Qwen2.5-7B_20260102_030405_n200.json"


def read(data: Any, where: str = "thresholds.json", **asked: Any) -> formats.Imported:
    return formats.read(json.dumps(data).encode(), where, **asked)


def only_head(data: Any, where: str = "thresholds.json", **asked: Any) -> Any:
    (head,) = read(data, where, **asked).heads
    return head


def changed(data: dict[str, Any], steps: str, value: Any) -> dict[str, Any]:
    """A copy with one value replaced; `steps` is where, with dots."""
    copy = json.loads(json.dumps(data))
    *outer, last = steps.split(".")
    place = copy
    for step in outer:
        place = place[step]
    place[last] = value
    return copy


def label(threshold: float | None, **more: Any) -> LabelCalibration:
    """A label as `tune` makes it; `more` replaces parts of it or of its decision."""
    decision = {
        "threshold": threshold,
        "comparator": "<=" if more.get("direction") == "lower" else ">=",
        "objective": "max-recall@fpr<=0.02",
        "status": "infeasible" if threshold is None else "ok",
    } | more.pop("decision", {})
    parts = {
        "method": "threshold",
        "parameters": {},
        "distribution": Distribution(200, min=0.0, max=1.0000100135803223),
        "direction": "higher",
    } | more
    return LabelCalibration(**{"decision": Decision(**decision), **parts})


def calibration(labels: dict[str, LabelCalibration], name: str = "m/h") -> Calibration:
    return Calibration(HeadName.parse(name), 3, labels)


def written(labels: dict[str, LabelCalibration], fmt: str, **options: Any) -> dict[str, Any]:
    (raw,) = formats.write([calibration(labels)], fmt, formats.Options(**options)).values()
    return json.loads(raw)


TRIAL = Trial("ab" * 32, 49, 165, Confusion(29, 1, 20, 164), {"auroc": 0.875})
PROBABLE = {"method": "platt", "parameters": {"slope": 2.0, "intercept": 0.0}}


# Which format it is


@pytest.mark.parametrize(
    ("data", "fmt"),
    [
        (FULL, "fasttext-thresholds"),
        ({"thresholds": {"a": 0.5}}, "fasttext-thresholds"),
        (FLAT, "fasttext-thresholds"),
        ({"spam": 1}, "fasttext-thresholds"),
        (TAU, "hallucination-thresholds"),
        ({"best_tau": 0.5}, "hallucination-thresholds"),
        ({"labels": {"a": {"p5": 0.1, "p95": 0.9}}}, "nomarr-bundle"),
    ],
)
def test_format_is_found_by_content(data, fmt):
    """Thresholds are told apart from each other and from the other formats by their content."""
    assert read(data, "some/name.json").format == fmt


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"scam": "0.5"},
        {"scam": True},
        {"scam": 0.5, "topic": None},
        {"scam": 0.5, "version": 1},
        {"thresholds": 0.5},
        {"auroc": 0.5, "pr_auc": 0.4},
        {"calibration_version": 3},
    ],
)
def test_what_is_no_thresholds_file(data):
    """An object that is not numbers by label, or has a field of another file, is refused."""
    with pytest.raises(InputError, match="is in none of the formats") as caught:
        read(data)

    assert caught.value.exit_code == 3
    assert "best_tau" in caught.value.hint


# fastText in


def test_fasttext_full_in():
    """Every threshold comes in to the last bit, with the objective that it was tuned to."""
    head = only_head(FULL)

    scam = head.labels["scam"]
    assert head.name.full == "imported/thresholds"
    assert (scam.method, scam.parameters, scam.direction) == ("threshold", {}, "higher")
    assert scam.decision == Decision(0.9669240117073059, ">=", "max-recall@fpr<=0.02", "ok")
    assert scam.distribution == Distribution(samples=None)
    assert scam.calibration is None
    assert scam.holdout is None


def test_fasttext_set_by_hand():
    """A label without statistics was not tuned, so it has no objective to its name."""
    found = read(FULL)

    assert found.heads[0].labels["clean"].decision.objective == "imported"
    assert any("has no statistics for it: clean" in note for note in found.notes)


def test_fasttext_flat_in():
    """A flat file's thresholds come in as they are; nothing says what they are for."""
    head = only_head(FLAT, "models/ft/heads/x/scam-detector.json")

    assert head.name.full == "ft/scam-detector"
    assert {name: found.decision for name, found in head.labels.items()} == {
        "scam": Decision(0.25, ">=", "imported", "ok"),
        "topic": Decision(0.5, ">=", "imported", "ok"),
    }


@pytest.mark.parametrize("data", [FULL, FLAT | {"topic": 1.0}, FLAT | {"topic": 1}])
def test_sentinel_is_null(data):
    """1.0 is read as "infeasible": null, by name, with what was done and how to undo it."""
    found = read(data)

    decision = found.heads[0].labels["topic"].decision
    assert (decision.threshold, decision.status) == (None, "infeasible")
    (caution,) = found.cautions
    assert (caution.code, caution.label) == ("sentinel", "topic")
    for words in ("label 'topic'", "1.0", "infeasible", "null", "never fires", "--keep-sentinel"):
        assert words in str(caution)


def test_sentinel_above_one():
    """A number above 1.0, put in place of "never", is read the same way."""
    found = read(FLAT | {"topic": 2.0})

    assert found.heads[0].labels["topic"].decision.threshold is None
    assert [caution.code for caution in found.cautions] == ["sentinel"]


def test_sentinel_kept():
    """`keep_sentinel` keeps 1.0, and says that real scores reach 1.00001."""
    found = read(FULL, keep_sentinel=True)

    decision = found.heads[0].labels["topic"].decision
    assert (decision.threshold, decision.status) == (1.0, "ok")
    (caution,) = found.cautions
    assert (caution.code, caution.label) == ("sentinel-kept", "topic")
    assert "1.00001 and fire at it" in caution.message


def test_threshold_at_saturation_is_no_sentinel():
    """1.00001 that still catches something by the file's own statistics is a threshold."""
    data = changed(FULL, "thresholds.topic", 1.0000100135803223)
    data["label_stats"]["topic"] = {"threshold": 1.0000100135803223, "fpr": 0.0, "recall": 0.25}

    found = read(data)
    decision = found.heads[0].labels["topic"].decision
    assert (decision.threshold, decision.status) == (1.0000100135803223, "ok")
    assert [caution.code for caution in found.cautions] == ["threshold-at-saturation"]
    assert "25.0%" in found.cautions[0].message


def test_just_below_one_is_a_threshold():
    """The highest number below 1.0 is a threshold like any other, without a warning."""
    found = read({"scam": 0.9999999999999999})

    assert found.heads[0].labels["scam"].decision.threshold == 0.9999999999999999
    assert found.cautions == ()


def test_fasttext_notes_say_what_is_lost():
    """Rates without counts, unknown fields and classes without a threshold are named."""
    data = changed(FULL, "classes", ["clean", "scam", "topic", "promo"]) | {"seed": 7}

    notes = "\n".join(read(data).notes)
    assert "fpr, recall and precision are not kept" in notes
    assert "not kept: seed, tuned_at, tuned_on, version" in notes
    assert "left out: promo" in notes
    assert "--head" in notes


@pytest.mark.parametrize(
    ("steps", "value", "message"),
    [
        ("thresholds", {}, "at /thresholds: holds no label"),
        ("thresholds.scam", "0.9", "at /thresholds/scam: expected a finite number, got '0.9'"),
        ("thresholds.scam", True, "at /thresholds/scam: expected a finite number, got True"),
        ("thresholds.scam", None, "at /thresholds/scam: is missing"),
        ("thresholds.scam", 0.5, "at /label_stats/scam/threshold: 0.9669240117073059 is not"),
        ("thresholds.a/b", None, "at /thresholds/a~1b: is missing"),
        ("thresholds.new", 0.5, "at /thresholds/new: is none of the classes"),
        ("label_stats.scam.threshold", 0.966924, "at /label_stats/scam/threshold: 0.966924 is not"),
        ("label_stats.scam.threshold", None, "at /label_stats/scam/threshold: is missing"),
        ("label_stats.scam.fpr", 1.5, "at /label_stats/scam/fpr: expected a number from 0 to 1"),
        ("label_stats.scam.recall", "x", "at /label_stats/scam/recall: expected a finite number"),
        ("label_stats.scam", 1, "at /label_stats/scam: expected an object"),
        ("label_stats.promo", {"threshold": 1.0}, "at /label_stats/promo: is the label of no"),
        ("label_stats", [], "at /label_stats: expected an object"),
        ("tune_target_fpr", 2, "at /tune_target_fpr: expected a number from 0 to 1"),
        ("tune_target_fpr", "2 %", "at /tune_target_fpr: expected a finite number"),
        ("classes", "scam", "at /classes: expected a list of labels"),
        ("tuned_at", 20260201, "at /tuned_at: expected a text"),
    ],
)
def test_fasttext_refused(steps, value, message):
    """A file that contradicts itself is refused with its name, the pointer and the problem."""
    with pytest.raises(InputError) as caught:
        read(changed(FULL, steps, value))

    assert str(caught.value).startswith(f"thresholds.json: {message}")
    assert caught.value.exit_code == 3


def test_label_that_could_be_no_key():
    """A label that a document may not have is refused with its pointer."""
    with pytest.raises(InputError, match="at / a~1b: "):
        read({" a/b": 0.5})


# The name of the head


def test_head_is_named():
    """`head` is the name of the one head, whatever the file, its content or its path say."""
    name = HeadName.parse("janitr/main3/texts")
    sidecar = {
        "labels": {"a": {"method": "minmax", "p5": 0.1, "p95": 0.9}},
        "calibration_version": 3,
        "model": "Tonal/Atonal",
    }

    for data in (FULL, FLAT, TAU, sidecar, {"labels": sidecar["labels"]}):
        head = only_head(data, "models/ft/heads/x/other.json", head=name)
        assert (head.name, head.display_name) == (name, None)
    assert not any("--head" in note for note in read(FLAT, head=name).notes)


def test_head_names_one_of_a_state():
    """One name for a state file of several heads is refused; for one of one head it is taken."""
    entry = {"backbone": "b", "label": "a", "n": 10, "p5": 0.1, "p95": 0.9}
    entry["histogram"] = {"lo": 0.0, "hi": 1.0, "bins": 100}
    data = {"format": "nomarr_calibration_state", "version": 2}
    entries = [entry | {"head_name": "Mood 1"}, entry | {"head_name": "x"}]
    name = HeadName.parse("m/h")

    head = only_head(data | {"calibrations": entries[:1]}, head=name)
    assert (head.name, head.display_name) == (name, None)
    with pytest.raises(InputError, match="at /calibrations: holds 2 heads"):
        read(data | {"calibrations": entries}, head=name)


def test_model_and_file_name_the_head():
    """A thresholds file is called like its file, below the model that the option names."""
    assert only_head(FLAT, "Scam Detector-thresholds-v4.json", model="a/b").version == 4
    head = only_head(FLAT, "Scam Detector-thresholds-v4.json", model="a/b")
    assert (head.name.full, head.display_name) == ("a/b/scam-detector", "Scam Detector")


# Hallucination thresholds in


def test_hallucination_in():
    """Its one number is a cut that low scores fire at; the file's name says how many."""
    imported = read(TAU, f"results/{PLACE}")
    (head,) = imported.heads

    assert head.name.full == "qwen2.5-7b/hallucination"
    assert head.labels == {
        "hallucinated": LabelCalibration(
            method="threshold",
            parameters={},
            distribution=Distribution(samples=200),
            direction="lower",
            decision=Decision(0.3125, "<=", "max-precision@recall>=0.9", "ok"),
        )
    }
    assert imported.cautions == ()


@pytest.mark.parametrize(
    ("direction", "sign", "other"), [("higher", ">=", "lower"), ("lower", "<=", "higher")]
)
def test_hallucination_direction(direction, sign, other):
    """Either direction can be said, and the notes say which was taken and how to turn it."""
    imported = read(TAU, PLACE, direction=direction)

    found = imported.heads[0].labels["hallucinated"]
    assert (found.direction, found.decision.comparator) == (direction, sign)
    said = "\n".join(imported.notes)
    assert f"direction {direction}, so 'hallucinated' fires at score {sign} 0.3125" in said
    assert f"--direction {other}" in said


def test_hallucination_without_a_telling_name():
    """Without a time and a count in its name, the file's name is the model's."""
    imported = read({"best_tau": 0.5}, "tau.json")
    (head,) = imported.heads

    assert head.name.full == "tau/hallucination"
    assert head.labels["hallucinated"].decision.objective == "imported"
    assert head.labels["hallucinated"].distribution.samples is None
    assert any("does not say how many" in note for note in imported.notes)
    assert only_head(TAU, PLACE, model="a/b").name.full == "a/b/hallucination"


@pytest.mark.parametrize(
    ("auroc", "codes"), [(None, ["constant-score"]), (0.5, ["constant-score"]), (0.75, [])]
)
def test_constant_score_is_suspected(auroc, codes):
    """A threshold of 0.0 that nothing speaks for is what a constant score would give."""
    found = read(TAU | {"best_tau": 0.0, "auroc": auroc}, PLACE)

    assert [caution.code for caution in found.cautions] == codes
    assert all("always 0.0" in caution.message for caution in found.cautions)


def test_inverted_auroc_is_told():
    """An AUROC below one half says that score and direction may contradict each other."""
    (caution,) = read(TAU | {"auroc": 0.25}, PLACE).cautions

    assert (caution.code, caution.label) == ("inverted-auroc", "hallucinated")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("best_tau", None, "at /best_tau: is missing"),
        ("best_tau", "0.3", "at /best_tau: expected a finite number"),
        ("min_recall_target", 90, "at /min_recall_target: expected a number from 0 to 1"),
        ("auroc", -0.5, "at /auroc: expected a number from 0 to 1"),
        ("pr_auc", 1.5, "at /pr_auc: expected a number from 0 to 1"),
        ("best_precision", [], "at /best_precision: expected a finite number"),
    ],
)
def test_hallucination_refused(key, value, message):
    """A value that means nothing is refused with file, pointer and problem."""
    with pytest.raises(InputError) as caught:
        read(TAU | {key: value}, PLACE)

    assert str(caught.value).startswith(f"{PLACE}: {message}")


@pytest.mark.parametrize(
    ("data", "asked"),
    [
        (FULL, {}),
        (FULL, {"keep_sentinel": True}),
        (FLAT, {}),
        (TAU, {}),
        (TAU, {"direction": "higher"}),
    ],
)
def test_import_is_a_document(data, asked):
    """What is read from a thresholds file passes every check of a calibration document."""
    head = only_head(data, PLACE, **asked)

    assert checked_bytes("calibration", Calibration(head.name, 1, head.labels), where="here")


# fastText out


def test_fasttext_full_out():
    """A tuned head goes out with its target, its time, and the rates it was tuned with."""
    labels = {"scam": label(0.9669240117073059, calibration=TRIAL), "topic": label(0.25)}

    data = written(labels, "fasttext-thresholds", times={"m/h": "2026-02-01T10:00:00.000Z"})
    assert data == {
        "version": 1,
        "classes": ["scam", "topic"],
        "thresholds": {"scam": 0.9669240117073059, "topic": 0.25},
        "tune_target_fpr": 0.02,
        "tuned_at": "2026-02-01",
        "label_stats": {
            "scam": {
                "threshold": 0.9669240117073059,
                "fpr": 1 / 165,
                "recall": 29 / 49,
                "precision": 29 / 30,
            }
        },
    }


def test_fasttext_out_says_only_what_is_known():
    """Labels of several objectives share no target; no time and no trial are left out."""
    labels = {"a": label(0.5), "b": label(0.25, decision={"objective": "max-f1"})}

    assert sorted(written(labels, "fasttext-thresholds")) == ["classes", "thresholds", "version"]


def test_fasttext_flat_out():
    """The flat form is a number per label and nothing else."""
    labels = {"a": label(0.5, calibration=TRIAL), "b": label(0.1)}

    assert written(labels, "fasttext-thresholds", flat=True) == {"a": 0.5, "b": 0.1}


def test_probability_goes_out_as_a_raw_score():
    """A decision on a probability goes out as the raw score that makes the same decision."""
    found = label(0.75, decision={"score_threshold": 0.5493061443340549}, **PROBABLE)

    data = written({"a": found}, "fasttext-thresholds")
    assert data["thresholds"] == {"a": 0.5493061443340549}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"a": label(0.75, **PROBABLE)}, "decided on the probability of platt"),
        ({"a": label(0.25, direction="lower")}, "fires at lower scores"),
        (
            {"a": LabelCalibration("minmax", {"p5": 0.1, "p95": 0.9}, Distribution(5))},
            "m/h label 'a' has no threshold",
        ),
        ({"a": label(0.5), "b": label(None), "c": label(None)}, "'b', 'c' never fires"),
    ],
)
def test_fasttext_cannot_say(labels, message):
    """What a raw score per label cannot say is refused by label, never bent."""
    with pytest.raises(InputError, match=message) as caught:
        written(labels, "fasttext-thresholds")

    assert caught.value.exit_code == 3
    assert "m/h" in caught.value.message
    assert caught.value.hint


def test_never_is_a_number_above_every_score():
    """`never` is written for labels that never fire, if no score of theirs reaches it."""
    labels = {"a": label(0.5), "b": label(None, calibration=TRIAL)}

    data = written(labels, "fasttext-thresholds", never=2.0)
    assert data["thresholds"] == {"a": 0.5, "b": 2.0}
    assert data["label_stats"]["b"]["threshold"] == 2.0
    assert written(labels, "fasttext-thresholds", never=2.0, flat=True)["b"] == 2.0


@pytest.mark.parametrize("never", [1.0, 1.0000100135803223, float("nan"), float("inf"), -1.0])
@pytest.mark.parametrize("known", [1.0000100135803223, 0.75, None])
def test_never_that_scores_reach(never, known):
    """1.0 is refused for "never", since real scores reach 1.00001, known to do so or not."""
    labels = {"b": label(None, distribution=Distribution(200, max=known))}

    with pytest.raises(InputError, match=r"label 'b' would fire at .* 1\.00001") as caught:
        written(labels, "fasttext-thresholds", never=never)
    assert "--never" in caught.value.hint


def test_never_below_a_known_score():
    """A label whose scores are known to go higher wants a higher number."""
    labels = {"b": label(None, distribution=Distribution(200, max=12.5))}

    with pytest.raises(InputError, match=r"would fire at 2\.0: real scores reach 12\.5"):
        written(labels, "fasttext-thresholds", never=2.0)
    assert written(labels, "fasttext-thresholds", never=13.0)["thresholds"] == {"b": 13.0}


def test_flat_label_that_reads_as_a_field():
    """A label that is called like a field is refused in the flat form, and told what to do."""
    labels = {"version": label(0.5)}

    with pytest.raises(InputError, match="'version'") as caught:
        written(labels, "fasttext-thresholds", flat=True)
    assert "without --flat" in caught.value.hint
    assert written(labels, "fasttext-thresholds")["thresholds"] == {"version": 0.5}


numbers = st.floats(allow_nan=False, allow_infinity=False, max_value=0.9999999999999999).filter(
    lambda number: abs(number) <= 1e300
)


@given(
    st.dictionaries(st.sampled_from(["scam", "topic", "a/b", "é"]), numbers, min_size=1),
    st.booleans(),
)
def test_thresholds_come_back_to_the_last_bit(thresholds, is_flat):
    """Thresholds imported, exported and imported again are the same numbers."""
    head = only_head(thresholds if is_flat else {"thresholds": thresholds})
    options = formats.Options(flat=is_flat)
    (raw,) = formats.write(
        [Calibration(head.name, 1, head.labels)], "fasttext-thresholds", options
    ).values()

    again = formats.read(raw, "thresholds.json").heads[0]
    assert again.labels == head.labels
    assert {name: found.decision.threshold for name, found in again.labels.items()} == thresholds


def test_full_file_comes_back():
    """A full file read and written again has its thresholds, target and day."""
    imported = read({key: FULL[key] for key in FULL if key != "label_stats"}, keep_sentinel=True)
    head = imported.heads[0]

    (raw,) = formats.write(
        [Calibration(head.name, 1, head.labels)], imported.format, imported.options
    ).values()
    data = json.loads(raw)
    for key in ("version", "classes", "thresholds", "tune_target_fpr", "tuned_at"):
        assert data[key] == FULL[key]


def test_fasttext_file_lands_below_its_model():
    """The file is called like the head, below the last step of its model's path."""
    heads = [calibration({"a": label(0.5)}, "x/ft/texts"), calibration({"a": label(0.5)}, "y/g/h")]

    assert sorted(formats.write(heads, "fasttext-thresholds")) == [
        "ft/texts-thresholds-v3.json",
        "g/h-thresholds-v3.json",
    ]
    plain = formats.Options(versioned=False, file_bases={"x/ft/texts": "scam"})
    assert list(formats.write(heads[:1], "fasttext-thresholds", plain)) == [
        "ft/scam-thresholds.json"
    ]
    with pytest.raises(InputError, match="would both be written"):
        formats.write(
            [heads[0], calibration({"a": label(0.5)}, "z/ft/texts")], "fasttext-thresholds"
        )


# Hallucination thresholds out


def test_hallucination_there_and_back():
    """A file read and written again has its name, its threshold and its target."""
    imported = read(TAU, PLACE)
    head = imported.heads[0]

    written = formats.write(
        [Calibration(head.name, 1, head.labels)], imported.format, imported.options
    )
    assert list(written) == [PLACE]
    assert json.loads(written[PLACE]) == {"best_tau": 0.3125, "min_recall_target": 0.9}
    assert formats.read(written[PLACE], PLACE).heads == imported.heads


def test_hallucination_out():
    """A tuned head of one label goes out with the figures it was tuned with."""
    trial = Trial(
        "ab" * 32, 49, 165, Confusion(30, 10, 19, 155), {"auroc": 0.8, "average_precision": 0.7}
    )
    found = label(
        0.3,
        direction="lower",
        calibration=trial,
        decision={"objective": "max-precision@recall>=0.6"},
    )

    files = formats.write(
        [calibration({"wrong": found}, "lab/qwen/hbar")],
        "hallucination-thresholds",
        formats.Options(times={"lab/qwen/hbar": "2026-01-02T03:04:05.678Z"}),
    )
    (path,) = files
    assert path == "qwen_20260102_030405_n200.json"
    assert json.loads(files[path]) == {
        "best_tau": 0.3,
        "best_precision": 0.75,
        "min_recall_target": 0.6,
        "auroc": 0.8,
        "pr_auc": 0.7,
    }


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ({"a": label(0.5)}, {}, "fires at higher scores"),
        (
            {"a": label(0.5, direction="lower"), "b": label(0.5, direction="lower")},
            {},
            "m/h has 2 labels",
        ),
        ({"a": label(None, direction="lower")}, {}, "never fires"),
        ({"a": label(None, direction="lower")}, {"never": 0.0}, "never fires"),
        ({"a": label(None, direction="lower")}, {"never": float("nan")}, "never fires"),
        (
            {"a": label(None, direction="lower", distribution=Distribution(9))},
            {"never": -1.0},
            "never fires",
        ),
    ],
)
def test_hallucination_cannot_say(labels, options, message):
    """What one number that low scores fire at cannot say is refused by name."""
    with pytest.raises(InputError, match=message) as caught:
        written(labels, "hallucination-thresholds", **options)

    assert "m/h" in caught.value.message
    assert caught.value.hint


def test_hallucination_never():
    """`never` is written where it is below every score of the label."""
    found = label(None, direction="lower")

    assert written({"a": found}, "hallucination-thresholds", never=-1.0)["best_tau"] == -1.0


@pytest.mark.parametrize("fmt", ["nomarr-sidecar", "nomarr-bundle", "nomarr-state"])
def test_thresholds_are_no_minmax(fmt):
    """The tagger's formats refuse a head of thresholds by label and name the format for it."""
    with pytest.raises(InputError, match="label 'a' is calibrated by threshold") as caught:
        written({"a": label(0.5)}, fmt)

    assert "fasttext-thresholds" in caught.value.hint


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.data())
def test_garbled_files_are_refused_not_crashed_on(data):
    """Whatever stands in place of one field, the answer is a value or an InputError."""
    file = data.draw(st.sampled_from([FULL, FLAT, TAU]))
    steps = data.draw(st.sampled_from([*file, *(["label_stats.scam"] if file is FULL else [])]))

    problem = ""
    try:
        found = read(changed(file, steps, data.draw(json_values))).heads
    except InputError as error:
        found, problem = (), str(error)
    assert bool(found) != bool(problem)
    assert "\n" not in problem
