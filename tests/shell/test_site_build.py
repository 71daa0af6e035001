"""Building a static site: the published bytes, nothing foreign touched, the index last."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from published import HAPPY, RELAXED, TIMBRE, Published
from stabletree import NOW, Stable, new_key, withdrawal

from calreg import cli
from calreg.documents import Withdrawn, load_packed, load_run
from calreg.errors import DigestMismatchError, InputError, RegistryError
from calreg.git import Repository, init_repository
from calreg.names import HeadName, model_index_path, packed_path
from calreg.site import Built, build
from calreg.site.compressed import gzipped
from calreg.site.writing import MANIFEST, SiteFolder

HAPPY_PATH = HeadName.parse(HAPPY).reference_path


@pytest.fixture
def registry(tmp_path: Path) -> Published:
    published = Published(tmp_path / "registry")
    published.publish(1)
    return published


@pytest.fixture
def stable(registry: Published) -> Stable:
    branch = Stable(registry)
    branch.publish()
    return branch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "site"


def built(published: Stable, folder: Path, **options) -> Built:
    return build(Repository.find(published.registry.root), "", folder, **options)


def files_in(folder: Path) -> dict[str, bytes]:
    """All files but the list of ours, by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }


# --- what it holds ---------------------------------------------------------------------------


def test_a_site_holds_the_branch_byte_for_byte(stable, folder):
    """Every file of the branch is in the site, with the very bytes that were published."""
    stable.trust([new_key(folder.parent)])
    stable.withdrawn = Withdrawn({HAPPY: {3: withdrawal()}})
    published = stable.files()
    stable.commit(published)

    built(stable, folder)

    found = files_in(folder)
    assert {path: found[path] for path in published} == published


def test_a_packed_file_holds_every_reference_of_its_model(stable, folder):
    """The packed file of a model has the text of each of its references, and no other."""
    built(stable, folder)

    for model in ("essentia/effnet", "essentia/musicnn"):
        raw = (folder / packed_path(model)).read_bytes()
        held = load_packed(raw, where=model).references
        assert {f"{model}/{head}-calibration.json": text for head, text in held.items()} == {
            path.relative_to(folder).as_posix(): path.read_text()
            for path in (folder / model).glob("*-calibration.json")
        }


def test_compressed_variants_unpack_to_their_files(stable, folder):
    """Beside each document and page lies the same, compressed; beside signatures nothing."""
    stable.trust([new_key(folder.parent)])
    stable.publish()

    built(stable, folder)

    found = files_in(folder)
    pairs = {path: path.removesuffix(".gz") for path in found if path.endswith(".gz")}
    assert {gzip.decompress(found[path]) == found[plain] for path, plain in pairs.items()} == {True}
    assert set(pairs.values()) == {path for path in found if path.endswith((".json", ".html"))}


def test_equal_content_is_compressed_to_equal_bytes():
    """A compressed file says nothing of when, where and by which Python it was made."""
    assert gzipped(b"score") == gzipped(b"score")
    assert gzipped(b"score")[:10].hex() == "1f8b08000000000002ff"
    assert gzip.decompress(gzipped(b"")) == b""


def test_the_same_publication_is_the_same_site(stable, folder):
    """Two builds of one publication, at different times, are the same bytes."""
    built(stable, folder)
    built(stable, folder.parent / "other")

    assert files_in(folder) == files_in(folder.parent / "other")


def test_a_second_build_changes_nothing(stable, folder):
    """A file that is as it must be is not written again, so that its ETag stays."""
    built(stable, folder)
    before = {path: path.stat().st_ino for path in folder.rglob("*")}

    again = built(stable, folder)

    assert (again.written, again.removed) == (0, 0)
    assert {path: path.stat().st_ino for path in folder.rglob("*")} == before


def test_the_result_counts_files(stable, folder):
    """What was done is counted: files, bytes, heads, the number of the index."""
    found = built(stable, folder)

    files = files_in(folder)
    assert found.written == found.to_json()["files"] == len(files)
    assert found.bytes == sum(map(len, files.values()))
    assert (found.seq, found.heads, found.models) == (1, 3, 2)


