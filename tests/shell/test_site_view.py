"""Pulling from a static site: what is believed, what is fetched, and every fault out there."""

import gzip
import os
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest
from published import HAPPY, RELAXED, TIMBRE, Published, calibration
from stabletree import NOW, Stable, new_key, withdrawal
from staticsite import (
    Fault,
    StaticSite,
    always_304,
    appended,
    bomb,
    drip,
    empty,
    endless,
    flipped,
    gone,
    header_flood,
    html,
    instead,
    other_json,
    promising,
    redirect,
    stale,
    stalled,
    truncated,
    unavailable,
    utf16,
    with_bom,
)
from warmth import at_home

from calreg.client import Installed, verify
from calreg.client.deadline import Deadline
from calreg.client.pulling import Limits, Pulled, pull_into
from calreg.client.sources import Source
from calreg.client.views import Asking
from calreg.client.views.site import SiteView, open_site
from calreg.documents import LockSource, Withdrawn, load_packed
from calreg.errors import CalregError, DigestMismatchError, InputError, RegistryError
from calreg.git import Repository
from calreg.names import HeadName, model_index_path, packed_path
from calreg.site import build

ALL = (HAPPY, RELAXED, TIMBRE)
EFFNET = "essentia/effnet"
HAPPY_PATH = HeadName.parse(HAPPY).reference_path
PACKED = f"/{packed_path(EFFNET)}"
INDEX = "/index.json"
MODEL_INDEX = f"/{model_index_path(EFFNET)}"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stable, Path, Path]]:
    """To be copied: what `stable` is, its site, and the site after a second run."""
    folder = tmp_path_factory.mktemp("made")
    with at_home(folder / "home"):
        registry = Published(folder / "registry")
        registry.publish(1, *ALL, *(f"{EFFNET}/head-{number}" for number in range(19)))
        branch = Stable(registry)
        branch.publish()
        later = branch.copied(folder / "later")
        later.registry.publish(2, TIMBRE, *(f"{EFFNET}/head-{n}" for n in range(19)), p5=0.2)
        later.publish()
        yield branch, rebuilt(branch, folder / "site"), rebuilt(later, folder / "later-site")


@pytest.fixture
def stable(made: tuple[Stable, Path, Path], tmp_path: Path) -> Stable:
    """A registry whose `stable` holds version 1 of twenty-two heads of two models."""
    return made[0].copied(tmp_path / "registry")


@pytest.fixture
def later(made: tuple[Stable, Path, Path], tmp_path: Path) -> Path:
    """The site after a second run, of TIMBRE and the numbered heads."""
    return copytree(made[2], tmp_path / "later-site")


@pytest.fixture
def signed(stable: Stable, tmp_path: Path) -> Stable:
    """The same, its second index signed."""
    stable.trust([new_key(tmp_path)])
    stable.publish()
    return stable


@pytest.fixture
def site(made: tuple[Stable, Path, Path], tmp_path: Path) -> Iterator[StaticSite]:
    """A server of the site of it."""
    with StaticSite(copytree(made[1], tmp_path / "site")) as found:
        yield found


def rebuilt(branch: Stable, folder: Path) -> Path:
    build(Repository.find(branch.registry.root), "", folder)
    return folder


def asking(tmp_path: Path, *, deadline_s: float = 20.0, **changes: object) -> Asking:
    return Asking(Deadline(deadline_s), 2**28, tmp_path / "cache", NOW, **changes)


def opened(url: str, tmp_path: Path, **changes: object) -> SiteView:
    found = open_site(Source.parse(url), asking(tmp_path, **changes))
    assert found is not None
    return found


def everything(view: SiteView) -> dict[str, bytes]:
    wanted = {head: entry for model in view.models() for head, entry in view.entries(model).items()}
    return view.read(wanted)


def pull(url: str, dest: Path, *heads: str, deadline_s: float = 20.0, **options: object) -> Pulled:
    limits = Limits(deadline_s=deadline_s, tries=1)
    return pull_into(dest, url, heads, limits=limits, now=NOW, **options)


