"""Documents: strict in, canonical out, refused when they do not mean anything."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calreg import documents
from calreg.documents import Calibration, strict
from calreg.errors import InputError

HAPPY = {
    "method": "minmax",
    "samples": 200,
    "p5": 0.05,
    "p95": 0.95,
    "min": 0.0,
    "max": 1.0,
    "mean": 0.5,
    "std": 0.25,
    "quantiles": {
        "p1": 0.01,
        "p5": 0.05,
        "p25": 0.25,
        "p50": 0.5,
        "p75": 0.75,
        "p95": 0.95,
        "p99": 0.99,
    },
    "histogram": {"lo": 0.0, "hi": 1.0, "counts": [2] * 100, "underflow": 0, "overflow": 0},
}
GOOD = {
    "schema": "calreg/calibration/1.0",
    "model": "essentia/effnet",
    "head": "mood_happy",
    "version": 3,
    "labels": {"happy": HAPPY},
}


def as_bytes(data) -> bytes:
    return json.dumps(data).encode()


def changed(pointer: str, value) -> dict:
    """GOOD with the value at a pointer replaced."""
    data = copy.deepcopy(GOOD)
    *steps, last = pointer.strip("/").split("/")
    place = data
    for step in steps:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[int(last) if isinstance(place, list) else last] = value
    return data


def test_a_calibration_round_trips():
    """What is read is written again, byte for byte, from then on."""
    first = documents.load_calibration(as_bytes(GOOD), where="a.json")
    raw = first.to_bytes()

    assert documents.load_calibration(raw, where="a.json").to_bytes() == raw
    assert json.loads(raw) == GOOD
    assert first.digest == documents.digest_of(raw)


finite = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | finite | st.text(max_size=20)
objects = st.dictionaries(
    st.text(max_size=10),
    st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=12,
    ),
    max_size=6,
)


@given(objects)
def test_canonical_bytes_round_trip(value):
    """Equal objects have equal bytes, and the bytes read back as the object."""
    raw = strict.canonical_bytes(value)
    shuffled = dict(reversed(list(value.items())))

    assert strict.load_json(raw, where="x") == value
    assert strict.canonical_bytes(shuffled) == raw


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "is not JSON"),
        (b"[]", "expected a JSON object"),
        (b"{} x", "is not JSON"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": {"b": 1, "b": 1}}', "twice"),
        (b'{"a": NaN}', "holds NaN"),
        (b'{"a": Infinity}', "holds Infinity"),
        (b'{"a": -Infinity}', "holds -Infinity"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "digit"),
        (b'\xef\xbb\xbf{"a": 1}', "byte order mark"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": "\\ud800"}', "not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "byte order mark"),
        (b'{"a": ' * 33 + b"1" + b"}" * 33, "nested deeper than 32"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested deeper than 32"),
    ],
)
def test_the_reader_refuses_what_others_forgive(raw, problem):
    """Each way of smuggling a value past a lenient JSON reader is one clear line."""
    with pytest.raises(InputError, match=problem) as caught:
        strict.load_json(raw, where="evil.json")
    assert str(caught.value).startswith("evil.json: ")
    assert "\n" not in str(caught.value)


def test_a_bracket_in_a_string_is_no_nesting():
    """Depth is that of the structure, not of the text in it."""
    assert strict.load_json(b'{"a": "[[[[[\\"' + b"[" * 100 + b'"}', where="x")["a"].startswith("[")


def test_a_document_over_the_limit_is_not_parsed():
    """Size is checked before anything looks at the bytes."""
    with pytest.raises(InputError, match="at most 10 are read"):
        strict.load_json(b"{" + b" " * 20, where="x", max_bytes=10)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\na: 2", "twice"),
        ("a: &x [1]\nb: *x", "alias"),
        ("a: .nan", "not a finite number"),
        ("a: 2026-01-01", "quote it"),
        ("1: a", "quote it"),
        ("- a", "expected a mapping"),
        ("a: !!python/object:os.system x", "not valid YAML"),
        ("a: [", "not valid YAML"),
        ("a: " + "[" * 2000, "nested deeper"),
        ("a: 1\n---\nb: 2", "not valid YAML"),
    ],
)
def test_yaml_is_read_as_strictly(text, problem):
    """registry.yaml gets no more freedom than JSON."""
    with pytest.raises(InputError, match=problem) as caught:
        strict.load_yaml(text.encode(), where="registry.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("pointer", "value", "problem"),
    [
        ("/schema", "calreg/calibration/2.0", "Upgrade|reads version 1"),
        ("/schema", "other/1.0", "unknown schema"),
        ("/schema", None, "no 'schema'"),
        ("/schema", "calreg/run/1.0", "expected a calibration document, got run"),
        ("/version", 0, "at /version: expected at least 1, got 0"),
        ("/version", 3.0, "at /version: expected integer, got 3.0"),
        ("/version", True, "at /version: expected integer, got True"),
        ("/head", "../x", "at /head"),
        ("/head", "nul", "device name"),
        ("/labels", {}, "at /labels"),
        ("/labels/happy/p5", "0.1", "at /labels/happy/p5: expected number"),
        ("/labels/happy/p5", 0.96, "p5 0.96 is not below p95 0.95"),
        ("/labels/happy/p95", 0.05, "p5 0.05 is not below p95 0.05"),
        ("/labels/happy/samples", 0, "at /labels/happy/samples"),
        ("/labels/happy/samples", 199, "counts sum to 200, samples are 199"),
        ("/labels/happy/quantiles/p25", 0.6, "at /labels/happy/quantiles/p50"),
        ("/labels/happy/quantiles/p5", 0.04, "at /labels/happy/quantiles/p5"),
        ("/labels/happy/min", 0.02, "at /labels/happy/quantiles/p1"),
        ("/labels/happy/max", 1.5, "at /labels/happy/histogram/overflow"),
        ("/labels/happy/min", -0.5, "at /labels/happy/histogram/underflow"),
        ("/labels/happy/mean", 1.5, "not between min 0.0 and max 1.0"),
        ("/labels/happy/std", -1.0, "at /labels/happy/std"),
        ("/labels/happy/histogram/counts", [2] * 99, "expected 100 entries, got 99"),
        ("/labels/happy/histogram/counts/5", -1, "at /labels/happy/histogram/counts/5"),
        ("/labels/happy/histogram/counts/5", 2.0, "at /labels/happy/histogram/counts/5"),
        ("/labels/happy/histogram/lo", 1.0, "lo 1.0 is not below hi 1.0"),
        ("/labels/happy/method", "magic", "expected one of minmax"),
        ("/head", "mood_happy\n", "at /head"),
        ("/schema", "calreg/calibration/1.0\n", "unknown schema"),
        ("/extra", 1, "unknown key 'extra'"),
    ],
)
def test_a_calibration_that_means_nothing_is_refused(pointer, value, problem):
    """Each poisoned value is refused on reading, with its place."""
    with pytest.raises(InputError, match=problem) as caught:
        documents.load_calibration(as_bytes(changed(pointer, value)), where="m/h.json")
    assert str(caught.value).startswith("m/h.json: ")
    assert len(str(caught.value)) < 300


PLATT = {
    "method": "platt",
    "slope": 2.0,
    "intercept": -1.0,
    "direction": "higher",
    "samples": None,
    "threshold": 0.5,
    "score_threshold": 0.5,
    "comparator": ">=",
    "objective": "max-f1",
    "status": "ok",
    "average": "per-label",
}
HISTOGRAM = {"method": "histogram", "edges": [0.5], "values": [0.25, 0.75]}
TEMPERATURE = {"method": "temperature", "temperature": 2.0, "link": "sigmoid", "scale": "logit"}
BETA = {"method": "beta", "a": 1.0, "b": 1.0, "c": 0.0, "scale": "logit"}


def decided(**changes) -> bytes:
    """A document of one label that decides on a probability, changed; None leaves a key out."""
    label = {**PLATT, **changes}
    own = [key for key in ("slope", "intercept") if label["method"] != "platt"]
    kept = {key: value for key, value in label.items() if key not in own}
    return as_bytes({**GOOD, "labels": {"happy": kept}})


@pytest.mark.parametrize(
    "changes",
    [
        {"direction": "lower"},
        {"slope": -2.0},
        {"slope": 0.0},
        {**TEMPERATURE, "direction": "lower"},
        {**BETA, "direction": "lower"},
        {**HISTOGRAM, "direction": "lower"},
        {**HISTOGRAM, "values": [0.75, 0.25]},
    ],
)
def test_a_raw_cut_that_decides_the_other_way_round_is_refused(changes):
    """A cut of raw scores is what is applied: it must say what the probability says."""
    with pytest.raises(InputError, match="/score_threshold: is there although the output"):
        documents.load_calibration(decided(**changes), where="x")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"direction": "lower", "slope": -2.0},
        TEMPERATURE,
        BETA,
        HISTOGRAM,
        {**HISTOGRAM, "direction": "lower", "values": [0.75, 0.25]},
        {"threshold": 0.0},
        {"threshold": 1.0},
    ],
)
def test_a_raw_cut_that_goes_with_the_probability_is_read(changes):
    """Every map that runs the label's way may have a cut of the raw score."""
    found = documents.load_calibration(decided(**changes), where="x")

    assert found.labels["happy"].decision.score_threshold == 0.5


