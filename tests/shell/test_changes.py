"""Two commits as a change: what a merge would bring, by ids alone, in any kind of clone."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calreg.errors import InputError, RegistryError, TransportError
from calreg.gate import Change, FileAt, Touch, judge
from calreg.git import Repository, Stored, candidate
from calreg.registry.changes import change_between

YAML = b"schema: calreg/registry/1.0\nname: reg\n"
FIRST = {
    "registry.yaml": YAML,
    "m/a-calibration.json": b"a1\n",
    "m/b-calibration.json": b"b1\n",
    "m/v1/a-calibration-v1.json": b"a1\n",
    "m/v1/b-calibration-v1.json": b"b1\n",
    "m/v1/run.json": b"r1\n",
    "runs/1.json": b"1\n",
}
SECOND = {
    "m/a-calibration.json": b"a2\n",
    "m/v2/a-calibration-v2.json": b"a2\n",
    "m/v2/run.json": b"r2\n",
    "runs/2.json": b"2\n",
}


def below(prefix: str, files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{prefix}/{path}": raw for path, raw in files.items()}


@pytest.fixture
def committed(repository, publish):
    """Commit files on top of a commit, on a branch of their own."""

    def act(files, *, on=None, delete=()):
        return repository.commit(
            branch="any",
            parent=on,
            files=files,
            delete=delete,
            message="any",
            identity=repository.identity(),
            when=datetime(2026, 1, 2, tzinfo=UTC),
        )

    return act


def told(change: Change) -> dict[str, str]:
    """Path to added, changed or removed."""
    words = {(False, True): "added", (True, True): "changed", (True, False): "removed"}
    return {t.path: words[t.old is not None, t.new is not None] for t in change.touches}


def test_a_run_is_its_files(repository, committed):
    """A change names every file that differs, those in version folders one by one."""
    base = committed(FIRST)
    head = committed(SECOND, on=base)

    change = change_between(repository, "", base, head)

    assert told(change) == {
        "m/a-calibration.json": "changed",
        "m/v2/a-calibration-v2.json": "added",
        "m/v2/run.json": "added",
        "runs/2.json": "added",
    }
    assert change.outside == ()


def test_version_folders_are_listed_as_one(repository, committed):
    """A side lists the folder of a run and none of the files in it."""
    base = committed(FIRST)
    head = committed(SECOND, on=base)

    change = change_between(repository, "", base, head)

    assert set(change.base.listing) == {
        "registry.yaml",
        "m/a-calibration.json",
        "m/b-calibration.json",
        "m/v1",
        "runs/1.json",
    }
    assert set(change.head.listing) - set(change.base.listing) == {"m/v2", "runs/2.json"}
    assert change.head.listing["m/v2"].mode == "040000"
    assert change.head.listing["m/v1"] == change.base.listing["m/v1"]


def test_both_sides_are_read(repository, committed):
    """A side reads its own bytes, in version folders too, and leaves out what it has not."""
    base = committed(FIRST)
    head = committed(SECOND, on=base)
    change = change_between(repository, "", base, head)
    wanted = ["m/a-calibration.json", "m/v1/run.json", "m/v2/run.json", "m/v3/run.json", "m", "x"]

    assert change.base.read(wanted) == {"m/a-calibration.json": b"a1\n", "m/v1/run.json": b"r1\n"}
    assert change.head.read(wanted) == {
        "m/a-calibration.json": b"a2\n",
        "m/v1/run.json": b"r1\n",
        "m/v2/run.json": b"r2\n",
    }


def test_new_files_have_sizes(repository, committed):
    """The size of a new file is known before anybody reads it."""
    base = committed(FIRST)
    head = committed({"runs/2.json": b"x" * 4711}, on=base)

    (touch,) = change_between(repository, "", base, head).touches

    assert touch.new.size == 4711


def test_a_file_that_is_too_large_is_left_out(repository, committed):
    """A file above the limit never passes through a pipe: the reader leaves it out."""
    base = committed({**FIRST, "big": b"x" * 2000})
    stored = Stored(repository, max_bytes=1000)
    entry = stored.folders({"": stored.root(base)})

    found = stored.blobs({entry["big"].oid, entry["registry.yaml"].oid})

    assert found == {entry["registry.yaml"].oid: YAML}


def test_a_registry_in_a_folder(repository, committed):
    """Paths are the registry's own; files beside it are outside."""
    base = committed({**below("cal/reg", FIRST), "README.md": b"1\n"})
    head = committed({**below("cal/reg", SECOND), "README.md": b"2\n", "cal/x": b"3\n"}, on=base)

    change = change_between(repository, "cal/reg", base, head)

    assert set(told(change)) == set(SECOND)
    assert {touch.path for touch in change.outside} == {"README.md", "cal/x"}
    assert change.head.read(["runs/2.json"]) == {"runs/2.json": b"2\n"}