def refused(url: str, dest: Path, **options: object) -> CalregError:
    """The error of a pull that fails on top of a good one, which must survive whole."""
    before = (dest / "calreg.lock").read_bytes()
    with pytest.raises(CalregError) as caught:
        pull(url, dest, **options)
    assert (dest / "calreg.lock").read_bytes() == before
    assert verify(dest) == []
    return caught.value


# --- what is right ---------------------------------------------------------------------------


def test_every_reference_comes_as_it_was_published(stable, site, tmp_path):
    """All references of all models come, byte for byte."""
    found = everything(opened(site.url, tmp_path))

    assert {HeadName.parse(head).reference_path: raw for head, raw in found.items()} == (
        stable.references()
    )


def test_what_a_lock_records_of_a_site(stable, site, tmp_path):
    """The origin names the site, the index, its number and its ETag."""
    view = opened(site.url, tmp_path)

    index = stable.indexes[-1]
    assert (view.origin.source, view.origin.registry, view.origin.read) == (
        site.url, "nom-cal", "site",
    )  # fmt: skip
    assert (view.origin.seq, view.origin.index) == (1, index.digest)
    assert view.origin.tip is not None
    assert view.origin.commit == index.commit
    assert view.origin.trust is None


def test_many_heads_come_in_one_packed_file(stable, tmp_path):
    """For all heads of a model one file is fetched; a model of one head costs one file."""
    with StaticSite(rebuilt(stable, tmp_path / "site")) as site:
        everything(opened(site.url, tmp_path))

    asked = [one.path for one in site.requests]
    assert PACKED in asked
    assert len([path for path in asked if path.endswith("-calibration.json")]) == 1
    assert f"/{HeadName.parse(TIMBRE).reference_path}" in asked


def test_few_heads_come_one_by_one(stable, tmp_path):
    """For one head of many, its file and the indexes above it are fetched, nothing else."""
    with StaticSite(rebuilt(stable, tmp_path / "site")) as site:
        view = opened(site.url, tmp_path)
        view.read({HAPPY: view.entries(EFFNET)[HAPPY]})

    assert [one.path for one in site.requests] == [
        INDEX, f"{INDEX}.sig", MODEL_INDEX, f"/{HAPPY_PATH}",
    ]  # fmt: skip


def test_nothing_new_is_one_question(stable, tmp_path):
    """A site that did not change is asked once, answers 304, and is no view."""
    with StaticSite(rebuilt(stable, tmp_path / "site")) as site:
        known = opened(site.url, tmp_path).origin
        asked = len(site.requests)

        assert open_site(Source.parse(site.url), asking(tmp_path, known=known)) is None

    assert [(one.path, one.status) for one in site.requests[asked:]][-1:] == [(INDEX, 304)]


def test_without_etags_equal_bytes_are_nothing_new(site, tmp_path):
    """A server without ETags sends the index again, and it is no news either."""
    known = replace(opened(site.url, tmp_path).origin, tip=None)

    assert open_site(Source.parse(site.url), asking(tmp_path, known=known)) is None


def test_a_view_is_made_of_what_is_known_if_asked_for(site, tmp_path):
    """Who always wants a view gets one of an index that did not change."""
    known = opened(site.url, tmp_path).origin

    view = opened(site.url, tmp_path, known=known, always=True)

    assert view.origin == known


def test_an_etag_of_another_site_asks_nothing(site, tmp_path):
    """An ETag is good for the site that gave it, and sent to no other."""
    known = replace(opened(site.url, tmp_path).origin, source="https://example.org/cal")

    view = open_site(Source.parse(site.url), asking(tmp_path, known=known, always=False))

    assert view is None  # the digest is the known one
    assert not any("If-None-Match" in one.headers for one in site.requests)


def test_a_tree_without_packed_files_will_do(stable, site, tmp_path):
    """The branch as it is, on any server, is a site: references come one by one."""
    (site.folder / packed_path(EFFNET)).unlink()
    (site.folder / f"{packed_path(EFFNET)}.gz").unlink()

    found = everything(opened(site.url, tmp_path))

    assert len(found) == len(stable.references())


