"""Publishing for production, in one repository: what is built, and what is refused."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from published import HAPPY, RELAXED, TIMBRE, Published
from stables import NOW, git, index_on, listed, published_by, seqs

from calreg.documents import digest_of
from calreg.errors import CalregError, InputError, RegistryError
from calreg.git import Repository
from calreg.registry.stable import NothingNew, Order, PublishedStable, preview

ALL = [
    "essentia/effnet/index.json",
    "essentia/effnet/mood_happy-calibration.json",
    "essentia/effnet/mood_relaxed-calibration.json",
    "essentia/musicnn/index.json",
    "essentia/musicnn/timbre-calibration.json",
    "index.json",
]


@pytest.fixture
def registry(tmp_path: Path) -> Published:
    """A registry with one version of three heads, without a remote."""
    made = Published(tmp_path / "work")
    made.publish(1)
    return made


def done(folder: Path, **options) -> PublishedStable:
    found = published_by(folder, **options)
    assert isinstance(found, PublishedStable)
    return found


def nothing(folder: Path, **options) -> NothingNew:
    found = published_by(folder, **options)
    assert isinstance(found, NothingNew)
    return found


def refused(folder: Path, **options) -> CalregError:
    """The error of a refused publication, after which the branch is where it was."""
    before = git(folder, "for-each-ref", "refs/heads")
    with pytest.raises((InputError, RegistryError)) as caught:
        published_by(folder, **options)
    assert git(folder, "for-each-ref", "refs/heads") == before
    return caught.value


def put(registry: Published, files: dict[str, bytes | None], *, branch: str = "stable") -> None:
    """Somebody commits to a branch by hand."""
    registry.git("switch", "--quiet", branch)
    for path, raw in files.items():
        if raw is None:
            (registry.root / path).unlink()
        else:
            (registry.root / path).parent.mkdir(parents=True, exist_ok=True)
            (registry.root / path).write_bytes(raw)
    registry.commit("by hand")
    registry.git("switch", "--quiet", "main")


# --- what is built ------------------------------------------------------------------------


def test_published(registry: Published) -> None:
    """The branch holds references and indexes alone, and the checkout stays as it was."""
    made = done(registry.root)

    assert listed(registry.root) == ALL
    assert registry.git("rev-parse", "stable") == made.prepared.commit
    assert registry.git("show", f"stable:{ALL[1]}") == registry.git("show", f"main:{ALL[1]}")
    assert registry.git("rev-list", "--count", "stable") == "1"
    assert registry.git("status", "--porcelain", "--branch") == "## main"
    registry.git("fsck", "--strict")


def test_published_twice_is_published_once(registry: Published) -> None:
    """A second call finds everything published and leaves the branch alone."""
    first = done(registry.root)

    again = nothing(registry.root, now=NOW + timedelta(days=3))

    assert (again.why, again.commit, again.index.seq) == ("current", first.prepared.commit, 1)
    assert registry.git("rev-parse", "stable") == first.prepared.commit


def test_equal_publications_are_equal_to_the_byte(registry: Published, tmp_path: Path) -> None:
    """Two machines that publish the same state at the same time make the very same commit."""
    git(tmp_path, "clone", "--quiet", str(registry.root), "other")
    git(tmp_path / "other", "remote", "remove", "origin")

    here, there = done(registry.root), done(tmp_path / "other")

    assert here.prepared.commit == there.prepared.commit


def test_only_what_differs_is_written(registry: Published) -> None:
    """The next publication changes the moved head, its model's index and the index; no more."""
    done(registry.root)
    registry.publish(2, HAPPY, p5=0.2)

    made = done(registry.root)

    assert [str(one) for one in made.prepared.publication.moved] == [f"{HAPPY} v1 -> v2"]
    assert registry.git("diff", "--name-only", "stable~", "stable").split() == [
        "essentia/effnet/index.json",
        "essentia/effnet/mood_happy-calibration.json",
        "index.json",
    ]
    before = registry.git("show", "stable~:index.json") + "\n"
    assert index_on(registry.root)["previous"] == digest_of(before.encode())


