"""The files of an audio tagger: what they hold comes in, goes out, and comes back."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calreg import formats
from calreg.calibrate import describe, minmax
from calreg.documents import (
    CELLS,
    Calibration,
    Distribution,
    Histogram,
    LabelCalibration,
    checked_bytes,
)
from calreg.errors import InputError, UsageError
from calreg.names import HeadName

GOLDEN = Path(__file__).parents[1] / "golden" / "nomarr"
SIDECAR = GOLDEN / "yamnet/heads/softmax/danceability-audioset-yamnet-1-calibration-v7.json"
BUNDLE, STATE = GOLDEN / "bundle.json", GOLDEN / "state.json"
NOMARR = {"nomarr-sidecar": SIDECAR, "nomarr-bundle": BUNDLE, "nomarr-state": STATE}
SUMMARY = ("samples", "mean", "std", "min", "max")


def read_file(path: Path, **options: Any) -> formats.Imported:
    return formats.read(path.read_bytes(), str(path), **options)


def calibrations_of(imported: formats.Imported) -> list[Calibration]:
    return [
        Calibration(head.name, head.version or 1, head.labels, head.display_name)
        for head in imported.heads
    ]


def computed(name: str = "essentia/musicnn/mood_happy", **labels: int) -> Calibration:
    """A calibration as a run makes it, of generated scores; a seed per label."""
    found = {
        label: minmax(describe(np.random.default_rng(seed).beta(0.6, 0.9, 500)))
        for label, seed in (labels or {"happy": 1, "non_happy": 2}).items()
    }
    return Calibration(HeadName.parse(name), 3, found)


def changed(path: Path, steps: str, value: Any) -> bytes:
    """The file with one value replaced; `steps` is where, with dots."""
    data = json.loads(path.read_text())
    *outer, last = (int(step) if step.isdigit() else step for step in steps.split("."))
    place = data
    for step in outer:
        place = place[step]
    place[last] = value
    return json.dumps(data).encode()


@pytest.mark.parametrize("fmt", NOMARR)
def test_format_is_found_by_content(fmt):
    """A file's format is told from what is in it, not from its name."""
    found = formats.read(NOMARR[fmt].read_bytes(), "some/other-name.json", model="musicnn")

    assert found.format == fmt


@pytest.mark.parametrize("fmt", NOMARR)
def test_import_is_a_document(fmt):
    """What is read from a file passes every check of a calibration document."""
    for calibration in calibrations_of(read_file(NOMARR[fmt])):
        assert checked_bytes("calibration", calibration, where="here")


def test_sidecar_in():
    """A sidecar gives one head under its file base, with every number and its version."""
    (head,) = read_file(SIDECAR).heads

    assert head.name.full == "yamnet/danceability-audioset-yamnet-1"
    assert (head.version, head.head_type, head.display_name) == (7, "softmax", None)
    assert sorted(head.labels) == ["danceable", "not_danceable"]
    label = head.labels["danceable"]
    assert (label.method, label.parameters) == ("minmax", {"p5": 0.0625, "p95": 0.9375})
    kept = label.distribution
    assert [getattr(kept, key) for key in SUMMARY] == [4200, 0.5, 0.25, 0.015625, 0.984375]
    assert kept.quantiles is None
    assert kept.histogram is None


def test_sidecar_there_and_back():
    """A sidecar read and written again is the same object at the same place."""
    imported = read_file(SIDECAR)

    written = formats.write(calibrations_of(imported), imported.format, imported.options)

    (path,) = written
    assert str(SIDECAR).endswith(path)
    assert json.loads(written[path]) == json.loads(SIDECAR.read_text())


