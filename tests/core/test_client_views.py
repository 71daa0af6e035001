"""What a view hands out, whatever its files are: the references of one index, or nothing."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calreg.client.deadline import Deadline
from calreg.client.gathering import Bounds, Wish, gather
from calreg.client.sources import Source
from calreg.client.trust import verified
from calreg.client.views import Asking
from calreg.client.views.stable import StableView
from calreg.documents import (
    Calibration,
    Distribution,
    Entry,
    Index,
    LabelCalibration,
    ModelEntry,
    ModelIndex,
    digest_of,
)
from calreg.errors import CalregError, DigestMismatchError, RegistryError
from calreg.names import INDEX_PATH, HeadName, model_index_path

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HEADS = ("a/one/x", "a/one/y", "b/two/x")
MODELS = ("a/one", "b/two")
ASKING = Asking(Deadline(3600.0), 2**20, Path("nowhere"), NOW)
BOUNDS = Bounds(Deadline(3600.0), 2**20, Path("nowhere"), NOW)
SOURCE = Source("https://example.org/r.git", "", "https://example.org/r.git")


def document(head: str, version: int) -> bytes:
    numbers = LabelCalibration("minmax", {"p5": version / 100, "p95": 0.9}, Distribution(1000))
    return Calibration(HeadName.parse(head), version, {"yes": numbers}).to_bytes()


def publication(seq: int, versions: dict[str, int]) -> dict[str, bytes]:
    """The tree of one publication."""
    files = {HeadName.parse(h).reference_path: document(h, v) for h, v in versions.items()}
    models = {}
    for model in MODELS:
        names = [HeadName.parse(head) for head in versions if head.startswith(f"{model}/")]
        entries = {
            name.head: Entry(
                versions[name.full],
                digest_of(files[name.reference_path]),
                len(files[name.reference_path]),
            )
            for name in names
        }
        raw = ModelIndex(model, entries).to_bytes()
        files[model_index_path(model)] = raw
        models[model] = ModelEntry(digest_of(raw), len(raw), len(entries))
    index = Index(
        registry="nom-cal",
        seq=seq,
        issued="2026-05-01T00:00:00Z",
        expires="2026-08-01T00:00:00Z",
        commit="c" * 40,
        previous=None,
        keys=None,
        withdrawn=None,
        models=models,
    )
    return {**files, INDEX_PATH: index.to_bytes()}


class Held:
    """Files that are simply there: a commit as a dict."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def read(self, paths, **_limits):
        """Those that exist."""
        return {path: self.files[path] for path in paths if path in self.files}

    def read_soon(self, paths):
        """Nothing to prepare."""

    def together(self, models):
        """All of them."""
        return models


def view_of(files: dict[str, bytes], known=None) -> StableView:
    index, origin = verified(
        files[INDEX_PATH],
        None,
        {}.get,
        replace(ASKING, known=known),
        source=SOURCE.shown,
        read="stable",
        tip="f" * 40,
    )
    return StableView(Held(files), index, origin, SOURCE, ASKING)


def gathered(view: StableView, *selection: str):
    return gather(Wish((), selection), [view], None, {}, BOUNDS, lambda _done, _total: None)


OLD = dict.fromkeys(HEADS, 1)
NEW = {"a/one/x": 2, "a/one/y": 1, "b/two/x": 2}
TREES = (publication(1, OLD), publication(2, NEW))


@given(st.fixed_dictionaries(dict.fromkeys(TREES[0], st.integers(0, 1))))
@settings(max_examples=150, deadline=None)
def test_files_of_two_publications_never_mix(chosen):
    """Whichever files are of which publication, what comes out is one of the two, or an error."""
    files = {path: TREES[which][path] for path, which in chosen.items()}
    which = chosen[INDEX_PATH]

    if files != TREES[which]:
        with pytest.raises(DigestMismatchError):
            gathered(view_of(files))
        return
    found = gathered(view_of(files))
    wanted = (OLD, NEW)[which]
    assert found.contents == {head: document(head, wanted[head]) for head in HEADS}
    assert {head: entry.version for head, entry in found.lock.heads.items()} == wanted


@given(
    path=st.sampled_from(sorted(set(TREES[1]) - {INDEX_PATH})), data=st.data(), cut=st.booleans()
)
@settings(max_examples=150, deadline=None)
def test_no_altered_byte_comes_through(path, data, cut):
    """A file with one byte changed, or cut anywhere, is never handed out."""
    raw = TREES[1][path]
    place = data.draw(st.integers(0, len(raw) - 1), label="place")
    other = raw[:place] if cut else raw[:place] + bytes([raw[place] ^ 0x20]) + raw[place + 1 :]

    with pytest.raises(CalregError) as caught:
        gathered(view_of({**TREES[1], path: other}))
    assert caught.value.code == "digest-mismatch"


@given(path=st.sampled_from(sorted(set(TREES[1]) - {INDEX_PATH})))
def test_no_missing_file_is_passed_over(path):
    """A file that an index lists and that is not there is an error by its path."""
    with pytest.raises(RegistryError) as caught:
        gathered(view_of({p: raw for p, raw in TREES[1].items() if p != path}))
    assert (caught.value.code, caught.value.where) == ("missing-file", path)


def test_only_what_is_wanted_must_be_there():
    """One head needs its model's index and its document, and nothing of the others."""
    needed = {INDEX_PATH, "a/one/index.json", "a/one/y-calibration.json"}
    files = {path: raw for path, raw in TREES[1].items() if path in needed}

    assert set(gathered(view_of(files), "a/one/y").contents) == {"a/one/y"}


def test_a_document_must_say_what_the_index_says():
    """A document of another head or version is refused, though its digest is the listed one."""
    for head, version in (("a/one/y", 2), ("a/one/x", 3)):
        raw = document(head, version)
        listed = ModelIndex("a/one", {"x": Entry(2, digest_of(raw), len(raw))}).to_bytes()
        files = {
            **TREES[1],
            "a/one/x-calibration.json": raw,
            "a/one/index.json": listed,
        }
        view = view_of(files)
        models = {"a/one": ModelEntry(digest_of(listed), len(listed), 1)}
        index = replace(view._index, models=models)

        with pytest.raises(CalregError, match="expected"):
            gathered(view.before(Held(files), index, view.origin))


@given(limit=st.integers(0, 2000))
@settings(deadline=None)
def test_what_is_allowed_is_judged_by_what_is_listed(limit):
    """More bytes than allowed are refused before any is read."""
    total = sum(len(document(head, version)) for head, version in NEW.items())
    view = view_of({path: raw for path, raw in TREES[1].items() if "-calibration" not in path})
    bounds = replace(BOUNDS, max_bytes=limit)

    with pytest.raises(RegistryError) as caught:
        gather(Wish(()), [view], None, {}, bounds, lambda _done, _total: None)
    assert caught.value.code == ("too-large" if total > limit else "missing-file")
