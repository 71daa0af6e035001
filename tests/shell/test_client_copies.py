"""Where plain copies go and what is in them: templates, formats, paths that are refused."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from published import HAPPY, RELAXED, TIMBRE
from setting import ALL, a_set, into

from calreg import documents
from calreg.client import Installed, verify
from calreg.client.copies import (
    NOMARR_TEMPLATE,
    check_path,
    check_template,
    layout,
    placed,
)
from calreg.documents import Distribution, LabelCalibration, Lock, LockSource
from calreg.errors import InputError
from calreg.names import HeadName

TEMPLATE = "models/{model_name}/heads/{head}-calibration.json"


def plain_files(folder) -> list[str]:
    """All that another program finds."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and ".calreg" not in path.parts and path.name != "calreg.lock"
    )


def test_a_template_names_the_copies(tmp_path):
    """Copies lie where the template says; the snapshot and Client know heads by their names."""
    lock, contents = a_set(template=TEMPLATE)
    with into(tmp_path) as destination:
        destination.install(lock, contents)

    assert plain_files(tmp_path) == [
        "models/effnet/heads/mood_happy-calibration.json",
        "models/effnet/heads/mood_relaxed-calibration.json",
        "models/musicnn/heads/timbre-calibration.json",
    ]
    assert (tmp_path / plain_files(tmp_path)[0]).read_bytes() == contents[HAPPY]
    assert Installed.open(tmp_path).reference(HAPPY).version == 1
    assert verify(tmp_path) == []


def test_every_field(tmp_path):
    """A template may use the registry, the model as a path or its last step, head and version."""
    lock, contents = a_set(
        7, (HAPPY,), template="{registry}/{model}/{model_name}-{head}.v{version}"
    )

    found, copies = placed(lock, contents)

    assert found.heads[HAPPY].path == "nom-cal/essentia/effnet/effnet-mood_happy.v7"
    assert copies == contents


def test_another_template_moves_the_copies(tmp_path):
    """A new template writes new copies and removes the old ones with their empty folders."""
    lock, contents = a_set(template=TEMPLATE)
    with into(tmp_path) as destination:
        destination.install(lock, contents)
        (tmp_path / "models/effnet/weights.pb").write_bytes(b"weights")

        written = destination.install(replace(lock, template="{head}.json"), contents)

    assert written == ALL
    assert plain_files(tmp_path) == [
        "models/effnet/weights.pb", "mood_happy.json", "mood_relaxed.json", "timbre.json",
    ]  # fmt: skip
    assert not (tmp_path / "models/musicnn").exists()
    assert verify(tmp_path) == []


def test_copies_that_somebody_changed_are_left(tmp_path):
    """An old copy whose bytes are not ours any more is nobody's to delete."""
    lock, contents = a_set(template=TEMPLATE)
    mine = tmp_path / "models/effnet/heads/mood_happy-calibration.json"
    with into(tmp_path) as destination:
        destination.install(lock, contents)
        mine.write_text("my notes")
        destination.install(replace(lock, template="{head}.json"), contents)

    assert mine.read_text() == "my notes"


def test_a_lock_that_names_a_strangers_file(tmp_path):
    """A lock that somebody edited to own another file does not get that file deleted."""
    lock, contents = a_set()
    (tmp_path / "weights.pb").write_bytes(b"weights")
    with into(tmp_path) as destination:
        destination.install(lock, contents)
        stolen = replace(lock.heads[HAPPY], path="weights.pb")
        edited = replace(lock, heads={**lock.heads, HAPPY: stolen})
        (tmp_path / "calreg.lock").write_bytes(edited.to_bytes())
        smaller, left = a_set(2, (RELAXED,))
        destination.install(smaller, left)

    assert (tmp_path / "weights.pb").read_bytes() == b"weights"


def test_nomarr_copies(tmp_path):
    """In nomarr's format copies are its sidecars; the exact documents stay in the snapshot."""
    template, fmt = layout(None, None, "nomarr")
    lock, contents = a_set(3, (HAPPY,), template=template, format=fmt)
    with into(tmp_path) as destination:
        destination.install(lock, contents)

    copy = tmp_path / "effnet/heads/softmax/mood_happy-calibration.json"
    found = json.loads(copy.read_bytes())
    assert (found["calibration_method"], found["calibration_version"]) == ("minmax", 3)
    assert found["labels"]["yes"]["p5"] == 0.03
    installed = Installed.open(tmp_path)
    entry = installed.lock.heads[HAPPY]
    assert (entry.copy, entry.digest) == (
        documents.digest_of(copy.read_bytes()), documents.digest_of(contents[HAPPY]),
    )  # fmt: skip
    assert installed.document(HAPPY) == contents[HAPPY]
    assert verify(tmp_path) == []
    copy.write_text("{}")
    assert [finding.rule for finding in verify(tmp_path)] == ["altered"]


