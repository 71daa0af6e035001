from __future__ import annotations

import os
import subprocess
import sys
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from calreg.errors import InputError, RegistryError, StaleRegistryError, TransportError
from calreg.git import Repository, init_repository
from calreg.git.health import locks
from calreg.git.process import Git
from calreg.git.tree import Entry

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def status(run_git, repository):
    return run_git(repository.work_tree, "status", "--porcelain", "--untracked-files=all")


def test_a_folder_is_found_in_its_work_tree(repository):
    """A folder inside a work tree knows its repository and its place in it, made or not."""
    (repository.work_tree / "deep" / "registry").mkdir(parents=True)

    found = Repository.find(repository.work_tree / "deep" / "registry")
    future = Repository.find(repository.work_tree / "not" / "yet")

    assert (found.work_tree, found.prefix) == (repository.work_tree, "deep/registry")
    assert (future.work_tree, future.prefix) == (repository.work_tree, "not/yet")


def test_a_folder_is_found_in_a_bare_repository(remote_folder):
    """A path below a bare repository is a folder of its tree."""
    found = Repository.find(remote_folder / "registry")

    assert found.is_bare
    assert (found.work_tree, found.prefix) == (None, "registry")


def test_no_repository_is_an_input_error(tmp_path):
    """A folder that no repository holds is refused with a way out."""
    with pytest.raises(InputError, match="no git repository holds this folder") as caught:
        Repository.find(tmp_path)

    assert "git init" in caught.value.hint


def test_the_inside_of_a_git_folder_is_refused(repository):
    """The .git folder is no place for a registry."""
    with pytest.raises(InputError, match=r"inside of a \.git folder"):
        Repository.find(repository.git_dir / "objects")


def test_first_commit(repository, publish, run_git):
    """A commit on an unborn branch has no parent, and the work tree equals it."""
    assert repository.tip() is None

    new = publish(repository, {"registry/a.json": b"{}\n"})

    assert repository.tip("main") == repository.tip() == new
    assert (repository.work_tree / "registry/a.json").read_bytes() == b"{}\n"
    assert status(run_git, repository) == ""
    assert run_git(repository.work_tree, "log", "--format=%an %ae %cI %P").strip() == (
        "Ada Lovelace ada@example.org 2026-01-02T03:04:05+00:00"
    )


def test_a_commit_changes_only_what_it_names(repository, publish, run_git):
    """Files that a commit does not name stay in the tree; deleted ones leave with their folder."""
    first = publish(repository, {"a/x.json": b"1\n", "b/y.json": b"2\n", "z": b"3\n"})

    second = publish(repository, {"z": b"4\n"}, delete=("a/x.json",))

    tree = repository.read(second)
    assert tree.read_many(tree.paths()) == {"b/y.json": b"2\n", "z": b"4\n"}
    assert set(repository.changed(first, second)) == {"a/x.json", "z"}
    assert not (repository.work_tree / "a").exists()
    assert status(run_git, repository) == ""


def test_any_file_name_and_any_bytes_survive(repository, publish, run_git):
    """Names with spaces, quotes and accents, and bytes of every kind, come back unchanged."""
    files = {
        'we "quote" it/ä ö.json': bytes(range(256)),
        "crlf.txt": b"one\r\ntwo\r\n",
        "empty": b"",
        "no newline": b"x",
        "100644 inline x": b"data 3\nabc\n",
    }

    new = publish(repository, files)

    assert repository.read(new).read_many(files) == files
    assert {name: (repository.work_tree / name).read_bytes() for name in files} == files
    assert status(run_git, repository) == ""
    run_git(repository.work_tree, "fsck", "--strict")


def test_only_plain_files_are_made(repository, publish):
    """Every file of a commit has mode 100644."""
    new = publish(repository, {"a/b": b"1", "c": b"2"})

    assert all(entry.is_plain_file for entry in repository.read(new).paths().values())


def test_a_bare_repository_is_published_to(remote_folder, publish):
    """A bare repository gets the commit; nothing appears beside its own files."""
    repository = Repository.find(remote_folder)
    before = sorted(place.name for place in remote_folder.iterdir())

    new = publish(repository, {"registry/a.json": b"{}\n"})

    assert repository.tip("main") == new
    assert sorted({place.name for place in remote_folder.iterdir()} - {"calreg"}) == before