def test_a_registry_in_a_subfolder_is_dated_by_its_own_runs(tmp_path, folder):
    """Dates come from the runs of this registry, wherever it is in its repository."""
    raw = (Path(__file__).parents[2] / "registry" / "runs" / "1.json").read_bytes()
    registry = Published(tmp_path / "registry", folder="calibrations")
    registry.write("runs/1.json", raw)
    registry.publish(1)
    branch = Stable(registry)
    branch.publish()

    build(Repository.find(registry.root), "calibrations", folder)

    date = load_run(raw, where="runs/1.json").timestamp[:10]
    assert date in (folder / "index.html").read_text()


# --- where it comes from ---------------------------------------------------------------------


def test_without_a_publication_there_is_no_site(registry, folder):
    """A registry without the branch gets the one line that helps, and no folder."""
    with pytest.raises(InputError, match="no branch 'stable'") as refused:
        built(Stable(registry), folder)

    assert refused.value.hint == "calreg stable publish first."
    assert not folder.exists()


def test_the_newest_publication_is_taken_from_the_remote(stable, folder, tmp_path, run_git):
    """A clone builds what its remote has, though it never saw that branch."""
    run_git(tmp_path, "clone", "-q", "--single-branch", stable.registry.root.as_uri(), "clone")
    stable.registry.publish(2)
    stable.publish()

    found = build(Repository.find(tmp_path / "clone"), "", folder)

    assert found.seq == 2


def test_a_publication_that_was_not_pushed_yet_is_newer(stable, folder, tmp_path, run_git):
    """Of what is here and what is at the remote, the higher number is built."""
    run_git(tmp_path, "clone", "-q", stable.registry.root.as_uri(), "clone")
    run_git(tmp_path / "clone", "branch", "-q", "stable", "origin/stable")
    there = tmp_path / "clone"
    stable.publish()
    run_git(there, "fetch", "-q", "origin", "stable:stable")
    stable.move(run_git(stable.registry.root, "rev-parse", "stable~1").strip())

    assert build(Repository.find(there), "", folder).seq == 2


def test_offline_asks_nobody(stable, folder, tmp_path, run_git):
    """Offline, what was fetched before is built, though the remote is gone."""
    run_git(tmp_path, "clone", "-q", stable.registry.root.as_uri(), "clone")
    stable.registry.root.rename(tmp_path / "gone")

    assert build(Repository.find(tmp_path / "clone"), "", folder, is_offline=True).seq == 1


def test_another_branch_is_built_if_named(stable, folder, run_git):
    """The branch to build is the one that is named."""
    run_git(stable.registry.root, "branch", "-m", "stable", "production")

    assert built(stable, folder, branch="production").seq == 1


# --- what no client would accept -------------------------------------------------------------


def test_an_altered_reference_is_not_served(stable, folder):
    """A reference with other bytes than the index says stops the build; nothing is written."""
    stable.publish(altered=lambda files: {**files, HAPPY_PATH: files[HAPPY_PATH] + b" "})

    with pytest.raises(DigestMismatchError, match="mood_happy"):
        built(stable, folder)

    assert not folder.exists()


def test_an_altered_model_index_is_not_served(stable, folder):
    """A model's index with other bytes than the index says stops the build."""
    path = model_index_path("essentia/effnet")
    stable.publish(
        altered=lambda files: {**files, path: files[path].replace(b'"version": 1', b'"version": 2')}
    )

    with pytest.raises(DigestMismatchError, match="essentia/effnet/index"):
        built(stable, folder)


@pytest.mark.parametrize("path", [HAPPY_PATH, "withdrawn.json"])
def test_a_missing_file_is_named(stable, folder, path):
    """A file that the index names and the branch lacks is an error with its path."""
    stable.withdrawn = Withdrawn({HAPPY: {3: withdrawal()}})
    stable.publish(altered=lambda files: {k: v for k, v in files.items() if k != path})

    with pytest.raises(RegistryError, match="which is not there") as refused:
        built(stable, folder)

    assert refused.value.where == path


def test_what_is_not_signed_as_it_must_be_is_not_served(stable, folder):
    """An index that names keys and has no signature of them is not made a site."""
    stable.trust([new_key(folder.parent)])
    stable.publish(altered=lambda files: {k: v for k, v in files.items() if k != "index.json.sig"})

    with pytest.raises(RegistryError, match="not signed"):
        built(stable, folder)