def test_path_says_what_a_sidecar_leaves_out():
    """Backbone, type, base and version come from the path where the content is silent."""
    data = json.loads(SIDECAR.read_text())
    for key in ("backbone", "head_type", "model", "calibration_version"):
        del data[key]
    raw = json.dumps(data).encode()

    (head,) = formats.read(raw, "models/effnet/heads/identity/x-1-calibration-v4.json").heads
    assert (head.name.full, head.version, head.head_type) == ("effnet/x-1", 4, "identity")
    (head,) = formats.read(raw, r"models\effnet\heads\identity\x-1-calibration.json").heads
    assert (head.name.full, head.version) == ("effnet/x-1", None)
    with pytest.raises(InputError, match="at /backbone: is missing"):
        formats.read(raw, "x-1-calibration.json")
    assert formats.read(raw, "x-1.json", model="a/b").heads[0].name.full == "a/b/x-1"


def test_real_names_are_slugged():
    """A head called tonal/atonal is stored as tonal-atonal and shown as it was called."""
    (head,) = formats.read(changed(SIDECAR, "model", "tonal/atonal"), "x.json").heads

    assert (head.name.head, head.display_name) == ("tonal-atonal", "tonal/atonal")


def test_slugged_file_base_comes_back():
    """A file base with capitals survives import and export."""
    imported = formats.read(changed(SIDECAR, "model", "Dance-Yamnet-1"), "x.json")

    (path,) = formats.write(calibrations_of(imported), "nomarr-sidecar", imported.options)
    assert imported.heads[0].name.head == "dance-yamnet-1"
    assert path == "yamnet/heads/softmax/Dance-Yamnet-1-calibration-v7.json"


def test_bundle_in():
    """A bundle is one head called like its file; what it does not say stays unknown."""
    imported = read_file(BUNDLE)
    (head,) = imported.heads

    assert head.name.full == "imported/bundle"
    assert head.labels["dark"] == LabelCalibration(
        "minmax", {"p5": 0.1, "p95": 0.9}, Distribution(samples=None)
    )
    assert any("--model" in note for note in imported.notes)


def test_bundle_model_from_path_option_or_key():
    """A bundle's model is the option, else the path's backbone, else the labels' key."""
    raw, place = BUNDLE.read_bytes(), "m/effnet/heads/softmax/timbre-1-calibration.json"
    keyed = json.loads(raw)
    for label in keyed["labels"].values():
        label["model_key"] = "yamnet"

    assert formats.read(raw, place).heads[0].name.full == "effnet/timbre-1"
    assert formats.read(raw, place, model="a/b").heads[0].name.full == "a/b/timbre-1"
    found = formats.read(json.dumps(keyed).encode(), "timbre.json").heads[0]
    assert found.name.full == "yamnet/timbre"


def test_bundle_there_and_back():
    """A bundle read and written again keeps every number, and can be applied as minmax."""
    imported = read_file(BUNDLE)

    (raw,) = formats.write(calibrations_of(imported), imported.format, imported.options).values()
    data, before = json.loads(raw), json.loads(BUNDLE.read_text())
    for label, numbers in data["labels"].items():
        assert numbers == before["labels"][label] | {"method": "minmax"}
    for key in ("generated_at", "version", "calibration_count"):
        assert data["metadata"][key] == before["metadata"][key]


def test_state_in():
    """10,000 fine bins become 100 cells exactly, with the clamped outliers apart."""
    (head,) = read_file(STATE).heads

    histogram = head.labels["tonal"].distribution.histogram
    cells = {cell: count for cell, count in enumerate(histogram.counts) if count}
    assert cells == {0: 40, 1: 8, 57: 100, 99: 45}
    assert (histogram.underflow, histogram.overflow, histogram.total) == (2, 5, 200)
    assert head.labels["tonal"].distribution.quantiles is None
    assert head.labels["atonal"].parameters == {"p5": 0.25, "p95": 0.75}


def test_state_with_outliers_apart():
    """Outliers that are not among the binned scores are understood as well."""
    data = json.loads(STATE.read_text())
    data["calibrations"][0]["n"] = 207

    (head,) = formats.read(json.dumps(data).encode(), "x.json").heads
    histogram = head.labels["tonal"].distribution.histogram
    assert (histogram.counts[0], histogram.counts[99], histogram.total) == (42, 50, 207)


