"""Publishing for production at a remote: races, refusals, lost answers, death at any step."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from githttp import GitServer
from killing import Warm
from published import HAPPY, RELAXED, Published
from stables import (
    NOW,
    git,
    index_on,
    listed,
    made_keys,
    published_by,
    seqs,
    signer,
    trust,
)

from calreg.errors import InputError, RegistryError, StaleRegistryError, TransportError
from calreg.git import RefUpdate, Repository
from calreg.registry import Retry
from calreg.registry.stable import (
    NothingNew,
    Order,
    PublishedStable,
    prepare,
    publish,
    survey,
)

Clone = Callable[[str], Path]

LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def registry(tmp_path: Path, remote_folder: Path) -> Published:
    """A registry with one version of three heads, pushed to `remote_folder`."""
    made = Published(tmp_path / "work")
    made.publish(1)
    made.git("remote", "add", "origin", remote_folder.as_uri())
    made.git("push", "--quiet", "--set-upstream", "origin", "main")
    return made


@pytest.fixture
def cloned(registry: Published, remote_folder: Path, tmp_path: Path) -> Clone:
    """Clone it, by the clone's name."""

    def make(name: str) -> Path:
        git(tmp_path, "clone", "--quiet", remote_folder.as_uri(), name)
        return tmp_path / name

    return make


def pushed(folder: Path, **order) -> PublishedStable:
    done = published_by(folder, push=True, **order)
    assert isinstance(done, PublishedStable)
    return done


def move_on(registry: Published, version: int, *heads: str) -> str:
    """Another version of a head on the remote's main."""
    commit = registry.publish(version, *(heads or (HAPPY,)), p5=0.1 + version / 100)
    registry.git("push", "--quiet")
    return commit


def hook(remote: Path, text: str, *, name: str = "pre-receive") -> None:
    file = remote / "hooks" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def racing(
    folder: Path, faster: list[Callable[[], object]], *, attempts: int = 4, renew: bool = False
) -> PublishedStable | NothingNew:
    """Publish while somebody else is faster each time that the commit is about to be pushed."""
    others = iter(faster)

    def meanwhile(step: str) -> None:
        if step.startswith("pushing"):
            next(others, lambda: None)()

    retry = Retry(attempts=attempts, pause=lambda _seconds: None)
    order = Order(NOW, renew=renew)
    return publish(Repository.find(folder), "", order, push=True, retry=retry, progress=meanwhile)


# --- pushes -------------------------------------------------------------------------------


def test_pushed(registry: Published, remote_folder: Path) -> None:
    """The remote has the branch; a checkout without it gets none."""
    done = pushed(registry.root)

    assert git(remote_folder, "rev-parse", "stable") == done.prepared.commit
    assert registry.git("branch", "--list", "stable") == ""
    assert registry.git("status", "--porcelain") == ""
    assert registry.git("for-each-ref", "refs/calreg") == ""


def test_pushed_over_http(registry: Published, git_server: GitServer, remote_folder: Path) -> None:
    """Published over git's smart HTTP, twice, with nothing new the second time."""
    git(remote_folder, "config", "http.receivepack", "true")
    registry.git("remote", "set-url", "origin", f"{git_server.url}/remote.git")

    pushed(registry.root)
    again = published_by(registry.root, push=True)

    assert isinstance(again, NothingNew)
    assert seqs(remote_folder) == [1]


def test_a_second_clone_finds_it_published(cloned: Clone, remote_folder: Path) -> None:
    """Another clone that publishes the same does nothing."""
    pushed(cloned("one"))

    again = published_by(cloned("two"), push=True)

    assert isinstance(again, NothingNew)
    assert (again.why, seqs(remote_folder)) == ("current", [1])


def test_what_the_remotes_main_says(registry: Published, remote_folder: Path) -> None:
    """What was not pushed to main is not published, whatever the checkout holds."""
    registry.publish(2, HAPPY, p5=0.2)

    pushed(registry.root)

    assert index_on(remote_folder)["commit"] == git(remote_folder, "rev-parse", "main")