def test_withdrawn_versions_come_along(stable, tmp_path):
    """The list of withdrawn versions is read, checked, and not fetched again if it is known."""
    stable.withdrawn = Withdrawn({HAPPY: {7: withdrawal()}})
    stable.publish()
    with StaticSite(rebuilt(stable, tmp_path / "site")) as site:
        view = opened(site.url, tmp_path)
        again = opened(site.url, tmp_path, known=view.origin, always=True)

    assert view.withdrawn == again.withdrawn == stable.withdrawn
    assert len(site.asked("/withdrawn.json")) == 1


def test_a_site_has_references_only(site, tmp_path):
    """The version that is the reference can be had; another is for the repository to give."""
    view = opened(site.url, tmp_path)

    entry, raw = view.version(HAPPY, 1)
    assert raw == calibration(HAPPY, 1).to_bytes()
    assert entry.version == 1
    with pytest.raises(InputError, match="which has references only") as no:
        view.version(HAPPY, 2)
    assert no.value.code == "no-such-version"


def test_more_than_allowed_is_not_fetched(site, tmp_path):
    """References that are larger than allowed together are refused before they are asked for."""
    view = open_site(Source.parse(site.url), replace(asking(tmp_path), max_bytes=1000))
    assert view is not None

    with pytest.raises(RegistryError, match="at most 1,000 are read"):
        everything(view)

    assert not any("calibration" in one.path for one in site.requests)


# --- whom it believes ------------------------------------------------------------------------


def test_a_signed_site_pins_its_keys(signed, tmp_path):
    """On first contact the list of keys is fetched, verified and recorded."""
    with StaticSite(rebuilt(signed, tmp_path / "site")) as site:
        view = opened(site.url, tmp_path)

    assert view.origin.trust is not None
    assert view.origin.trust.number == 1


def test_an_altered_index_is_an_error_of_its_signature(signed, tmp_path):
    """Whatever byte of a signed index is turned over, it is refused once its keys are known."""
    with StaticSite(rebuilt(signed, tmp_path / "site")) as site:
        known = opened(site.url, tmp_path).origin
        raw = (site.folder / "index.json").read_bytes()
        (site.folder / "index.json.gz").unlink()
        for at in range(0, len(raw), 7):
            site.faults[INDEX] = flipped(at=at, bit=at % 8)
            with pytest.raises(RegistryError) as caught:
                opened(site.url, tmp_path, known=known)
            assert caught.value.code == "signature", at


def test_a_signature_that_is_gone_is_refused(signed, tmp_path):
    """Once a site was seen signed, a missing signature is no small thing, whatever stands there."""
    with StaticSite(rebuilt(signed, tmp_path / "site")) as site:
        known = opened(site.url, tmp_path).origin
        for fault in (gone(), html(), unavailable(403)):
            site.faults[f"{INDEX}.sig"] = fault
            with pytest.raises(RegistryError) as caught:
                opened(site.url, tmp_path, known=known, always=True)
            assert caught.value.code == "unsigned"


def test_files_of_two_publications_are_asked_for_again(signed, tmp_path):
    """A signature that is newer than its index, as while a site is written, is no attack."""
    folder = rebuilt(signed, tmp_path / "site")
    with StaticSite(folder) as site:
        known = opened(site.url, tmp_path).origin
        before = {path: (folder / path).read_bytes() for path in ("index.json", "index.json.gz")}
        signed.publish()
        rebuilt(signed, folder)
        site.faults[INDEX] = once(site, INDEX, instead(before["index.json"]))

        view = opened(site.url, tmp_path, known=known, always=True)

    assert view.origin.seq == 3


def once(site: StaticSite, path: str, fault: Fault) -> Fault:
    """A fault that is over after the first answer."""

    def first(asked_path, asked, right):
        del site.faults[path]
        return fault(asked_path, asked, right)

    return first