@pytest.mark.parametrize(
    ("steps", "value", "note"),
    [
        ("calibrations.0.n", 28973, "its bins hold 200 scores, n is 28,973"),
        ("calibrations.0.histogram_bins", None, "the file holds none"),
        ("calibrations.0.histogram.bins", 1010, None),
    ],
)
def test_state_histogram_that_does_not_fit(steps, value, note):
    """A histogram that contradicts its count is left out and the notes say so."""
    raw = changed(STATE, steps, value)
    if note is None:
        with pytest.raises(InputError, match="is the lower edge of no bin"):
            formats.read(raw, "x.json")
        return

    found = formats.read(raw, "x.json")
    assert found.heads[0].labels["tonal"].distribution.histogram is None
    assert found.heads[0].labels["tonal"].parameters == {"p5": 0.0, "p95": 0.9999}
    assert any(note in line for line in found.notes)


def test_state_label_without_scores_excludes_its_head():
    """Placeholders for a label without scores never become a calibration."""
    data = json.loads(STATE.read_text())
    other = deepcopy(data["calibrations"][0]) | {"head_name": "other"}
    data["calibrations"][0] |= {"n": 0, "p5": 0.0, "p95": 1.0, "histogram_bins": []}
    empty = {"musicnn/tonal_atonal-msd-musicnn-1": "label 'tonal' has no scores"}

    found = formats.read(
        json.dumps(data | {"calibrations": [*data["calibrations"], other]}).encode(), "x"
    )
    assert [head.name.full for head in found.heads] == ["musicnn/other"]
    assert found.excluded == empty
    with pytest.raises(InputError, match="no calibration that counted a score"):
        formats.read(json.dumps(data).encode(), "x.json")


@pytest.mark.parametrize("fmt", NOMARR)
def test_export_then_import_keeps_the_numbers(fmt):
    """p5, p95, samples, mean, std, min and max of a computed calibration survive any format."""
    before = computed("musicnn/mood_happy")

    (raw,) = formats.write([before], fmt).values()
    place = "musicnn/heads/softmax/mood_happy-calibration-v3.json"
    (head,) = formats.read(raw, place).heads
    assert head.name == before.name
    for label, found in head.labels.items():
        original = before.labels[label]
        assert found.parameters == original.parameters
        for key in SUMMARY:
            assert getattr(found.distribution, key) == getattr(original.distribution, key)


cells = st.lists(st.integers(0, 10**6), min_size=CELLS, max_size=CELLS).filter(any)
grids = st.tuples(
    st.floats(-100, 100, allow_subnormal=False), st.floats(0.01, 100, allow_subnormal=False)
)


@given(cells, grids, st.integers(0, 50), st.integers(0, 50))
def test_state_keeps_the_stored_histogram(counts, grid, underflow, overflow):
    """A stored histogram of any grid comes back from a state file cell by cell."""
    histogram = Histogram(grid[0], grid[0] + grid[1], tuple(counts), underflow, overflow)
    label = LabelCalibration(
        "minmax", {"p5": 0.1, "p95": 0.9}, Distribution(histogram.total, histogram=histogram)
    )
    before = Calibration(HeadName("m", "h"), 1, {"a": label})

    (raw,) = formats.write([before], "nomarr-state").values()
    assert formats.read(raw, "x.json").heads[0].labels["a"] == label


def test_sidecar_lands_in_the_models_folder():
    """A sidecar's path is <backbone>/heads/<type>/<base>-calibration[-v<N>].json."""
    options = formats.Options(
        head_types={"*regression": "identity"},
        file_bases={"essentia/musicnn/mood_happy": "mood_happy-msd-musicnn-1"},
    )
    heads = [computed(), computed("essentia/effnet/engagement_regression", engagement=5)]

    assert sorted(formats.write(heads, "nomarr-sidecar", options)) == [
        "effnet/heads/identity/engagement_regression-calibration-v3.json",
        "musicnn/heads/softmax/mood_happy-msd-musicnn-1-calibration-v3.json",
    ]
    (path,) = formats.write(heads[:1], "nomarr-sidecar", formats.Options(versioned=False))
    assert path == "musicnn/heads/softmax/mood_happy-calibration.json"