def test_a_reference_that_is_gone_vanishes(registry: Published) -> None:
    """A reference that main no longer has is no longer published, its model with it."""
    done(registry.root)
    registry.git("rm", "--quiet", "essentia/musicnn/timbre-calibration.json")
    registry.commit("no timbre any more")

    made = done(registry.root)

    assert listed(registry.root) == [path for path in ALL if "musicnn" not in path]
    assert [str(one) for one in made.prepared.publication.moved] == [f"{TIMBRE} v1 -> none"]


def test_a_folder_of_a_repository(tmp_path: Path) -> None:
    """A registry in a folder is published at the root of the branch."""
    made = Published(tmp_path / "work", folder="models/registry")
    made.publish(1)

    done(made.folder, prefix="models/registry")

    assert listed(made.root) == ALL


def test_a_commit_without_moves_needs_no_publication(registry: Published) -> None:
    """A commit of main that moves no reference is nothing new."""
    done(registry.root)
    registry.write("README.md", b"hello\n")
    registry.commit()

    assert nothing(registry.root).why == "current"


def test_half_its_life_is_over(registry: Published) -> None:
    """Past the middle of its life what is published is renewed by the same command."""
    done(registry.root)

    made = done(registry.root, now=NOW + timedelta(days=50))

    assert (made.prepared.index.seq, made.prepared.publication.moved) == (2, [])
    assert registry.git("diff", "--name-only", "stable~", "stable") == "index.json"


def test_renewed_on_request(registry: Published) -> None:
    """Whoever asks for it gets the same with a later expiry."""
    done(registry.root)

    made = done(registry.root, renew=True, expires_days=365)

    assert (made.prepared.index.seq, made.prepared.index.expires[:10]) == (2, "2027-11-01")


def test_a_late_call_does_nothing(registry: Published) -> None:
    """A call for a commit before the one that is published does nothing, and says so."""
    early = registry.git("rev-parse", "HEAD")
    registry.publish(2, HAPPY, p5=0.2)
    done(registry.root)

    late = nothing(registry.root, commit=early)

    assert (late.why, late.index.seq) == ("later", 1)


def test_a_preview_writes_nothing(registry: Published) -> None:
    """A preview says what would move and leaves no trace."""
    before = registry.git("count-objects", "-v"), registry.git("for-each-ref")

    found = preview(Repository.find(registry.root), "", Order(NOW), push=False)

    assert not isinstance(found, NothingNew)
    assert len(found.publication.moved) == 3
    assert (registry.git("count-objects", "-v"), registry.git("for-each-ref")) == before


@pytest.mark.parametrize(
    "change",
    [
        {"essentia/effnet/mood_happy-calibration.json": b"{}\n"},
        {"essentia/effnet/mood_happy-calibration.json": None},
        {"essentia/effnet/index.json": b"{}\n"},
        {"notes.txt": b"mine\n"},
        {"index.json.sig": b"no signature\n"},
    ],
    ids=["altered", "deleted", "model-index", "added", "signature"],
)
def test_what_somebody_did_by_hand_is_undone(registry: Published, change) -> None:
    """Files that are not as published are published again, as they were."""
    done(registry.root)
    put(registry, change)

    made = done(registry.root)

    assert made.prepared.index.seq == 2
    assert listed(registry.root) == ALL
    tops = "index.json"
    assert registry.git("diff", "--name-only", "stable~2", "stable") == tops


# --- what is refused ----------------------------------------------------------------------


def test_no_references_yet(tmp_path: Path) -> None:
    """A registry before its first run has nothing to publish."""
    made = Published(tmp_path / "work")
    made.commit()

    error = refused(made.root)

    assert (error.code, error.exit_code) == ("no-references", 3)


def test_no_commit_yet(tmp_path: Path) -> None:
    """A repository without a commit has nothing to publish."""
    made = Published(tmp_path / "work")

    assert refused(made.root).code == "no-commit"


def test_detached(registry: Published) -> None:
    """Without a branch nobody knows what is published from."""
    registry.git("switch", "--quiet", "--detach")

    assert refused(registry.root).code == "detached-head"


def test_the_branch_is_checked_out(registry: Published, tmp_path: Path) -> None:
    """A work tree that has the branch checked out is named, and its branch left alone."""
    done(registry.root)
    registry.git("worktree", "add", "--quiet", str(tmp_path / "stable"), "stable")
    registry.publish(2, HAPPY, p5=0.2)

    error = refused(registry.root)

    assert error.code == "checked-out"
    assert str(tmp_path / "stable") in str(error)
    registry.git("worktree", "remove", str(tmp_path / "stable"))
    assert done(registry.root).prepared.index.seq == 2