def test_a_stale_model_index_is_asked_for_again(stable, tmp_path):
    """A cache that hands out an older file once is asked past, and all is well."""
    with StaticSite(rebuilt(stable, tmp_path / "site")) as site:
        site.faults[MODEL_INDEX] = once(site, MODEL_INDEX, instead(b'{"old": true}'))

        view = opened(site.url, tmp_path)

        assert HAPPY in view.entries(EFFNET)

    asked = site.asked(MODEL_INDEX)
    assert [one.headers.get("Cache-Control") for one in asked] == [None, "no-cache"]


def test_an_older_site_is_refused(stable, tmp_path):
    """A site that went back is refused, with both numbers; the last good set stays."""
    old = rebuilt(stable, tmp_path / "old")
    stable.publish()
    with StaticSite(rebuilt(stable, tmp_path / "site")) as site:
        pull(site.url, tmp_path / "models")
        site.faults["*"] = stale(old)

        error = refused(site.url, tmp_path / "models")

    assert error.code == "rewound"
    assert "2" in error.message
    assert "1" in error.message


# --- every fault of an index -----------------------------------------------------------------

FAULTS: dict[str, tuple[Fault, set[str]]] = {
    "html": (html(), {"not-a-registry"}),
    "json of another kind": (other_json(), {"not-a-registry"}),
    "a list": (instead(b"[]"), {"not-a-registry"}),
    "text": (instead(b"hello", kind="text/plain"), {"not-a-registry"}),
    "empty": (empty(), {"not-a-registry"}),
    "byte order mark": (with_bom(), {"not-a-registry"}),
    "utf-16": (utf16(), {"not-a-registry"}),
    "not there": (gone(), {"not-a-registry"}),
    "something behind it": (appended(b"{}"), {"document"}),
    "forbidden": (unavailable(403), {"http-status"}),
    "error": (unavailable(500), {"http-status"}),
    "too many requests": (unavailable(429, retry_after="9"), {"http-status"}),
    "other host": (redirect("https://example.org/{path}"), {"redirect"}),
    "file": (redirect("file:///etc/passwd"), {"redirect"}),
    "circle": (redirect(INDEX), {"redirect"}),
    "bomb": (bomb(2**29), {"too-large"}),
    "endless": (endless(), {"too-large"}),
    "flood of headers": (header_flood(5000), {"garbled"}),
    "too long": (promising(10**6), {"truncated"}),
    "too short": (promising(40), {"document", "not-a-registry", "truncated"}),
}


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_a_fault_keeps_the_last_good_set(site, later, tmp_path, name):
    """Whatever is served as an index, the error says which kind it is, and nothing changes."""
    pull(site.url, tmp_path / "models")
    site.folder = later
    fault, codes = FAULTS[name]
    site.faults[INDEX] = fault

    error = refused(site.url, tmp_path / "models")

    assert error.code in codes, error
    assert error.exit_code in {3, 4, 5}


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_a_fault_at_first_contact_leaves_nothing(site, tmp_path, name):
    """Where nothing is installed yet, nothing is afterwards."""
    fault, _ = FAULTS[name]
    site.faults["*"] = fault

    with pytest.raises(CalregError):
        pull(f"site+{site.url}", tmp_path / "models")

    assert not (tmp_path / "models").exists()


def test_what_is_no_index_is_named(site, tmp_path):
    """A page to log in is called what it is, and the place is said."""
    site.faults[INDEX] = html()

    with pytest.raises(InputError, match="not a calreg index: got text/html") as caught:
        opened(site.url, tmp_path)

    assert caught.value.where == f"{site.url}{INDEX}"
    assert caught.value.exit_code == 3


def test_an_index_cut_anywhere_is_refused(stable, site, tmp_path):
    """An index cut after any of its bytes changes nothing."""
    pull(site.url, tmp_path / "models", HAPPY)
    stable.publish()
    rebuilt(stable, site.folder)
    (site.folder / "index.json.gz").unlink()
    known = Installed.open(tmp_path / "models").lock.first
    size = (site.folder / "index.json").stat().st_size

    for at in range(size):
        site.faults[INDEX] = truncated(at=at)
        with pytest.raises(CalregError) as caught:
            opened(site.url, tmp_path, known=known)
        assert caught.value.code == "truncated", at