def test_nomarr_says_minmax_only():
    """A head that the format cannot hold is refused by name, with what to do."""
    lock, contents = a_set(heads=(HAPPY,), format="nomarr")
    sigmoid = {"temperature": 2.0, "link": "sigmoid", "scale": "logit"}
    decides = LabelCalibration("temperature", sigmoid, Distribution(9), "higher")
    raw = documents.Calibration(HeadName.parse(HAPPY), 1, {"yes": decides}).to_bytes()

    with pytest.raises(InputError, match=f"{HAPPY} label 'yes' is calibrated by temperature"):
        placed(lock, contents | {HAPPY: raw})


def test_layout_is_kept_until_another_is_asked_for():
    """Without options template and format stay as they were; with options they change."""
    old = a_set(template=TEMPLATE, format="calreg")[0]

    assert layout(None, None, None) == (None, "calreg")
    assert layout(old, None, None) == (TEMPLATE, "calreg")
    assert layout(old, None, "nomarr") == (TEMPLATE, "nomarr")
    assert layout(old, "{head}.json", None) == ("{head}.json", "calreg")
    assert layout(a_set()[0], None, "nomarr") == (NOMARR_TEMPLATE, "nomarr")


def test_two_heads_on_one_path():
    """Two heads that a template puts on one path are both named, also if only case tells them."""
    heads = (HAPPY, "essentia/musicnn/mood_happy")

    with pytest.raises(InputError) as caught:
        placed(*a_set(heads=heads, template="{head}.json"))

    assert caught.value.message == (
        f"{HAPPY} and essentia/musicnn/mood_happy would both be installed as mood_happy.json"
    )
    assert "{model}" in str(caught.value.hint)


def test_a_path_inside_another():
    """A file cannot be a folder as well: both heads are named."""
    heads = ("a/b", "a/b/c")

    with pytest.raises(InputError, match="a/b and a/b/c would both be installed as"):
        placed(*a_set(heads=heads, template="{model}/{head}"))


def test_registries_keep_apart():
    """With several sources {registry} is the one that the head is from."""
    lock, contents = a_set(heads=(HAPPY, TIMBRE), template="{registry}/{head}.json")
    ours = LockSource("file:///ours", "our-cal", "b" * 40)
    heads = {HAPPY: lock.heads[HAPPY], TIMBRE: replace(lock.heads[TIMBRE], origin=1)}

    found, _ = placed(Lock((ours, lock.first), (), heads, template=lock.template), contents)

    assert [entry.path for entry in found.heads.values()] == [
        "our-cal/mood_happy.json", "nom-cal/timbre.json",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("/etc/{head}", "absolute"),
        ("C:/{head}", "absolute"),
        ("../{head}", r"'\.\.'"),
        ("a/../{head}", r"'\.\.'"),
        ("a\\{head}", "backslash"),
        ("a//{head}", "a step of it is empty"),
        ("{head}/", "a step of it is empty"),
        ("", "a step of it is empty"),
        ("./{head}", "begins otherwise"),
        (".calreg/{head}", r"\.calreg is calreg's own"),
        (".Calreg/{head}", r"\.calreg is calreg's own"),
        ("calreg.lock", r"calreg\.lock is calreg's own"),
        ("Calreg.Lock", r"calreg\.lock is calreg's own"),
        ("nul/{head}", "device name"),
        ("{model}/COM1.json", "device name"),
        ("{head}.", "dot or a space"),
        ("{head}\n", "holds more than"),
        ("{head}\x00", "holds more than"),
        ("{heads}.json", r"no field \{heads\}; there are \{registry\}, \{model\}"),
        ("{}.json", r"no field \{\}"),
        ("{0}.json", r"no field \{0\}"),
        ("{head.__class__}", "no field"),
        ("{head!r}", "no field"),
        ("{version:>9}", "no field"),
        ("{head", "expected '}'"),
        ("}{head}", "Single '}'"),
        ("x" * 501, "at most 500 characters"),
        ("x" * 201, "at most 200"),
    ],
)
def test_refused_templates(template, words):
    """A template that could lead out, into calreg's own files or nowhere is refused."""
    with pytest.raises(InputError, match=words):
        check_template(template)


@given(st.text(max_size=30) | st.from_regex(r"[a./\\~:_ -]{1,12}", fullmatch=True))
def test_whatever_passes_stays_inside(path):
    """A path that is not refused is relative, plain and inside, on any system."""
    try:
        check_path(path)
    except InputError:
        return
    steps = path.split("/")
    assert all(step and step[0] != "." and step == step.strip() for step in steps)
    assert not {"\\", ":", "~", "\0"} & set(path)
    assert ".." not in path
    assert path.lower() != "calreg.lock"


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", ".calreg/lock", "calreg.lock", "a\\b"])
def test_a_lock_with_an_unsafe_path_is_refused(tmp_path, path):
    """A lock that names a place outside, or calreg's own, is refused before anything is read."""
    lock, contents = a_set()
    with into(tmp_path) as destination:
        destination.install(lock, contents)
    entry = replace(lock.heads[HAPPY], path=path)
    edited = replace(lock, heads={**lock.heads, HAPPY: entry})
    (tmp_path / "calreg.lock").write_bytes(edited.to_bytes())

    with pytest.raises(InputError, match="no place for a reference"):
        Installed.open(tmp_path)