def test_a_clone_that_is_behind(registry: Published, cloned: Clone, remote_folder: Path) -> None:
    """A clone publishes what the remote's main says now, though its own is older."""
    old = cloned("old")
    newest = move_on(registry, 2)

    pushed(old)

    assert index_on(remote_folder)["commit"] == newest


def test_an_unpushed_commit_cannot_be_named(registry: Published) -> None:
    """A commit that the remote's main does not have is not published there."""
    mine = registry.publish(2, HAPPY, p5=0.2)

    with pytest.raises(RegistryError, match="is not on main of") as caught:
        published_by(registry.root, push=True, commit=mine)
    assert caught.value.code == "not-on-branch"


def test_a_branch_here_follows(registry: Published, remote_folder: Path) -> None:
    """A checkout that has the branch, too, gets it moved to what was pushed."""
    published_by(registry.root)
    move_on(registry, 2)

    done = pushed(registry.root)

    assert registry.git("rev-parse", "stable") == done.prepared.commit
    assert seqs(remote_folder) == [1, 2]


def test_published_here_and_pushed_later(registry: Published, remote_folder: Path) -> None:
    """What was published without a push is pushed as it is: its number is not used twice."""
    here = published_by(registry.root)
    assert isinstance(here, PublishedStable)
    looked = survey(Repository.find(registry.root), "", branch="stable", now=NOW, remote=True)
    assert (looked.is_unpushed, looked.state) == (True, "current")

    later = published_by(registry.root, push=True)

    assert isinstance(later, NothingNew)
    assert (later.why, later.pushed) == ("current", True)
    assert git(remote_folder, "rev-parse", "stable") == here.prepared.commit


def test_a_remote_that_was_rewound(registry: Published, remote_folder: Path) -> None:
    """What was seen at the remote and is there no more is published on top of, not anew."""
    pushed(registry.root)
    old = git(remote_folder, "rev-parse", "stable")
    move_on(registry, 2)
    pushed(registry.root)
    git(remote_folder, "update-ref", "refs/heads/stable", old)

    again = published_by(registry.root, push=True)

    assert isinstance(again, NothingNew)
    assert again.pushed
    assert seqs(remote_folder) == [1, 2]


def test_a_branch_that_was_deleted(registry: Published, remote_folder: Path) -> None:
    """Numbers go on where they were, though somebody deleted the branch at the remote."""
    pushed(registry.root)
    git(remote_folder, "update-ref", "-d", "refs/heads/stable")
    move_on(registry, 2)

    pushed(registry.root)

    assert seqs(remote_folder) == [1, 2]


def test_a_branch_that_was_rewritten(registry: Published, remote_folder: Path) -> None:
    """Another publication in place of one that was seen is refused, every time."""
    pushed(registry.root)
    seen = git(remote_folder, "rev-parse", "stable")
    git(remote_folder, "update-ref", "-d", "refs/heads/stable")
    registry.git("update-ref", "-d", "refs/remotes/origin/stable")
    pushed(registry.root, now=LATER)
    registry.git("update-ref", "refs/remotes/origin/stable", seen)

    for _ in range(2):
        with pytest.raises(RegistryError, match="was rewritten") as caught:
            published_by(registry.root, push=True)
        assert caught.value.code == "history-rewritten"
        assert f"{seen[:12]}:refs/heads/stable" in (caught.value.hint or "")


def test_another_branch(registry: Published, remote_folder: Path) -> None:
    """Several registries of one repository have a branch each."""
    pushed(registry.root, branch="production/music")

    assert "index.json" in listed(remote_folder, "production/music")


def test_a_checkout_of_the_branch_is_left_alone(
    registry: Published, remote_folder: Path, tmp_path: Path
) -> None:
    """A work tree that has the branch checked out stays as it is when the remote's moves."""
    published_by(registry.root)
    registry.git("worktree", "add", "--quiet", str(tmp_path / "stable"), "stable")
    move_on(registry, 2)

    pushed(registry.root)

    assert git(tmp_path / "stable", "status", "--porcelain") == ""
    assert seqs(registry.root) == [1]
    assert seqs(remote_folder) == [1, 2]