def test_a_change_names_its_folder(repository, committed):
    """What lies above the registry can be told from what lies beside it."""
    base = committed(below("cal/reg", FIRST))
    head = committed({".gitattributes": b"* eol=crlf\n"}, on=base)

    change = change_between(repository, "cal/reg", base, head)

    assert change.folder == "cal/reg"
    assert [found.path for found in judge(change).findings] == ["/.gitattributes"]


def test_a_model_that_is_called_like_an_endless_version(repository, committed):
    """A folder with more digits than a version has is a model's, and is listed whole."""
    path = "m/v12345678901/a-calibration.json"
    base = committed({**FIRST, path: b"a\n"})

    change = change_between(repository, "", base, committed(SECOND, on=base))

    assert path in change.base.listing


def test_nested_registries_are_listed(repository, committed):
    """A registry below another is neither hidden nor left out: a gate decides what it is."""
    base = committed(FIRST)
    head = committed({"m/registry.yaml": YAML}, on=base)

    change = change_between(repository, "", base, head)

    assert told(change) == {"m/registry.yaml": "added"}
    assert "m/registry.yaml" in change.head.listing


def test_a_first_registry_has_no_base(repository, committed):
    """Where the base has no registry.yaml there is no base, and all of the head is new."""
    base = committed({"README.md": b"1\n", "reg/runs/1.json": b"1\n"})
    head = committed(below("reg", {**FIRST, "runs/1.json": b"1\n"}), on=base)

    change = change_between(repository, "reg", base, head)

    assert change.base is None
    assert set(told(change)) == set(FIRST)
    assert set(told(change).values()) == {"added"}
    assert change.outside == ()


def test_a_first_commit(repository, committed):
    """Without a base commit all of the head is new."""
    head = committed(FIRST)

    change = change_between(repository, "", None, head)

    assert change.base is None
    assert set(told(change)) == set(FIRST)


def test_neither_side_is_a_registry(repository, committed):
    """Two commits without a registry.yaml are no change of a registry."""
    base = committed({"a": b"1\n"})
    head = committed({"a": b"2\n"}, on=base)

    with pytest.raises(InputError, match="neither side has a registry"):
        change_between(repository, "", base, head)


def test_a_registry_that_is_removed(repository, committed):
    """A head without the registry is a change in which everything goes."""
    base = committed(FIRST)
    head = committed({"other": b"1\n"}, on=base, delete=tuple(FIRST))

    change = change_between(repository, "", base, head)

    assert {path for path, word in told(change).items() if word == "removed"} == set(FIRST)
    assert set(change.head.listing) == {"other"}


def test_the_base_moved_on(repository, committed):
    """What is judged is what a merge would bring: the head's files on the base of today."""
    start = committed(FIRST)
    head = committed(SECOND, on=start)
    base = committed({"m/b-calibration.json": b"b9\n", "moves/1.json": b"m\n"}, on=start)

    change = change_between(repository, "", base, head)

    assert set(told(change)) == set(SECOND)
    assert change.head.read(["m/b-calibration.json", "runs/2.json", "moves/1.json"]) == {
        "m/b-calibration.json": b"b9\n",
        "runs/2.json": b"2\n",
        "moves/1.json": b"m\n",
    }


def test_the_same_change_on_both_sides_is_none(repository, committed):
    """What the base has by now is nothing that the head brings."""
    start = committed(FIRST)
    head = committed(SECOND, on=start)
    base = committed({"runs/2.json": SECOND["runs/2.json"], "n": b"1\n"}, on=start)

    change = change_between(repository, "", base, head)

    assert set(told(change)) == set(SECOND) - {"runs/2.json"}
    assert "n" in change.head.listing


@pytest.mark.parametrize(
    "theirs",
    [
        {"runs/2.json": b"other\n"},
        {"m/v2/other.json": b"other\n"},
        {"runs/2.json/x": b"other\n"},
        {"m/a-calibration.json": b"other\n"},
    ],
    ids=["a file", "a version folder", "a folder", "a reference"],
)
def test_both_changed_the_same(repository, committed, theirs):
    """Where both sides changed the same file or version, nobody can tell: exit code 3."""
    start = committed(FIRST)
    head = committed(SECOND, on=start)
    base = committed(theirs, on=start)

    with pytest.raises(InputError, match="both sides changed"):
        change_between(repository, "", base, head)