def test_a_linked_work_tree_works(repository, publish, run_git, tmp_path):
    """A work tree made by `git worktree add` is published from, and only its branch moves."""
    first = publish(repository, {"a": b"1\n"})
    run_git(repository.work_tree, "worktree", "add", "--quiet", "-b", "side", str(tmp_path / "s"))

    linked = Repository.find(tmp_path / "s")
    new = publish(linked, {"a": b"2\n"})

    assert linked.branch() == "side"
    assert (repository.tip("main"), repository.tip("side")) == (first, new)
    assert status(run_git, linked) == ""
    assert (repository.work_tree / "a").read_bytes() == b"1\n"


def test_a_submodule_works(repository, publish, run_git, tmp_path):
    """A checkout that is another repository's submodule is published from."""
    publish(repository, {"a": b"1\n"})
    outer = init_repository(tmp_path / "outer")
    run_git(
        outer.work_tree, "-c", "protocol.file.allow=always",
        "submodule", "--quiet", "add", str(repository.work_tree), "sub",
    )  # fmt: skip

    inner = Repository.find(outer.work_tree / "sub")
    publish(inner, {"a": b"2\n"})

    assert inner.work_tree == outer.work_tree / "sub"
    assert status(run_git, inner) == ""


def test_a_detached_head_is_refused(repository, publish, run_git):
    """Without a branch there is nowhere to publish, and the hint says how to make one."""
    publish(repository, {"a": b"1\n"})
    run_git(repository.work_tree, "checkout", "--quiet", "--detach")

    with pytest.raises(InputError, match="HEAD is detached") as caught:
        repository.branch()

    assert caught.value.hint == "git switch -c NAME"


def test_identity_is_never_guessed(repository, home):
    """Without a configured name and email nobody commits, and the hint says what to type."""
    (home / ".gitconfig").write_text("")

    with pytest.raises(InputError, match="does not know who you are") as caught:
        repository.identity()

    assert 'git config --global user.name "Your Name"' in caught.value.hint
    assert "git config --global user.email" in caught.value.hint


def test_identity_comes_from_the_environment_first(repository, run_git, monkeypatch):
    """GIT_AUTHOR_* beats the repository's configuration, which beats the user's own."""
    run_git(repository.work_tree, "config", "user.email", "local@example.org")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Grace <Hopper>\n")

    who = Repository.find(repository.work_tree).identity()

    assert (who.name, who.email) == ("Grace Hopper", "local@example.org")
    assert who.committer_name == "Ada Lovelace"


def test_dirty_names_changed_staged_deleted_and_untracked_files(repository, publish, run_git):
    """Every way in which a file can differ from HEAD is seen, and only for the paths asked."""
    root = repository.work_tree
    publish(repository, dict.fromkeys(["same", "changed", "staged", "deleted", "other"], b"1\n"))
    (root / "changed").write_bytes(b"2\n")
    (root / "other").write_bytes(b"2\n")
    (root / "staged").write_bytes(b"2\n")
    run_git(root, "add", "staged")
    (root / "staged").write_bytes(b"1\n")
    (root / "deleted").unlink()
    (root / "untracked").write_bytes(b"")

    asked = ["same", "changed", "staged", "deleted", "untracked", "new/file"]

    assert repository.dirty(asked) == ["changed", "staged", "deleted", "untracked"]


def test_dirty_on_an_unborn_branch(repository, run_git):
    """Before the first commit, files in the way and staged files count."""
    (repository.work_tree / "a").write_bytes(b"")
    (repository.work_tree / "b").write_bytes(b"")
    run_git(repository.work_tree, "add", "b")
    (repository.work_tree / "b").unlink()

    assert repository.dirty(["a", "b", "c"]) == ["a", "b"]


@pytest.mark.parametrize("place", ["link/a.json", "link", "file/a.json", "folder"])
def test_something_strange_in_the_way_is_refused(repository, tmp_path, place):
    """A link, a file where a folder goes, or a folder where a file goes is named."""
    (repository.work_tree / "link").symlink_to(tmp_path)
    (repository.work_tree / "file").write_bytes(b"")
    (repository.work_tree / "folder").mkdir()

    with pytest.raises(InputError, match="in the way"):
        repository.dirty([place])


def test_a_held_index_is_said_before_anything_is_written(repository):
    """Another git command's index.lock is a clear line and not a failure half way."""
    (repository.git_dir / "index.lock").touch()

    with pytest.raises(RegistryError, match="another git command is changing this work tree"):
        repository.dirty(["a"])