# --- refusals -----------------------------------------------------------------------------


def test_no_remote(tmp_path: Path) -> None:
    """A push without a remote is refused with what to do."""
    made = Published(tmp_path / "alone")
    made.publish(1)

    with pytest.raises(InputError) as caught:
        published_by(made.root, push=True)
    assert caught.value.code == "no-remote"


def test_the_servers_no(registry: Published, remote_folder: Path) -> None:
    """A server that refuses is quoted, and nothing is published."""
    hook(remote_folder, "echo production is frozen >&2; exit 1")

    with pytest.raises(RegistryError, match="production is frozen") as caught:
        published_by(registry.root, push=True)
    assert caught.value.code == "push-refused"
    assert git(remote_folder, "branch", "--list", "stable") == ""


def test_a_remote_that_is_away(registry: Published, remote_folder: Path) -> None:
    """A remote that cannot be reached is an error of the network, and changes nothing."""
    remote_folder.rename(remote_folder.with_suffix(".away"))

    with pytest.raises(TransportError):
        published_by(registry.root, push=True)
    assert registry.git("for-each-ref", "refs/heads/stable", "refs/calreg") == ""


def test_a_shallow_clone(registry: Published, remote_folder: Path, tmp_path: Path) -> None:
    """A clone without the history that would tell is refused with what to do."""
    pushed(registry.root)
    for version in (2, 3):
        move_on(registry, version)
    url = remote_folder.as_uri()
    git(tmp_path, "clone", "--quiet", "--depth=1", "--branch=main", url, "shallow")

    with pytest.raises(InputError, match="shallow") as caught:
        published_by(tmp_path / "shallow", push=True)
    assert "--unshallow" in (caught.value.hint or "")
    git(tmp_path / "shallow", "fetch", "--quiet", "--unshallow")
    assert pushed(tmp_path / "shallow").prepared.index.seq == 2


def test_a_rewritten_main(registry: Published) -> None:
    """A main that was pushed over by force is refused: clients would refuse it, too."""
    pushed(registry.root)
    registry.git("commit", "--quiet", "--amend", "--message", "rewritten")
    registry.git("push", "--quiet", "--force")

    with pytest.raises(RegistryError) as caught:
        published_by(registry.root, push=True)
    assert caught.value.code == "history-rewritten"


# --- races --------------------------------------------------------------------------------


def test_a_lost_race_for_the_same(cloned: Clone, remote_folder: Path) -> None:
    """Who loses a race to somebody who publishes the same finds nothing left to do."""
    one, two = cloned("one"), cloned("two")

    done = racing(one, [lambda: pushed(two, now=LATER)])

    assert isinstance(done, NothingNew)
    assert seqs(remote_folder) == [1]


def test_a_lost_race_for_more(registry: Published, cloned: Clone, remote_folder: Path) -> None:
    """Who loses a race to a publication that main has gone beyond publishes on top of it."""
    one, two = cloned("one"), cloned("two")
    early = registry.git("rev-parse", "HEAD")
    move_on(registry, 2)

    done = racing(one, [lambda: pushed(two, commit=early)])

    assert isinstance(done, PublishedStable)
    assert (done.tries, done.prepared.index.seq) == (2, 2)
    assert seqs(remote_folder) == [1, 2]


def test_a_race_for_the_very_same(cloned: Clone, remote_folder: Path) -> None:
    """Two who make the very same commit have both published it, whoever was faster."""
    one, two = cloned("one"), cloned("two")

    done = racing(one, [lambda: pushed(two)])

    assert isinstance(done, PublishedStable)
    assert git(remote_folder, "rev-parse", "stable") == done.prepared.commit
    assert seqs(remote_folder) == [1]