def test_the_branch_is_the_one_published_from(registry: Published) -> None:
    """Nothing is published onto the branch that it is published from."""
    error = refused(registry.root, branch="main")

    assert (error.code, error.exit_code) == ("branch", 3)


def test_no_name_of_a_branch(registry: Published) -> None:
    """What git would not take for a branch is refused before git sees it."""
    assert refused(registry.root, branch="--upload-pack=touch x").code == "git-ref"


def test_a_branch_of_somebody_else(registry: Published) -> None:
    """A branch that holds something else is not overwritten."""
    registry.git("branch", "stable")

    error = refused(registry.root)

    assert error.code == "not-stable"
    assert "--branch" in (error.hint or "")


def test_another_registrys_branch(registry: Published, tmp_path: Path) -> None:
    """A branch that another registry is published on is not overwritten."""
    other = Published(tmp_path / "other", name="other")
    other.publish(1)
    done(other.root)
    registry.git("fetch", "--quiet", str(other.root), "stable:stable")

    error = refused(registry.root)

    assert error.code == "other-registry"
    assert "of 'other', not of 'nom-cal'" in error.message


def test_an_index_that_is_invalid(registry: Published) -> None:
    """An index that is not valid is named with the place of the problem."""
    done(registry.root)
    index = index_on(registry.root)
    put(registry, {"index.json": json.dumps({**index, "seq": 0}).encode()})

    error = refused(registry.root)

    assert (error.exit_code, error.where) == (3, "stable:index.json")
    assert "at /seq" in error.message


def test_a_symbolic_link_on_the_branch(registry: Published) -> None:
    """A branch that holds a link is refused, whatever it points at."""
    done(registry.root)
    registry.git("switch", "--quiet", "stable")
    (registry.root / "link").symlink_to("/etc/passwd")
    registry.commit("a link")
    registry.git("switch", "--quiet", "main")

    error = refused(registry.root)

    assert (error.code, error.where) == ("not-plain", "stable:link")
    assert "a symbolic link" in error.message


def test_a_rewritten_history(registry: Published) -> None:
    """A main that no longer holds the published commit is refused: nobody could follow."""
    done(registry.root)
    registry.git("commit", "--quiet", "--amend", "--message", "rewritten")

    error = refused(registry.root)

    assert (error.code, error.exit_code) == ("history-rewritten", 4)


def test_a_commit_that_is_elsewhere(registry: Published) -> None:
    """Only what is on the branch is published."""
    registry.git("switch", "--quiet", "--create", "side")
    side = registry.publish(2, HAPPY, p5=0.2)
    registry.git("switch", "--quiet", "main")

    assert refused(registry.root, commit=side).code == "not-on-branch"
    assert refused(registry.root, commit="0" * 40).code == "no-such-commit"


def test_a_reference_that_is_no_copy(registry: Published) -> None:
    """What is not valid on main is not published."""
    raw = (registry.root / "essentia/effnet/mood_happy-calibration.json").read_bytes()
    registry.write("essentia/effnet/mood_happy-calibration.json", raw.replace(b"0.1", b"0.2"))
    registry.commit("by hand")

    error = refused(registry.root)

    assert error.exit_code == 3
    assert HAPPY in (error.where or "")


def test_a_withdrawn_reference(registry: Published) -> None:
    """A reference that holds a withdrawn version is not published."""
    withdrawn = {"by": "Ada", "why": "wrong", "since": "2026-10-02T00:00:00Z"}
    listing = {"schema": "calreg/withdrawn/1.0", "heads": {RELAXED: {"v1": withdrawn}}}
    registry.write("withdrawn.json", json.dumps(listing).encode())
    registry.commit("withdraw")

    assert refused(registry.root).code == "withdrawn"


def test_seqs_have_no_gap(registry: Published) -> None:
    """Publications are counted one by one."""
    done(registry.root)
    for version in range(2, 6):
        registry.publish(version, HAPPY, p5=0.1 + version / 100)
        done(registry.root)

    assert seqs(registry.root) == [1, 2, 3, 4, 5]