def test_other_peoples_staged_and_changed_files_stay(repository, publish, run_git):
    """Publishing leaves staged, changed and untracked files elsewhere as they are."""
    root = repository.work_tree
    publish(repository, {"mine": b"1\n", "theirs": b"1\n"})
    (root / "theirs").write_bytes(b"2\n")
    (root / "staged").write_bytes(b"3\n")
    run_git(root, "add", "staged")
    (root / "untracked").write_bytes(b"4\n")

    publish(repository, {"mine": b"2\n"})

    assert status(run_git, repository) == "A  staged\n M theirs\n?? untracked\n"
    assert (root / "theirs").read_bytes() == b"2\n"


def test_a_file_edited_meanwhile_is_left_alone(repository, publish, run_git):
    """A file that somebody edits between the check and the end keeps their bytes."""
    old = publish(repository, {"a": b"1\n", "b": b"1\n"})
    new = repository.commit(
        branch="main",
        parent=old,
        files={"a": b"2\n", "b": b"2\n"},
        message="m",
        identity=repository.identity(),
        when=WHEN,
    )
    (repository.work_tree / "a").write_bytes(b"edited\n")

    left_alone = repository.publish("main", old=old, new=new)

    assert left_alone == ["a"]
    assert (repository.work_tree / "a").read_bytes() == b"edited\n"
    assert (repository.work_tree / "b").read_bytes() == b"2\n"
    assert status(run_git, repository) == " M a\n"


def test_attributes_and_filters_do_not_touch_bytes(repository, publish, run_git, tmp_path):
    """Line-end settings and clean/smudge filters of the repository change nothing."""
    run_git(repository.work_tree, "config", "core.autocrlf", "true")
    run_git(repository.work_tree, "config", "filter.loud.smudge", f"touch {tmp_path}/canary")
    publish(repository, {".gitattributes": b"* filter=loud text eol=crlf\n"})

    new = publish(repository, {"a.json": b"1\n"})

    assert (repository.work_tree / "a.json").read_bytes() == b"1\n"
    assert repository.read(new).read("a.json") == b"1\n"
    assert not (tmp_path / "canary").exists()


def test_a_branch_that_moved_is_not_overwritten(repository, publish):
    """Moving a branch from a commit it has left is refused, and it stays where it is."""
    old = publish(repository, {"a": b"1\n"})
    now = publish(repository, {"a": b"2\n"})

    with pytest.raises(StaleRegistryError, match="main moved"):
        repository.advance("main", old=old, new=old)

    assert repository.tip() == now


def test_another_branch_moves_without_the_work_tree(repository, publish, run_git):
    """Publishing to a branch that is not checked out leaves every file alone."""
    old = publish(repository, {"a": b"1\n"})
    new = repository.commit(
        branch="stable",
        parent=None,
        files={"index.json": b"{}\n"},
        message="m",
        identity=repository.identity(),
        when=WHEN,
    )

    repository.publish("stable", old=None, new=new)

    assert (repository.tip("main"), repository.tip("stable")) == (old, new)
    assert status(run_git, repository) == ""


def test_reading_needs_no_work_tree(repository, publish):
    """A snapshot is read as it was, whatever was committed or edited since."""
    first = publish(repository, {"a/x": b"1", "a/b/y": b"22", "c": b"333"})
    publish(repository, {"a/x": b"9"})
    tree = repository.read(first)

    assert tree.read("a/x") == b"1"
    assert set(tree.paths("a")) == {"a/x", "a/b/y"}
    assert {path: entry.mode for path, entry in tree.paths("a", recursive=False).items()} == {
        "a/x": "100644",
        "a/b": "040000",
    }
    assert tree.paths("a/b", sizes=True)["a/b/y"].size == 2
    assert tree.paths("nowhere") == {}
    assert tree.read_many(["c", "nope", "a/b/y"]) == {"c": b"333", "a/b/y": b"22"}
    assert repository.read(None).paths() == repository.read(None).read_many(["c"]) == {}


def test_reading_has_limits(repository, publish):
    """A missing file, a folder and a file over the limit are refused by their path."""
    tree = repository.read(publish(repository, {"a/x": b"12345"}))

    with pytest.raises(RegistryError, match="a/nope: no such file"):
        tree.read("a/nope")
    with pytest.raises(RegistryError, match="a: expected a file, got a folder"):
        tree.read("a")
    with pytest.raises(RegistryError, match="5 bytes, at most 4"):
        tree.read("a/x", max_bytes=4)


def test_many_files_are_read_in_one_go(remote_folder, publish):
    """Thousands of files come back from one process, which never waits for us for ever."""
    repository = Repository.find(remote_folder)
    files = {f"d{n % 7}/f{n}.json": b"%d\n" % n * 50 for n in range(3000)}
    tree = repository.read(publish(repository, files))

    assert tree.read_many(files) == files