def test_a_head_that_is_in_the_base_brings_nothing(repository, committed):
    """An old commit proposes nothing to a branch that has it."""
    head = committed(FIRST)
    base = committed(SECOND, on=head)

    change = change_between(repository, "", base, head)

    assert change.touches == ()
    assert change.head.listing == change.base.listing


def test_as_it_is(repository, committed):
    """Asked to, two trees are compared as they are, and what the head lacks is removed."""
    start = committed(FIRST)
    head = committed(SECOND, on=start)
    base = committed({"moves/1.json": b"m\n"}, on=start)

    change = change_between(repository, "", base, head, as_it_is=True)

    assert told(change)["moves/1.json"] == "removed"


def test_links_and_programs_keep_their_modes(repository, committed, run_git):
    """A link, a program and a submodule are told apart, and only files are read."""
    base = committed(FIRST)
    folder = repository.work_tree
    run_git(folder, "reset", "--quiet", "--hard", base)
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "program").write_bytes(b"#!/bin/sh\n")
    (folder / "program").chmod(0o755)
    run_git(folder, "add", "link", "program")
    run_git(folder, "update-index", "--add", "--cacheinfo", f"160000,{base},sub")
    run_git(folder, "commit", "--quiet", "-m", "hostile")

    change = change_between(repository, "", base, repository.tip())

    modes = {touch.path: touch.new.mode for touch in change.touches}
    assert modes == {"link": "120000", "program": "100755", "sub": "160000"}
    assert change.head.listing["sub"].mode == "160000"
    assert change.head.read(["link", "program", "sub"]) == {"program": b"#!/bin/sh\n"}


def plumbed(folder: Path, entries: list[tuple[str, str, bytes]]) -> str:
    """A tree with names that no command would make, written as bytes."""
    raw = b"".join(
        mode.lstrip("0").encode() + b" " + name + b"\0" + bytes.fromhex(oid)
        for mode, oid, name in entries
    )
    command = ["git", "hash-object", "-t", "tree", "--literally", "-w", "--stdin"]
    done = subprocess.run(command, cwd=folder, input=raw, capture_output=True, check=True)
    return done.stdout.decode().strip()


def test_names_are_only_names(repository, committed):
    """A name with line breaks, options, quotes or no UTF-8 in it is read like any other."""
    base = committed(FIRST)
    stored = Stored(repository)
    oid = stored.folders({"": stored.root(base)})["registry.yaml"].oid
    names = [b"$(touch x)", b"--upload-pack=x", b'a"b', b"a\nb", b"\xff", b"registry.yaml"]
    tree = plumbed(repository.work_tree, [("100644", oid, name) for name in sorted(names)])

    change = change_between(repository, "", base, tree, as_it_is=True)

    assert set(change.head.listing) == {os.fsdecode(name) for name in names}
    assert change.head.read([os.fsdecode(name) for name in names]) == {
        os.fsdecode(name): YAML for name in names
    }


def test_a_name_that_stands_twice(repository, committed):
    """A folder that has a name twice is refused: two readers would see two registries."""
    base = committed(FIRST)
    stored = Stored(repository)
    entries = stored.folders({"": stored.root(base)})
    oid, other = entries["registry.yaml"].oid, stored.blobs({entries["registry.yaml"].oid})
    assert other
    tree = plumbed(repository.work_tree, [("100644", oid, b"registry.yaml")] * 2)

    with pytest.raises(RegistryError, match="stands twice"):
        change_between(repository, "", base, tree, as_it_is=True)


def test_a_name_that_stands_twice_among_versions(repository, committed):
    """So is the folder of a run, which is not opened for its names."""
    base = committed(FIRST)
    one, other = (written(repository.work_tree, "blob", raw) for raw in (b"1\n", b"2\n"))
    name = b"a-calibration-v2.json"
    run = plumbed(repository.work_tree, [("100644", one, name), ("100644", other, name)])
    tree = above(repository, base, [("m", [("40000", run, b"v2")])])

    with pytest.raises(RegistryError, match="stands twice"):
        change_between(repository, "", base, tree, as_it_is=True)


