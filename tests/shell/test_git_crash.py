from __future__ import annotations

import pytest

from calreg import failpoints
from calreg.errors import RegistryError
from calreg.git import Repository, init_repository

PUBLISH = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from calreg.git import Repository

repository = Repository.find(Path(sys.argv[1]))
files = {f"registry/{name}.json": b"new %d" % i for i, name in enumerate("abcd")}
with repository.lock():
    repository.recover()
    branch, old = repository.branch(), repository.tip()
    remote = repository.remote(branch)
    new = repository.commit(
        branch=branch, parent=old, files=files, delete=["registry/gone.json"], message="m",
        identity=repository.identity(), when=datetime(2026, 1, 3, tzinfo=UTC),
    )
    if remote:
        seen = repository.fetch(remote)
        repository.push(remote, branch=remote.branch, new=new, expected=seen)
    repository.publish(branch, old=old, new=new)
print(new)
"""
BEFORE = {"registry/a.json": b"old", "registry/gone.json": b"old", "code.py": b"pass\n"}


def repeat(warm, folder):
    done = warm.run(folder, code=PUBLISH)
    assert done.code == 0, done.err
    return done.out.strip()


def recovered(repository):
    with repository.lock(wait_s=0):
        return repository.recover()


@pytest.mark.parametrize("step", failpoints.STEPS)
def test_a_kill_at_any_step_leaves_old_or_new(warm, step, clone, publish, run_git, remote_folder):
    """Killed anywhere, branch and remote are at the old or the new commit, and both are whole."""
    repository = clone("work")
    old = publish(repository, BEFORE, push=True)

    warm.run_to(step, repository.work_tree, code=PUBLISH)

    run_git(repository.work_tree, "fsck", "--strict")
    run_git(remote_folder, "fsck", "--strict")
    moved = step not in {"objects-written", "pushed", "journal-written"}
    remote = repository.fetch(repository.remote("main"))
    assert (repository.tip() != old) == moved
    assert (remote != old) == (step != "objects-written")
    assert not moved or remote == repository.tip()


@pytest.mark.parametrize("step", failpoints.STEPS)
def test_the_next_command_cleans_up(warm, step, repository, publish, run_git):
    """After a kill anywhere, recovery alone makes the work tree equal to the branch."""
    steps_here = [name for name in failpoints.STEPS if name != "pushed"]
    old = publish(repository, BEFORE)
    (repository.work_tree / "registry/theirs").write_bytes(b"untracked")
    warm.run_to(step if step in steps_here else "ref-moved", repository.work_tree, code=PUBLISH)

    found = recovered(repository)

    tip = repository.tip()
    expected = {"objects-written": "none", "journal-written": "forgotten"}.get(step, "finished")
    assert (found.outcome, found.conflicts) == (expected, ())
    assert (tip == old) == (expected != "finished")
    assert run_git(repository.work_tree, "status", "--porcelain", "-uall") == (
        "?? registry/theirs\n"
    )
    files = repository.read(tip).read_many(repository.read(tip).paths())
    assert {name: (repository.work_tree / name).read_bytes() for name in files} == files
    assert run_git(repository.work_tree, "for-each-ref", "refs/calreg") == ""
    assert recovered(repository).outcome == "none"


@pytest.mark.parametrize("step", ["objects-written", "journal-written", "index-locked"])
def test_a_repeat_needs_no_person(warm, step, repository, publish, run_git):
    """The same command, run again after a kill, does its work and leaves nothing over."""
    publish(repository, BEFORE)
    warm.run_to(step, repository.work_tree, code=PUBLISH)

    new = repeat(warm, repository.work_tree)

    assert repository.tip() == new
    assert run_git(repository.work_tree, "status", "--porcelain", "-uall") == ""


def test_recovery_keeps_what_somebody_wrote_since(warm, repository, publish, run_git):
    """A file edited after the crash is named and keeps its bytes; the others are finished."""
    publish(repository, BEFORE)
    warm.run_to("files-prepared", repository.work_tree, code=PUBLISH)
    (repository.work_tree / "registry/a.json").write_bytes(b"edited")

    found = recovered(repository)

    assert (found.outcome, found.conflicts) == ("finished", ("registry/a.json",))
    assert (repository.work_tree / "registry/a.json").read_bytes() == b"edited"
    assert (repository.work_tree / "registry/d.json").read_bytes() == b"new 3"
    assert run_git(repository.work_tree, "status", "--porcelain") == " M registry/a.json\n"


def test_a_lock_of_somebody_else_is_not_taken_away(warm, repository, publish):
    """A lock on the index that is not this program's stays, and is named."""
    publish(repository, BEFORE)
    warm.run_to("files-prepared", repository.work_tree, code=PUBLISH)
    theirs = repository.git_dir / "index.lock"
    theirs.touch()

    with pytest.raises(RegistryError, match="another git command") as caught:
        recovered(repository)

    assert caught.value.where == str(theirs)
    theirs.unlink()
    assert recovered(repository).outcome == "finished"


def test_recovery_leaves_a_branch_that_went_on(warm, repository, publish, run_git):
    """If somebody committed after the crash, recovery changes nothing and says so."""
    publish(repository, BEFORE)
    warm.run_to("files-prepared", repository.work_tree, code=PUBLISH)
    run_git(repository.work_tree, "commit", "--quiet", "--allow-empty", "-m", "theirs")
    tip = repository.tip()

    found = recovered(repository)

    assert found.outcome == "moved-on"
    assert repository.tip() == tip
    assert list(repository.work_tree.rglob("*.calreg-new")) == []


def test_a_kill_during_the_first_commit(warm, tmp_path, run_git):
    """A repository whose first publish was killed half way is finished by the next command."""
    repository = init_repository(tmp_path / "new")
    warm.run_to("file-written", repository.work_tree, code=PUBLISH)

    assert recovered(repository).outcome == "finished"
    assert run_git(repository.work_tree, "status", "--porcelain", "-uall") == ""


def test_a_kill_in_a_bare_repository(warm, remote_folder, publish):
    """In a bare repository there is nothing to settle, and recovery says it is done."""
    repository = Repository.find(remote_folder)
    old = publish(repository, BEFORE)
    warm.run_to("ref-moved", remote_folder, code=PUBLISH)

    assert recovered(repository).outcome == "finished"
    assert repository.tip() != old


def test_the_lock_of_a_killed_command_is_free(warm, repository, publish):
    """The lock goes with its holder, however it died."""
    publish(repository, BEFORE)
    warm.run_to("journal-written", repository.work_tree, code=PUBLISH)

    with repository.lock(wait_s=0):
        assert (repository.git_dir / "calreg" / "pending").exists()


@pytest.mark.parametrize("text", ["", "x", "calreg pending commit 1\nmain\n-\n", "\0" * 9])
def test_a_broken_journal_is_named(repository, text):
    """A journal that cannot be read stops writing, with its path and what to do."""
    folder = repository.git_dir / "calreg"
    folder.mkdir()
    (folder / "pending").write_text(text)

    with pytest.raises(RegistryError, match="interrupted command cannot be read") as caught:
        recovered(repository)

    assert caught.value.where == str(folder / "pending")