def test_sidecar_fields_are_the_loaders():
    """A written sidecar has the fields that its loader asks for, and minmax everywhere."""
    (raw,) = formats.write([computed()], "nomarr-sidecar").values()
    data = json.loads(raw)

    assert data["calibration_method"] == "minmax"
    assert (data["calibration_version"], data["library_size"]) == (3, 500)
    assert (data["model"], data["head_type"], data["backbone"]) == (
        "mood_happy",
        "softmax",
        "musicnn",
    )
    for label in data["labels"].values():
        assert sorted(label) == sorted(["method", "p5", "p95", *SUMMARY])
        assert label["method"] == "minmax"


@pytest.mark.parametrize("fmt", NOMARR)
def test_two_heads_for_one_path(fmt):
    """Heads that the other system could not tell apart are refused, not overwritten."""
    with pytest.raises(InputError, match="would both be written"):
        formats.write([computed("a/effnet/h"), computed("b/effnet/h")], fmt)


def test_state_needs_a_count():
    """A label of unknown samples is refused by the format that must say them."""
    imported = calibrations_of(read_file(BUNDLE))

    with pytest.raises(InputError, match="does not say how many scores"):
        formats.write(imported, "nomarr-state")


@pytest.mark.parametrize("option", ["head_type", "base"])
@pytest.mark.parametrize("text", ["../x", "a/b", "", "a..b", ".hidden", "a\nb"])
def test_export_stays_in_its_folder(option, text):
    """No option can lead a written file out of its place."""
    head = "essentia/musicnn/mood_happy"
    options = (
        formats.Options(head_type=text)
        if option == "head_type"
        else formats.Options(file_bases={head: text})
    )

    with pytest.raises(InputError, match="cannot be part of a file's path"):
        formats.write([computed(head)], "nomarr-sidecar", options)


def test_unknown_format():
    """A format that is none is a usage error that names the nearest one."""
    with pytest.raises(UsageError, match="'nomarr-sidcar' is not a format") as caught:
        formats.write([computed()], "nomarr-sidcar")  # type: ignore[arg-type]

    assert caught.value.hint.startswith("Did you mean nomarr-sidecar")


def test_nothing_to_export():
    """An export of nothing is refused."""
    with pytest.raises(InputError, match="no calibration to export"):
        formats.write([], "nomarr-state")


LABEL = "labels.danceable"
ENTRY = "calibrations.0"