def above(repository, base: str, added: list[tuple[str, list[tuple[str, str, bytes]]]]) -> str:
    """The tree of a commit with more entries in some of its folders."""
    stored = Stored(repository)
    root = stored.folders({"": stored.root(base)})
    for folder, more in added:
        inner = stored.folders({"": root[folder].oid})
        rows = [(entry.mode, entry.oid, os.fsencode(name)) for name, entry in inner.items()]
        oid = plumbed(repository.work_tree, in_order([*rows, *more]))
        root[folder] = type(root[folder])("040000", oid)
    rows = [(entry.mode, entry.oid, os.fsencode(name)) for name, entry in root.items()]
    return plumbed(repository.work_tree, in_order(rows))


def in_order(rows: list[tuple[str, str, bytes]]) -> list[tuple[str, str, bytes]]:
    return sorted(rows, key=lambda row: row[2] + b"/" * row[0].endswith("40000"))


@pytest.mark.parametrize("depth", [1, 2], ids=["empty", "with an empty folder in it"])
def test_a_folder_without_files(repository, committed, depth):
    """An empty folder, which git hides, is told: it would take the number of the run to come."""
    base = committed(FIRST)
    oid = written(repository.work_tree, "tree", b"")
    inner = plumbed(repository.work_tree, [("40000", oid, b"x")]) if depth == 2 else oid
    tree = above(repository, base, [("m", [("40000", inner, b"v2")])])

    change = change_between(repository, "", base, tree, as_it_is=True)

    place = "m/v2" if depth == 1 else "m/v2/x"
    assert change.touches == (Touch(place, None, FileAt("040000", oid)),)
    assert not judge(change).ok


def test_an_empty_folder_stands_in_nobodys_way(repository, committed):
    """A folder without files that is there already is none: files may come, and it may go."""
    start = committed(FIRST)
    oid = written(repository.work_tree, "tree", b"")
    tree = above(repository, start, [("m", [("40000", oid, b"v2")])])
    head = committed(SECOND, on=start)

    change = change_between(repository, "", tree, head, as_it_is=True)

    assert "m/v2" not in change.base.listing
    assert {path for path, word in told(change).items() if word == "added"} == {
        path for path in SECOND if path not in FIRST
    }


def crossed(repository, run_git, committed, taken: dict[str, bytes]) -> tuple[str, str]:
    """Two commits that parted at two: each side merged the other's before it went on."""
    start = committed(FIRST)
    ours = committed({"README.md": b"ours\n", "m/b-calibration.json": b"b2\n"}, on=start)
    theirs = committed({"n": b"theirs\n"}, on=start)

    def merged(first: str, second: str, files: dict[str, bytes]) -> str:
        tree = committed(files, on=first)
        words = ["commit-tree", f"{tree}^{{tree}}", "-p", first, "-p", second, "-m", "merge"]
        return run_git(repository.work_tree, *words).strip()

    base = merged(ours, theirs, {"n": b"theirs\n"})
    return base, merged(theirs, ours, {"README.md": b"ours\n", **taken})


def test_sides_that_were_merged_crosswise(repository, committed, run_git):
    """Where a merge depends on which commit it starts from, nobody can tell: exit code 3."""
    # The head took its own `m/b` where it merged, the base ours: git may choose either.
    base, head = crossed(repository, run_git, committed, {})

    with pytest.raises(InputError, match="crosswise"):
        change_between(repository, "", base, head)


def test_sides_that_were_merged_crosswise_and_agree(repository, committed, run_git):
    """Where it does not depend on that, it is a change like any other."""
    taken = {"m/b-calibration.json": b"b2\n", "runs/2.json": b"2\n"}
    base, head = crossed(repository, run_git, committed, taken)

    change = change_between(repository, "", base, head)

    assert told(change) == {"runs/2.json": "added"}


def test_what_is_staged(repository, committed, run_git):
    """What the next commit would hold is a tree like any other; the index stays as it is."""
    base = committed(FIRST)
    folder = repository.work_tree
    run_git(folder, "reset", "--quiet", "--hard", base)
    (folder / "runs/2.json").write_bytes(b"2\n")
    (folder / "runs/3.json").write_bytes(b"3\n")
    run_git(folder, "add", "runs/2.json")
    tree = Stored(repository).staged()

    change = change_between(repository, "", base, tree, as_it_is=True)

    assert told(change) == {"runs/2.json": "added"}
    assert run_git(folder, "status", "--porcelain") == "A  runs/2.json\n?? runs/3.json\n"


@pytest.mark.parametrize(
    "text", ["--help", "-x", "a..b", ":/fix", "a:b", "", "HEAD@{1}", "a b", "a\nb", "^HEAD", "@"]
)
def test_words_that_name_no_commit(repository, committed, text):
    """An option, a range, a search or nothing is refused before git sees it."""
    with pytest.raises(InputError, match="does not name a commit"):
        Stored(repository).commit(text)