def test_every_race_lost(registry: Published, cloned: Clone, remote_folder: Path) -> None:
    """Who loses every race is told so; what others published stays."""
    one, two = cloned("one"), cloned("two")

    with pytest.raises(RegistryError, match="faster 3 times in a row") as caught:
        racing(one, [lambda: pushed(two, renew=True, now=LATER)] * 3, attempts=3, renew=True)
    assert caught.value.code == "stale-registry"
    assert seqs(remote_folder) == [1, 2, 3]


def test_publishers_at_once(registry: Published, cloned: Clone, remote_folder: Path) -> None:
    """Four publishers at once leave one line of publications without a gap."""
    folders = [cloned(f"clone{number}") for number in range(4)]
    retry = Retry(attempts=20, pause=lambda _seconds: None)

    def renew(number: int) -> object:
        # Each at a time of its own: equal publications would be one and the same commit.
        order = Order(NOW + timedelta(seconds=number), renew=True)
        repository = Repository.find(folders[number])
        return publish(repository, "", order, push=True, retry=retry)

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(renew, range(4)))

    assert all(isinstance(one, PublishedStable) for one in done)
    assert seqs(remote_folder) == [1, 2, 3, 4]
    git(remote_folder, "fsck", "--strict")


def test_an_answer_that_got_lost(registry: Published, remote_folder: Path) -> None:
    """A push whose connection broke after the server took the commit counts as published."""
    hook(remote_folder, "kill -9 $PPID", name="post-receive")

    done = pushed(registry.root)

    assert git(remote_folder, "rev-parse", "stable") == done.prepared.commit


# --- death --------------------------------------------------------------------------------

_PUBLISH = """
import sys
from pathlib import Path
from stables import published_by
published_by(Path(sys.argv[1]), push=sys.argv[2] == "push")
"""


@pytest.mark.parametrize("where", ["push", "here"])
@pytest.mark.parametrize("step", ["objects-written", "pushed", "ref-moved"])
def test_killed_at_any_step(
    registry: Published, remote_folder: Path, warm: Warm, step: str, where: str
) -> None:
    """A publication killed at any step never or wholly happened; its repeat ends it once."""
    if (step, where) == ("pushed", "here"):
        step = "ref-moved"
    published_by(registry.root)
    published_by(registry.root, push=True)
    move_on(registry, 2)

    warm.run_to(step, registry.root, where, code=_PUBLISH)
    for folder in (registry.root, remote_folder):
        git(folder, "fsck", "--strict")
    published_by(registry.root, push=where == "push")
    published_by(registry.root, push=True)
    move_on(registry, 3)
    published_by(registry.root, push=True)

    assert seqs(registry.root) == seqs(remote_folder) == [1, 2, 3]
    assert registry.git("status", "--porcelain") == ""
    assert registry.git("for-each-ref", "refs/calreg") == ""


# --- main and stable at once --------------------------------------------------------------


def together(registry: Published) -> tuple[Repository, list[RefUpdate]]:
    """A commit that is on no branch yet, and its publication."""
    repository = Repository.find(registry.root)
    remote = repository.remote("main")
    assert remote is not None
    old = repository.fetch(remote)
    main = registry.publish(2, HAPPY, p5=0.2)
    registry.git("reset", "--quiet", "--hard", "HEAD~")
    with repository.lock():
        made = prepare(
            repository,
            "",
            main_commit=main,
            branch="stable",
            signers=[],
            now=NOW,
            expires_days=90,
            remote=remote,
        )
    assert made is not None
    return repository, [RefUpdate("main", main, old), made.update]


def test_main_and_stable_move_together(registry: Published, remote_folder: Path) -> None:
    """One push moves the branch and what is published of it."""
    pushed(registry.root)
    repository, updates = together(registry)

    remote = repository.remote("main")
    assert remote is not None
    repository.push_all(remote, updates)

    assert index_on(remote_folder)["commit"] == git(remote_folder, "rev-parse", "main")
    assert seqs(remote_folder) == [1, 2]