def test_a_damaged_object_is_not_handed_out(repository, publish):
    """Bytes that are not those of the object's name are refused, though git gives them out."""
    tree = repository.read(publish(repository, {"a.json": b"1\n"}))
    oid = tree.paths()["a.json"].oid
    stored = repository.git_dir / "objects" / oid[:2] / oid[2:]
    stored.parent.mkdir(exist_ok=True)
    stored.unlink(missing_ok=True)
    stored.write_bytes(zlib.compress(b"blob 2\x009\n"))
    for pack in (repository.git_dir / "objects" / "pack").glob("pack-*"):
        pack.unlink()

    with pytest.raises(TransportError, match=r"a\.json: the stored object is damaged"):
        tree.read_entries([("a.json", Entry("100644", oid))])


def test_the_log_has_trailers(repository, publish):
    """The log of a path lists its commits, newest first, with their trailers."""
    publish(repository, {"a": b"1"}, message="first\n\nbody\n\nCalreg-Run: 1\nCalreg-Digest: x\n")
    publish(repository, {"b": b"1"}, message="elsewhere\n")
    tip = publish(repository, {"a": b"2"}, message="second: ünï\n")

    entries = repository.log(tip, "a")

    assert [entry.subject for entry in entries] == ["second: ünï", "first"]
    assert entries[1].trailers == (("Calreg-Run", "1"), ("Calreg-Digest", "x"))
    assert entries[0].time_s == int(WHEN.timestamp())
    assert len(repository.log(tip, limit=2)) == 2


def test_hooks_do_not_run(repository, publish, run_git, tmp_path):
    """No hook or monitor of the repository runs, whatever its name."""
    hooks = repository.git_dir / "hooks"
    hooks.mkdir()
    names = ["pre-commit", "commit-msg", "post-commit", "reference-transaction", "pre-push"]
    names += ["post-index-change", "post-checkout", "fsmonitor-watchman", "update"]
    for name in names:
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/canary-{name}\n")
        (hooks / name).chmod(0o755)
    run_git(repository.work_tree, "config", "core.fsmonitor", f"touch {tmp_path}/canary-monitor;")

    publish(repository, {"a": b"1\n"})
    publish(repository, {"a": b"2\n"})

    assert list(tmp_path.glob("canary-*")) == []


def test_the_environment_of_a_hook_does_not_leak(repository, publish, monkeypatch, tmp_path):
    """Inside a hook of another repository, ours is still the one that is written."""
    victim = init_repository(tmp_path / "victim")
    canary = tmp_path / "canary"
    monkeypatch.setenv("GIT_DIR", str(victim.git_dir))
    monkeypatch.setenv("GIT_WORK_TREE", str(victim.work_tree))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "other-index"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "other-objects"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", f"touch {canary}")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.fsmonitor")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", f"touch {canary}")
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", f"'core.fsmonitor=touch {canary}'")
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))

    found = Repository.find(repository.work_tree)
    new = publish(found, {"a": b"1\n"})
    publish(found, {"a": b"2\n"})

    assert found.work_tree == repository.work_tree
    assert (repository.git_dir / "index").exists()
    assert found.read(new).read("a") == b"1\n"
    leaked = ("canary", "other-index", "other-objects", "trace")
    assert [name for name in leaked if (tmp_path / name).exists()] == []
    assert not (victim.git_dir / "refs/heads/main").exists()


def test_the_users_configuration_is_taken_over_by_name_only(repository, publish, home, tmp_path):
    """Credential helpers and identity are taken over; programs and aliases are not."""
    with (home / ".gitconfig").open("a") as file:
        file.write(
            f"[core]\n\tfsmonitor = touch {tmp_path}/canary\n\thooksPath = {tmp_path}\n"
            "[credential]\n\thelper = store\n[commit]\n\tgpgSign = true\n"
        )

    publish(repository, {"a": b"1\n"})

    keys = {key for key, _ in repository.settings.taken_over()}
    assert keys >= {"user.name", "user.email", "credential.helper"}
    assert {key.split(".")[0] for key in keys} == {"user", "credential"}
    assert not (tmp_path / "canary").exists()


def test_writers_take_turns(repository):
    """A second writer in the same repository is told who holds it."""
    second = Repository.find(repository.work_tree)

    with (
        repository.lock(),
        pytest.raises(RegistryError, match=f"process {os.getpid()}"),
        second.lock(wait_s=0),
    ):
        pass
    with second.lock(wait_s=0):
        pass