def test_zeros_are_no_commit(repository):
    """The id of nothing, as hooks and hosts write it, stands for no commit."""
    assert Stored(repository).commit("0" * 40) is None


def test_an_unknown_commit(repository, committed):
    """A name that stands for nothing is an error, not an empty side."""
    with pytest.raises(InputError, match="no commit 'nowhere' here"):
        Stored(repository).commit("nowhere")


# Clones without files


@pytest.fixture
def served(tmp_path, repository, committed, run_git):
    """A bare repository that lets readers leave objects out, with two commits on main."""
    base = committed({**FIRST, "m/c-calibration.json": b"c1\n"})
    head = committed(SECOND, on=base)
    repository.keep("refs/heads/main", head)
    bare = tmp_path / "served.git"
    run_git(tmp_path, "clone", "--quiet", "--bare", str(repository.work_tree), str(bare))
    run_git(bare, "config", "uploadpack.allowFilter", "true")
    run_git(bare, "config", "uploadpack.allowAnySHA1InWant", "true")
    return bare, base, head


def blobs_of(repository: Repository) -> set[str]:
    """The ids of all files whose contents are in a repository."""
    command = ["git", "cat-file", "--batch-all-objects", "--batch-check"]
    done = subprocess.run(
        command, cwd=repository.git_dir, capture_output=True, check=True, text=True
    )
    rows = (line.split() for line in done.stdout.splitlines())
    return {row[0] for row in rows if row[1] == "blob"}


@pytest.mark.parametrize("how", ["ids", "parent", "branch"])
def test_a_candidate_is_fetched_without_files(served, git_server, how):
    """Commits come bare and without files; a look fetches those it needs, all at once."""
    _, base, head = served
    words = {"ids": (base, head), "parent": (f"{head}^1", head), "branch": ("main~1", "main")}

    with candidate(f"{git_server.url}/served.git", words[how]) as there:
        assert there.repository.is_bare
        assert blobs_of(there.repository) == set()
        ids = [Stored(there.repository).commit(text) for text in there.revisions]
        assert ids == [base, head]
        before = len(git_server.requests)
        change = change_between(there.repository, "", *ids)
        fetched = blobs_of(there.repository)
        found = change.head.read(["m/v2/run.json", "m/a-calibration.json", "registry.yaml"])
        asked = [path for _, path, _ in git_server.requests[before:] if "upload-pack" in path]

    assert set(told(change)) == set(SECOND)
    assert found["m/v2/run.json"] == b"r2\n"
    # One look at what there is, one fetch, whatever the number of files.
    assert len([path for path in asked if path.endswith("git-upload-pack")]) <= 2
    assert len(fetched) == 5  # a before and after, run, run of the model, registry.yaml


def test_files_of_old_runs_are_not_fetched(served, git_server):
    """Of what the change does not touch nothing is fetched until somebody reads it."""
    _, base, head = served

    with candidate(f"{git_server.url}/served.git", (base, head)) as there:
        change = change_between(there.repository, "", base, head)
        untouched = change.base.listing["m/c-calibration.json"]
        assert untouched.oid not in blobs_of(there.repository)
        assert change.base.read(["m/c-calibration.json"]) == {"m/c-calibration.json": b"c1\n"}
        assert untouched.oid in blobs_of(there.repository)


def test_a_server_that_sends_everything(served, git_server, run_git):
    """A server that cannot leave files out sends them, and nothing is missing."""
    bare, base, head = served
    run_git(bare, "config", "uploadpack.allowFilter", "false")

    with candidate(f"{git_server.url}/served.git", (base, head)) as there:
        change = change_between(there.repository, "", base, head)
        assert change.head.read(["runs/2.json"]) == {"runs/2.json": b"2\n"}


def test_ids_of_the_other_kind(tmp_path, git_server, run_git):
    """A repository whose ids are sha256 is fetched and judged like any other."""
    run_git(tmp_path, "init", "--quiet", "--object-format=sha256", "--initial-branch=main", "long")
    for number in (1, 2):
        (tmp_path / "long/registry.yaml").write_bytes(YAML + b"#" * number + b"\n")
        run_git(tmp_path / "long", "add", "--all")
        run_git(tmp_path / "long", "commit", "--quiet", "--message", "any")
    run_git(tmp_path, "clone", "--quiet", "--bare", "long", "long.git")
    run_git(tmp_path / "long.git", "config", "uploadpack.allowFilter", "true")

    with candidate(f"{git_server.url}/long.git", ("main~1", "main")) as there:
        stored = Stored(there.repository)
        base, head = (stored.commit(text) for text in there.revisions)
        change = change_between(there.repository, "", base, head)
        assert change.head.read(["registry.yaml"]) == {"registry.yaml": YAML + b"##\n"}

    assert len(head) == 64