def test_a_link_in_the_branch_is_not_served(stable, folder):
    """A branch with a symbolic link in it is no publication."""
    stable.publish(modes={HAPPY_PATH: "120000"})

    with pytest.raises(RegistryError, match="symbolic link"):
        built(stable, folder)


# --- whose files -----------------------------------------------------------------------------


def test_files_of_others_stay(stable, folder):
    """What somebody else put into the folder survives every build."""
    (folder / "essentia").mkdir(parents=True)
    (folder / "CNAME").write_text("cal.example.org\n")
    (folder / "essentia" / "notes.txt").write_text("mine\n")
    built(stable, folder)
    stable.registry.publish(2, HAPPY)
    stable.publish({HAPPY_PATH: (stable.registry.folder / HAPPY_PATH).read_bytes()})
    built(stable, folder)

    assert (folder / "CNAME").read_text() == "cal.example.org\n"
    assert (folder / "essentia" / "notes.txt").read_text() == "mine\n"


@pytest.mark.parametrize("path", ["index.html", "index.json", HAPPY_PATH, "404.html"])
def test_a_file_of_somebody_else_is_not_overwritten(stable, folder, path):
    """Where somebody else's file is in the way, nothing at all is written."""
    place = folder / path
    place.parent.mkdir(parents=True)
    place.write_text("mine")

    with pytest.raises(InputError, match="calreg did not write it") as refused:
        built(stable, folder)

    assert refused.value.where == str(place)
    assert files_in(folder) == {path: b"mine"}


def test_a_link_is_not_followed(stable, folder, tmp_path):
    """A link in the folder leads nothing outside of it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    folder.mkdir()
    (folder / "essentia").symlink_to(outside)

    with pytest.raises(InputError, match="'essentia' is no folder there"):
        built(stable, folder)

    assert list(outside.iterdir()) == []


def test_a_folder_in_the_way_is_said(stable, folder):
    """A folder where a file should be stops the build."""
    (folder / "index.json" / "x").mkdir(parents=True)

    with pytest.raises(InputError, match="a folder or a link is there"):
        built(stable, folder)


def test_what_is_no_longer_published_goes(stable, folder):
    """Files of an older build that are not listed any more are removed, and empty folders."""
    built(stable, folder)
    stable.publish({path: raw for path, raw in stable.references().items() if path == HAPPY_PATH})

    found = built(stable, folder)

    assert found.removed > 0
    assert not (folder / "essentia" / "musicnn").exists()
    assert not (folder / HeadName.parse(RELAXED).reference_path).exists()
    assert (folder / HAPPY_PATH).exists()


def test_nothing_is_removed_without_the_list(stable, folder):
    """Without the list of our files nobody knows whose they are: they stay, and are in the way."""
    built(stable, folder)
    (folder / MANIFEST).unlink()
    stable.publish({path: raw for path, raw in stable.references().items() if path == HAPPY_PATH})

    with pytest.raises(InputError, match="calreg did not write it"):
        built(stable, folder)

    assert (folder / HeadName.parse(TIMBRE).reference_path).exists()


@pytest.mark.parametrize(
    "listed",
    [
        b"{}",
        b"[]",
        b'{"schema": "calreg/site/1.0", "files": ["../x"]}',
        b'{"schema": "calreg/site/1.0", "files": ["/etc/passwd"]}',
        b'{"schema": "calreg/site/1.0", "files": [1]}',
        b'{"schema": "calreg/site/1.0", "files": "index.json"}',
    ],
)
def test_a_list_that_is_not_ours_removes_nothing(stable, folder, listed):
    """A list that no build could have written is refused, since files are removed by it."""
    folder.mkdir()
    (folder / MANIFEST).write_bytes(listed)

    with pytest.raises(InputError):
        built(stable, folder)

    assert files_in(folder) == {}


def test_a_folder_is_built_once_at_a_time(stable, folder):
    """A second build of a folder is refused while the first is at work."""
    with SiteFolder.opened(folder), pytest.raises(RegistryError, match="another calreg site build"):
        built(stable, folder)


def test_a_file_where_the_folder_should_be_is_said(stable, folder):
    """A site is a folder."""
    folder.write_text("")

    with pytest.raises(InputError, match="expected a folder"):
        built(stable, folder)


def test_two_names_for_one_file_are_refused(folder):
    """A path that two of our files would have, or a file and a folder, is a line, not a loss."""
    with SiteFolder.opened(folder) as site:
        site.put("a/b.html", b"1")
        for path in ("a/b.html", "a", "a/b.html/c"):
            with pytest.raises(InputError, match="two files of this site"):
                site.put(path, b"2")


# --- all or nothing --------------------------------------------------------------------------

_WATCHED = """
import os, sys
from pathlib import Path
from calreg.git import Repository
from calreg.site import build

