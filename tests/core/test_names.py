"""The grammar of names: what is allowed, what is refused, and that paths round-trip."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calreg import names
from calreg.errors import InputError
from calreg.names import HeadName

segments = st.text(string.ascii_lowercase + string.digits + "._-", min_size=1, max_size=30).filter(
    lambda text: names._segment_problem(text) is None
)
heads = st.builds(
    lambda steps, head: HeadName("/".join(steps), head),
    st.lists(segments, min_size=1, max_size=4),
    segments,
)
versions = st.integers(1, 10**9)

HOSTILE = [
    "",
    ".",
    "..",
    "a..b",
    "../etc",
    "/etc/passwd",
    "a/b",
    "-rf",
    ".git",
    "_x",
    "A",
    "ä",
    "a b",
    "a\\b",
    "a\x00",
    "a\n",
    "con",
    "nul.txt",
    "com1",
    "lpt9.json",
    "v3",
    "runs",
    "moves",
    "x.json",
    "x.lock",
    "x.",
    "a" * 101,
]


@pytest.mark.parametrize("segment", HOSTILE)
def test_hostile_segments_are_refused(segment):
    """No segment can leave the registry, hide in it, or clash with its own files."""
    with pytest.raises(InputError) as caught:
        names.check_segment(segment)
    assert "\n" not in caught.value.message


@given(heads)
def test_full_name_round_trips(head):
    """A head's full name parses back to the same head."""
    assert HeadName.parse(head.full) == head


@given(heads, versions)
def test_every_path_says_what_it_is(head, version):
    """A path made from a name is classified as exactly that name and version."""
    assert names.classify(head.reference_path) == names.Place(
        "reference", head=head, model=head.model
    )
    assert names.classify(head.version_path(version)) == names.Place(
        "version", head=head, model=head.model, number=version
    )
    assert names.classify(names.model_run_path(head.model, version)) == names.Place(
        "model-run", model=head.model, number=version
    )


@given(versions)
def test_run_and_move_paths_say_their_number(number):
    """runs/N.json and moves/N.json are classified with their number."""
    assert names.classify(names.run_path(number)) == names.Place("run", number=number)
    assert names.classify(names.move_path(number)) == names.Place("move", number=number)


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "runs/0.json",
        "runs/01.json",
        "a/v1/h-calibration-v2.json",
        "A/h-calibration.json",
        "h-calibration.json",
        "../m/h-calibration.json",
        "m/v1/x/h-calibration-v1.json",
        "m/v0/h-calibration-v0.json",
    ],
)
def test_other_files_are_none_of_ours(path):
    """A path that no name makes is not classified."""
    assert names.classify(path) is None


@given(st.text(max_size=60))
def test_a_slug_is_a_segment_or_refused(text):
    """Any text becomes an allowed segment, the same one again, or is refused."""
    try:
        short = names.slug(text)
    except InputError:
        return
    assert names.check_segment(short) == short
    assert names.slug(short) == short


def test_real_head_names_become_slugs():
    """Names from a real library become what the registry stores."""
    assert names.slug("tonal/atonal") == "tonal-atonal"
    assert names.slug("voice/instrumental classifiers") == "voice-instrumental-classifiers"
    assert names.slug("mood_happy-msd-musicnn-1") == "mood_happy-msd-musicnn-1"


@pytest.mark.parametrize("label", ["", " a", "a ", "a\x00", "e\u0301", "\ud800", "x" * 201])
def test_hostile_labels_are_refused(label):
    """A label that would be ambiguous or unprintable as a JSON key is refused."""
    with pytest.raises(InputError):
        names.check_label(label)


def test_labels_may_be_any_language():
    """A label is text, not a slug."""
    for label in ("happy", "Blues---Boogie Woogie", "é", "恐怖", "a/b", "1"):
        assert names.check_label(label) == label


@pytest.mark.parametrize("text", ["", "v", "0", "v0", "v01", "-1", "v1.0", "vv1", "9" * 12, "1e3"])
def test_odd_versions_are_refused(text):
    """A version is a whole number from 1 upwards, with or without its v."""
    with pytest.raises(InputError, match="is not a version"):
        names.parse_version(text)


def test_head_at_version():
    """`head@v3` names a version, no `@` leaves it open."""
    assert names.parse_head_at("m/h@v3") == (HeadName("m", "h"), 3)
    assert names.parse_head_at("m/h") == (HeadName("m", "h"), None)


def test_case_collisions_are_found():
    """Two names that differ only in case are one file on some disks."""
    assert names.case_collision(["m/Happy", "m/sad", "m/happy"]) == ("m/Happy", "m/happy")
    assert names.case_collision(["m/happy", "m/sad"]) is None


def test_nearest_says_what_was_meant():
    """A hint names the closest known name, or lists the first ones."""
    assert names.nearest("happi", ["happy", "sad"]) == "Did you mean happy?"
    assert names.nearest("zzz", ["happy", "sad"]) == "There are: happy, sad."
    assert names.nearest("zzz", []) == "There are none yet."