def test_both_move_over_http(
    registry: Published, git_server: GitServer, remote_folder: Path
) -> None:
    """The same over git's smart HTTP."""
    git(remote_folder, "config", "http.receivepack", "true")
    registry.git("remote", "set-url", "origin", f"{git_server.url}/remote.git")
    pushed(registry.root)
    repository, updates = together(registry)

    remote = repository.remote("main")
    assert remote is not None
    repository.push_all(remote, updates)

    assert index_on(remote_folder)["commit"] == git(remote_folder, "rev-parse", "main")


@pytest.mark.parametrize("who", ["main", "stable"])
def test_neither_moves_if_one_cannot(
    registry: Published, cloned: Clone, remote_folder: Path, who: str
) -> None:
    """If somebody else moved one of the branches meanwhile, neither moves."""
    pushed(registry.root)
    repository, updates = together(registry)
    if who == "stable":
        pushed(cloned("other"), renew=True)
    else:
        move_on(registry, 3, RELAXED)
    before = git(remote_folder, "for-each-ref")

    remote = repository.remote("main")
    assert remote is not None
    with pytest.raises(StaleRegistryError):
        repository.push_all(remote, updates)
    assert git(remote_folder, "for-each-ref") == before


def test_neither_moves_if_the_server_refuses_one(registry: Published, remote_folder: Path) -> None:
    """If the server refuses one of the branches, neither moves, and the line says which rule."""
    pushed(registry.root)
    repository, updates = together(registry)
    hook(remote_folder, 'test "$1" != refs/heads/stable || { echo frozen; exit 1; }', name="update")
    before = git(remote_folder, "for-each-ref")

    remote = repository.remote("main")
    assert remote is not None
    with pytest.raises(RegistryError, match=r"hook declined.*it says: frozen") as caught:
        repository.push_all(remote, updates)
    assert caught.value.code == "push-refused"
    assert git(remote_folder, "for-each-ref") == before


def test_nothing_to_prepare(registry: Published) -> None:
    """What is published already is not prepared again."""
    pushed(registry.root)
    repository = Repository.find(registry.root)
    main = repository.tip()
    assert main is not None

    with repository.lock():
        made = prepare(
            repository,
            "",
            main_commit=main,
            branch="stable",
            signers=[],
            now=NOW,
            expires_days=90,
            remote=repository.remote("main"),
        )

    assert made is None


# --- custodians on machines of their own --------------------------------------------------


def test_custodians_apart(
    registry: Published, cloned: Clone, remote_folder: Path, tmp_path: Path
) -> None:
    """Two people with a key each, in clones of their own, publish together."""
    keys = made_keys(tmp_path / "keys", 2)
    trust(registry, keys, threshold=2)
    registry.git("push", "--quiet")
    one, two = cloned("one"), cloned("two")

    first = pushed(one, signers=[signer(keys[0])])
    assert (first.prepared.branch, first.prepared.missing) == ("stable-pending", 1)
    assert git(remote_folder, "branch", "--list", "stable") == ""
    second = pushed(two, signers=[signer(keys[1])], only_pending=True)

    assert (second.prepared.branch, second.prepared.missing) == ("stable", 0)
    assert seqs(remote_folder) == [1]
    third = published_by(one, push=True, signers=[signer(keys[0])])
    assert isinstance(third, NothingNew)


def test_survey_of_the_remote(registry: Published, cloned: Clone, remote_folder: Path) -> None:
    """A survey looks at the remote, or at this clone alone."""
    one = cloned("one")
    pushed(registry.root)

    def looked(*, remote: bool):
        return survey(Repository.find(one), "", branch="stable", now=NOW, remote=remote)

    assert (looked(remote=False).stable, looked(remote=False).state) == (None, "behind")
    there = looked(remote=True)
    assert (there.state, there.remote) == ("current", remote_folder.as_uri())
    # What was seen is known here, too, from then on.
    assert looked(remote=False).stable == there.stable


def test_fetch_of_several_branches(registry: Published) -> None:
    """Several branches come at once; those that are not there are None."""
    repository = Repository.find(registry.root)
    remote = repository.remote("main")
    assert remote is not None

    found = repository.fetch_all(remote, ["stable", "main", "none/such"])

    assert found == {"stable": None, "main": repository.tip(), "none/such": None}