def test_a_compressed_index_cut_anywhere_is_refused(site, tmp_path):
    """The same for the bytes as they travel, where nothing says how many there are."""
    raw = (site.folder / "index.json.gz").read_bytes()

    def cut(at: int) -> Fault:
        return lambda _path, _asked, right: replace(
            right, body=lambda: iter((raw[:at],)), length=None
        )

    for at in range(0, len(raw), 3):
        site.faults[INDEX] = cut(at)
        with pytest.raises(CalregError) as caught:
            opened(site.url, tmp_path)
        assert caught.value.code == "truncated", at


def silent(path, asked, right):
    """The first bytes of the right answer under its own length, then nothing."""
    return replace(stalled(after=30)(path, asked, right), length=right.length)


@pytest.mark.parametrize("fault", [drip(200), silent])
@pytest.mark.parametrize("path", [INDEX, MODEL_INDEX, PACKED])
def test_slowness_ends_at_the_deadline(site, later, tmp_path, path, fault):
    """A slow index, model index or packed file ends with the deadline; the last good set stays."""
    pull(site.url, tmp_path / "models")
    site.folder = later
    site.faults[path] = fault

    deadline = Deadline(2.0)
    error = refused(site.url, tmp_path / "models", deadline_s=1.0)

    assert error.code == "deadline"
    assert not deadline.is_over