folder, stop = Path(sys.argv[2]), int(sys.argv[3])
moved = []

def watch(event, arguments):
    if event == "os.rename" and str(arguments[1]).startswith(str(folder)):
        moved.append(arguments[1])
        if len(moved) == stop:
            os._exit(9)

sys.addaudithook(watch)
build(Repository.find(Path(sys.argv[1])), "", folder)
print("\\n".join(map(str, moved)))
"""


def watched(branch: Stable, folder: Path, *, stop: int = 0) -> list[str]:
    """Build in a process of its own that dies at its n-th rename; what it moved, in order."""
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED, str(branch.registry.root), str(folder), str(stop)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == (9 if stop else 0), done.stderr
    return [os.path.relpath(line, folder) for line in done.stdout.splitlines()]


def copied(folder: Path, name: str) -> Path:
    shutil.copytree(folder, folder.parent / name)
    return folder.parent / name


def test_the_index_comes_last(stable, folder):
    """All files are in place before the signature, and the index after it."""
    stable.trust([new_key(folder.parent)])
    stable.publish()

    moved = watched(stable, folder)

    assert moved[0] == MANIFEST
    assert moved[-3:] == ["index.json.sig", "index.json.gz", "index.json"]


def test_a_build_killed_anywhere_leaves_a_whole_site(stable, folder):
    """What the index names is there after a kill at any rename, and the next build ends it."""
    built(stable, folder)
    stable.registry.publish(2, p5=0.2)
    stable.registry.publish(3, "essentia/new/head")
    stable.publish()
    steps = len(watched(stable, copied(folder, "counted")))

    for step in range(1, steps + 1, steps // 8):
        place = copied(folder, f"killed-{step}")
        watched(stable, place, stop=step)
        index = json.loads((place / "index.json").read_bytes())
        for model in index["models"]:
            listed = json.loads((place / model_index_path(model)).read_bytes())
            for head in listed["heads"]:
                assert (place / HeadName(model, head).reference_path).exists()
        built(stable, place)
        assert files_in(place) == files_in(folder.parent / "counted")


def test_an_error_leaves_the_old_site(stable, folder):
    """A build that fails on the way changes nothing, not even the list of our files."""
    built(stable, folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    stable.registry.publish(2, TIMBRE, p5=0.2)
    stable.publish(altered=lambda files: {**files, HeadName.parse(TIMBRE).reference_path: b"{}"})

    with pytest.raises(DigestMismatchError):
        built(stable, folder)

    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


# --- the command -----------------------------------------------------------------------------


def test_the_command_prints_one_document(stable, folder, capsys):
    """With --json, one document: files, bytes and the number of the index."""
    code = cli.call(
        ["--registry", str(stable.registry.root), "site", "build", str(folder), "--json"]
    )

    found = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (found["seq"], found["heads"], found["folder"]) == (1, 3, str(folder))
    assert found["files"] == len(files_in(folder))


def test_the_command_says_what_helps(registry, folder, capsys):
    """Without a publication, exit 3 and the next command."""
    code = cli.call(["--registry", str(registry.root), "site", "build", str(folder)])

    assert code == 3
    assert "calreg stable publish first" in capsys.readouterr().err


def test_a_bare_repository_can_be_built_from(stable, folder, tmp_path, run_git):
    """A server's own repository is enough."""
    init_repository(tmp_path / "bare.git", bare=True)
    run_git(stable.registry.root, "push", "-q", str(tmp_path / "bare.git"), "main", "stable")

    code = cli.call(["--registry", str(tmp_path / "bare.git"), "site", "build", str(folder)])

    assert code == 0
    assert (folder / "index.json").exists()
    assert NOW.year == 2026