def test_importing_this_package_is_cheap():
    """Neither GitPython nor numpy is imported with the package, only by the first command."""
    code = "import sys, calreg.git; print({'git', 'numpy', 'duckdb'} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"


def test_no_git_is_said_in_one_line(repository):
    """Where git is not installed, the error says so instead of failing to import."""
    code = (
        "import sys; from pathlib import Path; from calreg.errors import TransportError\n"
        "from calreg.git import Repository\n"
        "try: Repository.find(Path(sys.argv[1]))\n"
        "except TransportError as error: print(error.code, error.hint)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, str(repository.work_tree)],
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == "git-missing Install git and put it on the PATH.\n"


def test_a_repository_of_somebody_else_is_refused(repository, tmp_path):
    """Git's refusal of another owner's repository is said with the way to trust it."""
    if os.geteuid() != 0:
        # Only root can give files away; for others there is nothing to show.
        assert Path(repository.git_dir).owner()
        return
    for folder in (repository.work_tree, repository.git_dir):
        os.chown(folder, 1234, 1234)

    with pytest.raises(InputError, match="belongs to somebody else") as caught:
        Repository.find(repository.work_tree)

    assert "safe.directory" in caught.value.hint


def test_a_disk_that_refuses_leaves_the_rest_to_the_next_command(repository, publish):
    """If the work tree cannot be written, the commit stays, and recovery finishes it."""
    publish(repository, {"a": b"1\n"})
    blocked = repository.work_tree / ".b.calreg-new"
    blocked.mkdir()

    with pytest.raises(TransportError, match="work tree could not be written") as caught:
        publish(repository, {"b": b"1\n"})
    blocked.rmdir()
    with repository.lock():
        found = repository.recover()

    assert "the next calreg command" in caught.value.hint
    assert found.outcome == "finished"
    assert (repository.work_tree / "b").read_bytes() == b"1\n"


def test_a_folder_that_cannot_be_entered_is_no_other_repository(tmp_path, repository, monkeypatch):
    """No command runs where the caller happens to stand instead of in the folder it was given."""
    monkeypatch.chdir(repository.work_tree)

    with pytest.raises(InputError, match="cannot be entered"):
        Git(tmp_path / "gone").run("rev-parse", "--git-dir")


def test_a_folder_with_a_line_break_is_refused(tmp_path):
    """The answers of git are lines, so a path of two lines is refused and not half understood."""
    folder = tmp_path / "two\nlines"
    folder.mkdir()

    with pytest.raises(InputError, match="line break"):
        init_repository(folder)


def test_a_work_tree_elsewhere_is_refused(repository, run_git, tmp_path):
    """A folder whose repository keeps its files somewhere else is not taken for its work tree."""
    (tmp_path / "elsewhere").mkdir()
    run_git(repository.work_tree, "config", "core.worktree", str(tmp_path / "elsewhere"))

    with pytest.raises(InputError, match="outside its repository's work tree"):
        Repository.find(repository.work_tree)


def test_a_found_repository_knows_its_tip(repository, publish):
    """Finding a repository says where HEAD is, too; None if it has no commit."""
    tip = publish(repository, {"a/b/c": b"1\n"})

    found = Repository.find(repository.work_tree / "a" / "b")

    assert (repository.found_at, found.found_at, found.prefix) == (None, tip, "a/b")
    assert found.work_tree == repository.work_tree


def test_refs_are_kept_listed_and_dropped(repository, publish):
    """A ref below a prefix keeps its commit until it is dropped; other refs are not listed."""
    first = publish(repository, {"a": b"1\n"})
    second = publish(repository, {"a": b"2\n"})
    repository.keep("refs/calreg/box/one", first)
    repository.keep("refs/calreg/boxes/two", second)

    assert repository.refs("refs/calreg/box") == {"refs/calreg/box/one": first}
    with pytest.raises(TransportError, match="but expected"):
        repository.drop("refs/calreg/box/one", second)
    repository.drop("refs/calreg/box/one", first)
    assert repository.refs("refs/calreg/box") == {}
    assert repository.refs("refs/heads") == {"refs/heads/main": second}


def test_locks_of_git_are_listed(repository, publish):
    """Whatever file keeps git from writing here is named; without any there is none."""
    publish(repository, {"a": b"1\n"})
    assert locks(repository) == []
    files = [repository.git_dir / "index.lock", repository.git_dir / "refs/heads/main.lock"]
    for file in files:
        file.touch()

    assert [lock.path for lock in locks(repository)] == files
    assert not any(lock.is_stale for lock in locks(repository))