def test_memory_is_bounded_whatever_is_sent(site, tmp_path):
    """Endless bytes and a bomb cost no more memory than the largest index may have."""
    for fault in (endless(), bomb(2**30)):
        site.faults[INDEX] = fault
        tracemalloc.start()
        with pytest.raises(RegistryError, match="more than the 16,777,216 bytes"):
            opened(site.url, tmp_path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 80 * 2**20


def test_a_304_to_somebody_who_has_nothing_is_an_error(site, tmp_path):
    """A server that says 'not modified' to a new reader has not answered."""
    site.faults[INDEX] = lambda _path, _asked, right: replace(right, status=304)

    with pytest.raises(CalregError, match="304"):
        opened(site.url, tmp_path)


def test_a_stale_304_changes_nothing(stable, site, tmp_path):
    """A cache that says 'not modified' for ever keeps the last good set, and no more."""
    pull(site.url, tmp_path / "models")
    stable.registry.publish(2, p5=0.2)
    stable.publish()
    rebuilt(stable, site.folder)
    site.faults[INDEX] = always_304()

    found = pull(site.url, tmp_path / "models")

    assert (found.updated, found.seq) == ((), 1)
    assert verify(tmp_path / "models") == []


def test_nobody_listening_is_an_error_of_the_network(stable, tmp_path):
    """A server that is gone is unreachable; the last good set is in use."""
    with StaticSite(rebuilt(stable, tmp_path / "site")) as site:
        pull(site.url, tmp_path / "models")
    error = refused(site.url, tmp_path / "models")

    assert (error.code, error.exit_code) == ("unreachable", 5)


# --- every fault of what the index names -----------------------------------------------------


@pytest.mark.parametrize("path", [MODEL_INDEX, PACKED, f"/{HeadName.parse(TIMBRE).reference_path}"])
@pytest.mark.parametrize(
    "fault",
    [
        html(),
        other_json(),
        empty(),
        with_bom(),
        utf16(),
        flipped(at=60),
        appended(b"{}"),
        bomb(2**28),
        endless(),
        truncated(at=40),
        unavailable(500),
        redirect("https://example.org/"),
    ],
)
def test_a_file_that_is_not_the_one_named_changes_nothing(site, later, tmp_path, path, fault):
    """A wrong file anywhere below the index fails the whole pull."""
    pull(site.url, tmp_path / "models")
    site.folder = later
    site.faults[path] = fault

    error = refused(site.url, tmp_path / "models")

    assert error.exit_code in {4, 5}


def test_a_packed_file_that_garbles_a_head_names_it(site, tmp_path):
    """Of a packed file with one wrong document, the error names the head."""
    raw = (site.folder / packed_path(EFFNET)).read_bytes()
    site.faults[PACKED] = instead(raw.replace(b'\\"version\\": 1', b'\\"version\\": 2', 1))
    view = opened(site.url, tmp_path)

    with pytest.raises(DigestMismatchError, match=f"{EFFNET}/head-0"):
        view.read(view.entries(EFFNET))


def test_a_packed_file_that_lacks_a_head_names_it(site, tmp_path):
    """Of a packed file without one of the documents, the error names the head."""
    held = load_packed((site.folder / packed_path(EFFNET)).read_bytes(), where="packed")
    fewer = {head: text for head, text in held.references.items() if head != "mood_happy"}
    site.faults[PACKED] = instead(replace(held, references=fewer).to_bytes())
    view = opened(site.url, tmp_path)

    with pytest.raises(RegistryError, match=f"lacks {HAPPY}"):
        view.read(view.entries(EFFNET))


def test_a_packed_file_that_is_none_is_damaged(site, tmp_path):
    """Bytes that are no packed file are said to be damaged, with their place."""
    site.faults[PACKED] = instead(b'{"schema": "calreg/references/1.0"}')
    view = opened(site.url, tmp_path)

    with pytest.raises(RegistryError, match="packed file is damaged") as caught:
        view.read(view.entries(EFFNET))

    assert caught.value.where == f"{site.url}{PACKED}"


def test_a_missing_reference_is_named(site, tmp_path):
    """A reference that the index names and the server lacks is an error with its address."""
    site.faults[f"/{HAPPY_PATH}"] = gone()
    view = opened(site.url, tmp_path)

    with pytest.raises(RegistryError, match="which is not there") as caught:
        view.read({HAPPY: view.entries(EFFNET)[HAPPY]})

    assert (caught.value.where, caught.value.code) == (f"{site.url}/{HAPPY_PATH}", "missing-file")


# --- secrets ---------------------------------------------------------------------------------


def test_a_password_is_used_and_never_recorded(stable, tmp_path):
    """A site behind a password is pulled from; lock and messages do not hold it."""
    with StaticSite(rebuilt(stable, tmp_path / "site"), token="c4n4ry") as site:
        url = site.url.replace("://", "://ci:c4n4ry@")
        pull(url, tmp_path / "models")
        site.faults["*"] = unavailable(500)
        error = refused(url, tmp_path / "models")

    held = b"".join(
        path.read_bytes() for path in (tmp_path / "models").rglob("*") if path.is_file()
    )
    assert b"c4n4ry" not in held
    assert "c4n4ry" not in f"{error}{error.hint}{error.where}"


# --- how much --------------------------------------------------------------------------------


@pytest.fixture
def known_of() -> Callable[[Path], LockSource]:
    return lambda dest: Installed.open(dest).lock.first


def test_one_run_later_costs_what_changed(stable, site, tmp_path, known_of):
    """After a run that moved one head of twenty-two, that head and its indexes are fetched."""
    pull(site.url, tmp_path / "models")
    stable.registry.publish(2, HAPPY, p5=0.2)
    stable.publish()
    rebuilt(stable, site.folder)
    with StaticSite(site.folder) as later:
        # The same site at another address: another port is another ETag, not another registry.
        found = pull(later.url, tmp_path / "models")

    assert found.updated == (HAPPY,)
    assert known_of(tmp_path / "models").seq == 2
    fetched = [one.path for one in later.requests if "calibration" in one.path]
    assert fetched == [f"/{HAPPY_PATH}"]


def test_compressed_variants_are_what_travels(stable, tmp_path):
    """Where a server has compressed variants, they are what is asked for and read."""
    with StaticSite(rebuilt(stable, tmp_path / "site")) as site:
        view = opened(site.url, tmp_path)
        view.read(view.entries(EFFNET))

    size = (site.folder / f"{packed_path(EFFNET)}.gz").stat().st_size
    assert [one.sent for one in site.asked(PACKED)] == [size]
    assert len(gzip.decompress((site.folder / f"{packed_path(EFFNET)}.gz").read_bytes())) > size