@pytest.mark.parametrize(
    ("path", "steps", "value", "message"),
    [
        (SIDECAR, f"{LABEL}.p5", "0.1", "at /labels/danceable/p5: expected a finite number"),
        (SIDECAR, f"{LABEL}.p5", True, "expected a finite number, got True"),
        (SIDECAR, f"{LABEL}.p5", None, "at /labels/danceable/p5: is missing"),
        (SIDECAR, f"{LABEL}.p5", 0.9375, "p5 0.9375 is not below p95 0.9375"),
        (SIDECAR, f"{LABEL}.p95", 10**400, "expected a finite number"),
        (SIDECAR, f"{LABEL}.samples", 0, "whole number of at least 1, got 0"),
        (SIDECAR, f"{LABEL}.samples", 12.5, "whole number of at least 1, got 12.5"),
        (SIDECAR, f"{LABEL}.std", -0.1, "at /labels/danceable/std: expected at least 0"),
        (SIDECAR, f"{LABEL}.mean", 2.0, "at /labels/danceable/mean: mean 2.0 is not between"),
        (SIDECAR, f"{LABEL}.min", 2.0, "at /labels/danceable/min: min 2.0 is above max"),
        (SIDECAR, f"{LABEL}.method", "platt", "expected 'minmax', got 'platt'"),
        (SIDECAR, LABEL, [], "at /labels/danceable: expected an object"),
        (SIDECAR, "labels", {}, "at /labels: holds no label"),
        (SIDECAR, "labels", {" a": {"method": "minmax", "p5": 0, "p95": 1}}, "white space"),
        (SIDECAR, "labels", {"a/b": {"method": "minmax", "p5": 1, "p95": 1}}, "at /labels/a~1b"),
        (SIDECAR, "calibration_method", "histogram", "at /calibration_method"),
        (SIDECAR, "calibration_version", "7", "at /calibration_version"),
        (SIDECAR, "model", "///", "at /model"),
        (SIDECAR, "backbone", "con", "device name"),
        (BUNDLE, "labels.dark.method", "isotonic", "expected one of minmax, histogram"),
        (BUNDLE, "labels.dark.p95", -1, "at /labels/dark/p5: p5 0.1 is not below p95 -1.0"),
        (BUNDLE, "labels.dark.model_key", "x", "differs from label to label"),
        (BUNDLE, "metadata.version", "v2", "at /metadata/version: expected 'v1', got 'v2'"),
        (STATE, "version", 1, "at /version: expected 2, got 1"),
        (STATE, "format", "x", "at /format"),
        (STATE, "calibrations", {}, "at /calibrations: expected a list"),
        (STATE, "calibrations", [], "at /calibrations: holds no calibration"),
        (STATE, "calibrations.1", 3, "at /calibrations/1: expected an object, got 3"),
        (STATE, "calibrations.1.label", "tonal", "'tonal' stands twice"),
        (STATE, f"{ENTRY}.p5", 1, "at /calibrations/0/p5: p5 1.0 is not below"),
        (STATE, f"{ENTRY}.n", -1, "at /calibrations/0/n: expected a whole number"),
        (STATE, f"{ENTRY}.backbone", 5, "at /calibrations/0/backbone: expected a text"),
        (STATE, f"{ENTRY}.histogram.bins", 10**9, "expected at most 1000000"),
        (STATE, f"{ENTRY}.histogram.hi", 0, "at /calibrations/0/histogram/lo"),
        (STATE, f"{ENTRY}.histogram_bins.1.val", 0.5, None),
        (STATE, f"{ENTRY}.histogram_bins.1.val", 0.50005, "the lower edge of no bin"),
        (STATE, f"{ENTRY}.histogram_bins.1.val", 1.0, "the lower edge of no bin"),
        (STATE, f"{ENTRY}.histogram_bins.1.val", 0.01, "the bin at 0.01 stands twice"),
        (STATE, f"{ENTRY}.histogram_bins.1.count", -1, "histogram_bins/1/count"),
    ],
)
def test_hostile_values(path, steps, value, message):
    """A value that means nothing is refused with the file, the pointer and the problem."""
    raw = changed(path, steps, value)
    if message is None:
        assert formats.read(raw, "x.json").heads
        return

    with pytest.raises(InputError) as caught:
        formats.read(raw, "x.json")
    assert message in str(caught.value)
    assert str(caught.value).startswith("x.json: at /")
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "raw",
    [b"[]", b"{}", b'{"labels": {"a": {"p5": NaN}}}', b'{"labels": 1, "labels": 2}', b"\xff", b""],
)
def test_not_a_file_of_any_format(raw):
    """Anything else is refused with its path."""
    with pytest.raises(InputError, match=r"^x\.json: "):
        formats.read(raw, "x.json")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.sampled_from(list(NOMARR)), st.data())
def test_garbled_files_are_refused_not_crashed_on(fmt, data):
    """Whatever stands in place of one field, the answer is a value or an InputError."""
    keys = {
        "nomarr-sidecar": ["labels", LABEL, f"{LABEL}.p5", f"{LABEL}.samples", "model", "backbone"],
        "nomarr-bundle": ["labels", "metadata", "labels.dark", "labels.dark.model_key"],
        "nomarr-state": ["calibrations", ENTRY, f"{ENTRY}.histogram", f"{ENTRY}.histogram_bins"],
    }
    steps = data.draw(st.sampled_from(keys[fmt]))
    raw = changed(NOMARR[fmt], steps, data.draw(json_values))

    problem = ""
    try:
        found = formats.read(raw, "x.json").heads
    except InputError as error:
        found, problem = (), str(error)
    assert bool(found) != bool(problem)
    assert "\n" not in problem