def test_a_candidate_that_is_not_there(served, git_server):
    """A commit that the remote does not have is an error with its name."""
    with (
        pytest.raises(RegistryError, match="does not have all of"),
        candidate(f"{git_server.url}/served.git", ("main", "missing")),
    ):
        pytest.fail("a branch that does not exist was fetched")


def test_a_password_in_an_address_is_refused(served):
    """A password in an address would end up in a file: git has better ways to ask for it."""
    with (
        pytest.raises(InputError, match="holds a password") as caught,
        candidate("https://ada:s3cret@example.org/x.git", ("main", "main")),
    ):
        pytest.fail("an address with a password was used")
    assert "s3cret" not in str(caught.value)


def test_an_object_that_is_missing(repository, committed):
    """A whole clone that lacks an object says so: nothing is taken for empty."""
    base = committed(FIRST)
    stored = Stored(repository)

    with pytest.raises(TransportError, match="is missing"):
        stored.blobs({"1" * len(base)})


def test_sides_are_values_of_the_gate(repository, committed):
    """What a listing holds is what the gate asks for: mode and id."""
    base = committed(FIRST)
    head = committed(SECOND, on=base)

    change = change_between(repository, "", base, head)

    assert all(isinstance(entry, FileAt) for entry in change.head.listing.values())


# Whatever somebody makes

SEGMENTS = st.one_of(
    st.sampled_from(
        b"m v1 v2 v01 runs moves keys registry.yaml 1.json run.json a-calibration.json "
        b"a-calibration-v2.json index.json .git .. con M pins.json withdrawn.json "
        b"retention.json".split()
    ),
    st.binary(min_size=1, max_size=12).map(
        lambda raw: raw.replace(b"\0", b"x").replace(b"/", b"y")
    ),
)
MODES = st.sampled_from(["100644", "100644", "100755", "120000", "160000", "100664", "40000"])
CONTENTS = st.sampled_from(
    [b"", b"{}", b"[" * 3000, b"\xff", b'{"schema": "calreg/run/1.0"}', YAML]
)
FILES = st.lists(
    st.tuples(st.lists(SEGMENTS, min_size=1, max_size=4), MODES, CONTENTS), min_size=1, max_size=8
)


def written(folder: Path, kind: str, raw: bytes) -> str:
    command = ["git", "hash-object", "-t", kind, "--literally", "-w", "--stdin"]
    done = subprocess.run(command, cwd=folder, input=raw, capture_output=True, check=True)
    return done.stdout.decode().strip()


def tree_of(folder: Path, files: list[tuple[list[bytes], str, bytes]]) -> str:
    """A tree of whatever names and modes, its names sorted as git wants them."""
    entries: dict[bytes, tuple[str, str]] = {}
    below: dict[bytes, list] = {}
    for (first, *rest), mode, content in files:
        if rest:
            below.setdefault(first, []).append((rest, mode, content))
        else:
            kind, raw = ("tree", b"") if mode == "40000" else ("blob", content)
            entries[first] = (mode, written(folder, kind, raw))
    entries |= {name: ("40000", tree_of(folder, part)) for name, part in below.items()}
    ordered = sorted(entries, key=lambda name: name + b"/" * (entries[name][0] == "40000"))
    rows = [(entries[name][0], entries[name][1], name) for name in ordered]
    return plumbed(folder, rows)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(files=FILES)
def test_whatever_tree_is_proposed(repository, committed, files):
    """Any tree gets findings, or an error of ours: never a bug, never a yes to what differs."""
    base = committed({"registry.yaml": YAML})
    tree = tree_of(repository.work_tree, files)

    try:
        change = change_between(repository, "", base, tree, as_it_is=True)
        judged = judge(change)
    except RegistryError as error:
        told = str(error)
    else:
        told = "".join(finding.problem for finding in judged.findings)
        assert judged.ok == (not change.touches)
        # What nobody was told of is nothing: a tree that passes without a word is the base's.
        assert judged.ok == (tree == Stored(repository).root(base))

    assert told.isprintable()