@pytest.mark.parametrize("threshold", [2.0, -0.5, 1.0000001])
def test_a_threshold_that_is_no_probability_is_refused(threshold):
    """Nobody never fires by a threshold of 2.0: that is what null is for."""
    with pytest.raises(InputError, match=f"at /labels/happy/threshold: {threshold} is no prob"):
        documents.load_calibration(decided(threshold=threshold), where="x")


def test_a_missing_parameter_is_named():
    """A method without its numbers is refused."""
    data = copy.deepcopy(GOOD)
    del data["labels"]["happy"]["p95"]

    with pytest.raises(InputError, match="at /labels/happy: has no 'p95'"):
        documents.load_calibration(as_bytes(data), where="x")


def test_a_newer_minor_version_may_know_more():
    """Keys that a later 1.x adds are ignored; in our own version they are refused."""
    data = changed("/schema", "calreg/calibration/1.7")
    data["labels"]["happy"]["flavour"] = "sweet"

    assert documents.load_calibration(as_bytes(data), where="x").labels["happy"].parameters == {
        "p5": 0.05,
        "p95": 0.95,
    }


def test_writers_are_held_to_the_same():
    """A program cannot write what no reader would accept, NaN included."""
    good = Calibration.from_json(GOOD)
    bad = Calibration.from_json(changed("/labels/happy/p5", float("nan")))

    assert documents.checked_bytes("calibration", good, where="x") == good.to_bytes()
    with pytest.raises(InputError, match=r"/p5"):
        documents.checked_bytes("calibration", bad, where="x")


def test_settings_are_looked_up_in_three_steps():
    """Built-in default, the registry's value, then every matching pattern in order."""
    settings = documents.load_settings(
        b"schema: calreg/registry/1.0\nname: nom-cal\nmin_samples: 50\n"
        b"thresholds: {jsd: 0.2}\n"
        b"heads:\n"
        b"  'essentia/*': {thresholds: {srd: 0.5}, policy: {promote_on: drift}}\n"
        b"  '*/mood_happy': {min_samples: 10, histogram: {lo: -8, hi: 8}}\n",
        where="registry.yaml",
    )
    happy = settings.for_head(documents.calibration.HeadName("essentia/effnet", "mood_happy"))
    other = settings.for_head(documents.calibration.HeadName("x", "other"))

    assert happy.thresholds["srd"] == 0.5
    assert happy.thresholds["jsd"] == other.thresholds["jsd"] == 0.2
    assert (happy.min_samples, other.min_samples) == (10, 50)
    assert (happy.promote_on, other.promote_on) == ("drift", "unstable")
    assert (happy.grid, other.grid) == ((-8.0, 8.0), None)


def test_a_threshold_of_nothing_is_refused():
    """A policy cannot switch a metric off by a typo."""
    for line, problem in (
        ("thresholds: {jds: 0.1}", "unknown key 'jds'"),
        ("thresholds: {jsd: 0}", "more than 0"),
        ("thresholds: {jsd: yes}", "expected number"),
        ("min_samples: 1", "at least 2"),
        ("histogram: {lo: 1, hi: 0}", "lo 1 is not below hi 0"),
    ):
        raw = f"schema: calreg/registry/1.0\nname: x\n{line}\n".encode()
        with pytest.raises(InputError, match=problem):
            documents.load_settings(raw, where="registry.yaml")


def test_no_reference_of_a_schema_leads_outside():
    """No schema points anywhere but into itself, so nothing can be fetched."""
    for kind in documents.KINDS:
        text = documents.schema_bytes(kind).decode()
        schema = json.loads(text)
        refs = [part.split('"')[1] for part in text.split('"$ref": ')[1:]]
        assert all(ref.startswith("#/") for ref in refs)
        assert schema["$id"].startswith("urn:")


def test_a_ref_in_a_document_is_only_text():
    """A document that carries `$ref` is judged by our schema, which does not know it."""
    data = copy.deepcopy(GOOD) | {"$ref": "http://127.0.0.1:1/evil.json"}

    with pytest.raises(InputError, match=r"unknown key '\$ref'"):
        documents.load_calibration(as_bytes(data), where="x")


def test_schemas_are_schemas():
    """Every schema that ships is a valid draft 2020-12 schema."""
    from jsonschema import Draft202012Validator

    for kind in documents.KINDS:
        schema = json.loads(documents.schema_bytes(kind))
        Draft202012Validator.check_schema(schema)
        assert schema["$schema"].endswith("2020-12/schema")


def test_history_times_are_exact():
    """A document's time and its milliseconds are the same instant."""
    assert documents.milliseconds("2026-01-02T03:04:05.678Z") == 1767323045678


@pytest.mark.parametrize("path", [("p5",), ("mean",), ("quantiles", "p50"), ("histogram", "lo")])
def test_a_whole_number_that_no_float_holds_is_refused(path):
    """An integer beyond the range of numbers is refused as input, not met as a bug later."""
    data = copy.deepcopy(GOOD)
    place = next(iter(data["labels"].values()))
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = -(10**400)

    with pytest.raises(InputError):
        documents.load_calibration(json.dumps(data).encode(), where="x.json")
