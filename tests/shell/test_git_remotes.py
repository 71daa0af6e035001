from __future__ import annotations

import base64
import os
import random
import shutil
import socket
import subprocess
import threading
from datetime import UTC, datetime

import pytest
from githttp import GitServer

from calreg.errors import CalregError, InputError, RegistryError, StaleRegistryError, TransportError
from calreg.git import (
    Repository,
    drop_cache,
    fetch_remote,
    init_repository,
    is_cache,
    remote_tip,
)
from calreg.git.remotes import address_of

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def commit(repository, files, parent):
    return repository.commit(
        branch="main",
        parent=parent,
        files=files,
        message="m",
        identity=repository.identity(),
        when=WHEN,
    )


def hook(folder, name, script):
    (folder / "hooks").mkdir(exist_ok=True)
    (folder / "hooks" / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / "hooks" / name).chmod(0o755)


def closed_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def test_published_to_its_remote(clone, publish, remote_folder):
    """A commit that is published with its remote is at both, and the remote branch is known."""
    first = clone("first")

    new = publish(first, {"a": b"1\n"}, push=True)

    assert first.tip() == new == remote_tip(str(remote_folder), "main")
    assert first.tip("refs/remotes/origin/main") == new


def test_the_upstream_of_a_branch_is_its_remote(clone, publish, run_git):
    """The configured upstream decides remote and branch; without one it is origin."""
    first = clone("first")
    publish(first, {"a": b"1\n"}, push=True)
    run_git(first.work_tree, "remote", "add", "other", "git@example.org:x.git")
    run_git(first.work_tree, "config", "branch.main.remote", "other")
    run_git(first.work_tree, "config", "branch.main.merge", "refs/heads/trunk")

    remote = Repository.find(first.work_tree).remote("main")

    assert (remote.name, remote.url, remote.branch) == ("other", "git@example.org:x.git", "trunk")
    assert first.remote("unknown").name == "origin"


def test_no_remote_is_none(repository):
    """A repository without remotes has none."""
    assert repository.remote("main") is None


def test_second_publisher_is_told(clone, publish):
    """Of two publishers from the same commit the second gets StaleRegistryError, unchanged."""
    first, second = clone("first"), clone("second")
    old = publish(first, {"a": b"1\n"}, push=True)
    second.fetch(second.remote("main"))
    second.publish("main", old=None, new=old)
    publish(first, {"a": b"2\n"}, push=True)

    new = commit(second, {"b": b"1\n"}, old)
    with pytest.raises(StaleRegistryError, match="somebody else published to main"):
        second.push(second.remote("main"), branch="main", new=new, expected=old)

    assert second.tip() == old
    assert not (second.work_tree / "b").exists()


def test_the_second_publisher_can_go_on(clone, publish, run_git):
    """After a lost race: fetch, follow, commit again, push; nothing is lost."""
    first, second = clone("first"), clone("second")
    old = publish(first, {"a": b"1\n"}, push=True)
    second.publish("main", old=None, new=second.fetch(second.remote("main")))
    publish(first, {"a": b"2\n"}, push=True)

    theirs = second.fetch(second.remote("main"))
    second.publish("main", old=old, new=theirs)
    publish(second, {"b": b"1\n"}, push=True)

    tip = remote_tip(second.remote("main").url, "main")
    assert second.read(tip).read_many(["a", "b"]) == {"a": b"2\n", "b": b"1\n"}
    assert run_git(second.work_tree, "status", "--porcelain") == ""


def test_a_rewritten_remote_is_not_overwritten(clone, publish):
    """A commit that does not come after the remote's tip is never pushed over it."""
    first, second = clone("first"), clone("second")
    publish(first, {"a": b"1\n"}, push=True)
    theirs = second.fetch(second.remote("main"))
    unrelated = commit(second, {"b": b"1\n"}, None)

    with pytest.raises(StaleRegistryError, match="does not come after"):
        second.push(second.remote("main"), branch="main", new=unrelated, expected=theirs)


def test_an_unpushed_run_goes_along_with_the_next(clone, publish, remote_folder):
    """A commit that was kept here is pushed together with the next one."""
    first = clone("first")
    publish(first, {"a": b"1\n"}, push=True)
    publish(first, {"a": b"2\n"})

    new = publish(first, {"a": b"3\n"}, push=True)

    assert remote_tip(str(remote_folder), "main") == new


def test_a_declining_hook_is_quoted(clone, publish, remote_folder):
    """What a server's hook says is in the error, on one line, and nothing changed here."""
    hook(remote_folder, "pre-receive", "echo 'signed commits only' >&2; echo 'see wiki'; exit 1")
    first = clone("first")

    with pytest.raises(RegistryError, match="signed commits only / see wiki") as caught:
        publish(first, {"a": b"1\n"}, push=True)

    assert not isinstance(caught.value, StaleRegistryError)
    assert "pre-receive hook declined" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert first.tip() is None
    assert not (first.work_tree / "a").exists()


def test_a_hooks_words_are_not_taken_for_a_race(clone, publish, remote_folder):
    """A hook that talks like git about locks still refuses, and is not tried again."""
    said = "cannot lock ref refs/x: is at 1 but expected 2, stale info"
    hook(remote_folder, "pre-receive", f"echo '{said}' >&2; exit 1")

    with pytest.raises(RegistryError, match="but expected 2") as caught:
        publish(clone("first"), {"a": b"1\n"}, push=True)

    assert not isinstance(caught.value, StaleRegistryError)


def test_control_characters_of_a_server_do_not_reach_the_terminal(clone, publish, remote_folder):
    """Escape sequences that a hook prints are not passed on."""
    hook(remote_folder, "pre-receive", r"printf 'a\033[31mb\n' >&2; exit 1")

    with pytest.raises(RegistryError) as caught:
        publish(clone("first"), {"a": b"1\n"}, push=True)

    assert str(caught.value).isprintable()


def test_an_unreachable_remote_is_a_transport_error(clone, publish, run_git):
    """Nobody listening is exit code 5 with advice, and nothing changed here."""
    first = clone("first")
    url = f"http://me:canary@127.0.0.1:{closed_port()}/x.git"
    run_git(first.work_tree, "remote", "set-url", "origin", url)
    first = Repository.find(first.work_tree)

    with pytest.raises(TransportError, match="cannot fetch from") as caught:
        publish(first, {"a": b"1\n"}, push=True)

    assert caught.value.code == "unreachable"
    assert "canary" not in str(caught.value)
    assert first.tip() is None


def test_a_missing_remote_folder_is_a_transport_error(clone, publish, run_git, tmp_path):
    """A remote that is gone is exit code 5, and says to check the address."""
    first = clone("first")
    run_git(first.work_tree, "remote", "set-url", "origin", f"{tmp_path}/gone.git")

    with pytest.raises(TransportError, match="gone") as caught:
        publish(Repository.find(first.work_tree), {"a": b"1\n"}, push=True)

    assert caught.value.hint == "Check the address."


def test_a_server_that_never_answers_ends_in_time(tmp_path):
    """A silent server is given up on after the time limit."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x.git"

        with pytest.raises(TransportError, match=r"did not end within 0\.3 s"):
            remote_tip(url, timeout_s=0.3)


def test_http_push_and_fetch(git_server, clone, publish, run_git, tmp_path, remote_folder):
    """Smart HTTP works both ways, with depth and without a clone."""
    run_git(remote_folder, "config", "http.receivepack", "true")
    first = clone("first")
    run_git(first.work_tree, "remote", "set-url", "origin", f"{git_server.url}/remote.git")
    first = Repository.find(first.work_tree)
    publish(first, {"a": b"1\n"}, push=True)
    new = publish(first, {"a": b"2\n"}, push=True)

    cache, fetched = fetch_remote(f"{git_server.url}/remote.git", "main", tmp_path / "cache")

    assert fetched == new == remote_tip(f"{git_server.url}/remote.git")
    assert cache.read(fetched).read("a") == b"2\n"
    assert len(cache.log(fetched)) == 1


def test_a_token_is_used_and_never_shown(tmp_path, publish, remote_folder):
    """A token in an address opens the door, and is in no error when it does not."""
    new = publish(Repository.find(remote_folder), {"a": b"1\n"})
    with GitServer(tmp_path, token="canary") as server:
        host = server.url.removeprefix("http://")

        _, fetched = fetch_remote(f"http://me:canary@{host}/remote.git", "HEAD", tmp_path / "c")
        with pytest.raises(TransportError) as caught:
            fetch_remote(f"http://me:canary2@{host}/remote.git", "HEAD", tmp_path / "c")

    assert fetched == new
    assert caught.value.code == "auth"
    assert "canary" not in f"{caught.value} {caught.value.hint}"
    assert "canary" not in (tmp_path / "c" / "config").read_text()


def test_a_token_is_not_an_argument():
    """A token in an address goes to git in its environment, where no process list shows it."""
    address, settings = address_of("https://me:can%40ary@example.org/x.git")

    assert address == "https://example.org/x.git"
    header = base64.b64encode(b"me:can@ary").decode()
    assert settings == (
        ("http.https://example.org/x.git.extraHeader", f"Authorization: Basic {header}"),
    )


def test_the_users_programs_are_not_run(home, tmp_path):
    """A program that the user's own configuration names for ssh is not started."""
    with (home / ".gitconfig").open("a") as file:
        file.write(f'[core]\n\tsshCommand = "touch {tmp_path}/canary; false"\n')

    with pytest.raises(TransportError):
        remote_tip(f"ssh://127.0.0.1:{closed_port()}/x.git")

    assert not (tmp_path / "canary").exists()


def test_redirects_are_not_followed(tmp_path, remote_folder, publish):
    """A token is not carried to where a server redirects."""
    publish(Repository.find(remote_folder), {"a": b"1\n"})
    with GitServer(tmp_path) as target, GitServer(tmp_path, redirect_to=target.url) as server:
        host = server.url.removeprefix("http://")

        with pytest.raises(TransportError):
            remote_tip(f"http://me:canary@{host}/remote.git")

        assert target.requests == []


@pytest.mark.parametrize("form", ["path", "uri"])
def test_a_local_registry_is_fetched(form, tmp_path, remote_folder, publish):
    """A folder and its file:// address give the same commit; a second fetch gives the next."""
    bare = Repository.find(remote_folder)
    publish(bare, {"a": b"1\n"})
    url = str(remote_folder) if form == "path" else remote_folder.as_uri()
    fetch_remote(url, "HEAD", tmp_path / "cache")
    new = publish(bare, {"a": b"2\n"})

    cache, fetched = fetch_remote(url, "main", tmp_path / "cache")

    assert fetched == new
    assert cache.read(new).read("a") == b"2\n"


def test_a_broken_cache_is_made_anew(tmp_path, remote_folder, publish):
    """A cache that lost its insides is thrown away and fetched again."""
    new = publish(Repository.find(remote_folder), {"a": b"1\n"})
    fetch_remote(str(remote_folder), "HEAD", tmp_path / "cache")
    (tmp_path / "cache" / "HEAD").write_text("garbage")

    cache, fetched = fetch_remote(str(remote_folder), "HEAD", tmp_path / "cache")

    assert cache.read(fetched).read("a") == b"1\n"
    assert fetched == new


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_is_no_folder_is_no_cache(tmp_path, remote_folder, publish, kind):
    """A link or a file where the cache would be is left alone and named."""
    publish(Repository.find(remote_folder), {"a": b"1\n"})
    place = tmp_path / "cache"
    if kind == "link":
        (tmp_path / "elsewhere").mkdir()
        place.symlink_to(tmp_path / "elsewhere")
    else:
        place.write_bytes(b"mine")

    with pytest.raises(InputError, match="not a cache of ours"):
        fetch_remote(str(remote_folder), "main", place)

    assert place.is_symlink() or place.read_bytes() == b"mine"


def test_a_half_deleted_cache_is_made_anew(tmp_path, remote_folder, publish):
    """A cache that a killed process deleted in part is still known as ours, to the last file."""
    new = publish(Repository.find(remote_folder), {"a": b"1\n"})
    fetch_remote(str(remote_folder), "main", tmp_path / "cache")
    shutil.rmtree(tmp_path / "cache" / "objects")
    (tmp_path / "cache" / "HEAD").unlink()

    assert is_cache(tmp_path / "cache")
    assert fetch_remote(str(remote_folder), "main", tmp_path / "cache")[1] == new
    drop_cache(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_cache_does_not_grow_for_ever(tmp_path, remote_folder, publish):
    """A cache that many fetches left packs in is begun anew, and answers as before."""
    new = publish(Repository.find(remote_folder), {"a": b"1\n"})
    cache, _ = fetch_remote(str(remote_folder), "main", tmp_path / "cache")
    pack = next((cache.git_dir / "objects/pack").glob("*.pack"))
    for number in range(60):
        pack.with_name(f"pack-{number:040x}.pack").write_bytes(pack.read_bytes())

    again, tip = fetch_remote(str(remote_folder), "main", tmp_path / "cache")

    assert tip == new
    assert again.read(tip).read("a") == b"1\n"
    assert len(list((cache.git_dir / "objects/pack").glob("*.pack"))) == 1


def test_a_registry_of_the_newer_hash_is_fetched(tmp_path, publish, run_git):
    """A repository that names its objects by sha256 is fetched like any other, and again."""
    run_git(tmp_path, "init", "--quiet", "--bare", "--object-format=sha256", "remote")
    remote = Repository.find(tmp_path / "remote")

    for text in (b"1\n", b"2\n"):
        new = publish(remote, {"a": text})
        cache, tip = fetch_remote(str(remote.git_dir), "main", tmp_path / "cache")

        assert (tip, len(tip)) == (new, 64)
        assert cache.read(tip).read("a") == text


def test_a_cache_with_damaged_objects_is_made_anew(tmp_path, remote_folder, publish):
    """A cache whose objects are damaged is thrown away and fetched again."""
    bare = Repository.find(remote_folder)
    publish(bare, {"a": b"1\n"})
    fetch_remote(str(remote_folder), "HEAD", tmp_path / "cache")
    for pack in (tmp_path / "cache" / "objects" / "pack").iterdir():
        pack.chmod(0o600)
        pack.write_bytes(b"garbage")
    new = publish(bare, {"b": b"2\n"})

    cache, fetched = fetch_remote(str(remote_folder), "HEAD", tmp_path / "cache")

    assert fetched == new
    assert cache.read(fetched).read_many(["a", "b"]) == {"a": b"1\n", "b": b"2\n"}


def test_a_trusted_registry_of_somebody_else_is_fetched(tmp_path, remote_folder, publish, home):
    """A registry that belongs to another user is read once the user says so to git."""
    new = publish(Repository.find(remote_folder), {"a": b"1\n"})
    with (home / ".gitconfig").open("a") as file:
        file.write(f'[safe]\n\tdirectory = "{remote_folder}"\n')
    if os.geteuid() == 0:
        # Only root can give files away; for others this shows that trust does no harm.
        os.chown(remote_folder, 1234, 1234)

    assert remote_tip(str(remote_folder)) == new
    assert fetch_remote(remote_folder.as_uri(), "HEAD", tmp_path / "cache")[1] == new


def test_a_folder_of_somebody_is_no_cache(tmp_path, remote_folder):
    """A folder with other things in it is never taken, or emptied, as a cache."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()

    with pytest.raises(InputError, match="not a cache of ours"):
        fetch_remote(str(remote_folder), "HEAD", tmp_path / "mine")

    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_an_empty_registry_and_a_missing_branch_are_named(tmp_path, remote_folder, publish):
    """No commits yet, and no such branch, are the registry's fault, not the network's."""
    with pytest.raises(RegistryError, match="has no commits yet"):
        fetch_remote(str(remote_folder), "HEAD", tmp_path / "cache")
    publish(Repository.find(remote_folder), {"a": b"1\n"})
    with pytest.raises(RegistryError, match="has no 'stable'"):
        fetch_remote(str(remote_folder), "stable", tmp_path / "cache")
    assert remote_tip(str(remote_folder), "stable") is None


def test_a_tree_that_leaves_its_folder_is_not_fetched(tmp_path, remote_folder, run_git):
    """Objects that git's own check refuses, such as a file named `..`, never arrive."""
    bare = Repository.find(remote_folder)
    blob = run_git(remote_folder, "hash-object", "-w", "/dev/null").strip()
    raw = b"100644 ..\0" + bytes.fromhex(blob)
    tree = subprocess.run(
        ["git", "hash-object", "-w", "-t", "tree", "--literally", "--stdin"],
        cwd=remote_folder, input=raw, capture_output=True, check=True,
    ).stdout.decode().strip()  # fmt: skip
    evil = run_git(remote_folder, "commit-tree", "-m", "m", tree).strip()
    run_git(remote_folder, "update-ref", "refs/heads/main", evil)

    with pytest.raises(TransportError):
        fetch_remote(str(remote_folder), "HEAD", tmp_path / "cache")

    assert bare.tip() == evil


def test_a_pack_over_the_limit_is_not_kept(tmp_path, remote_folder, publish):
    """A registry larger than the cap is refused while it arrives."""
    noise = random.Random(1)
    # Few files, each below the limit: together they are above it.
    publish(Repository.find(remote_folder), {f"{n}": noise.randbytes(3000) for n in range(20)})

    for depth in (1, None):
        with pytest.raises(TransportError, match="more than the 10000 bytes"):
            fetch_remote(
                str(remote_folder), "HEAD", tmp_path / "cache", depth=depth, max_bytes=10_000
            )
        assert list((tmp_path / "cache" / "objects" / "pack").iterdir()) == []


SMUGGLED = [
    "--upload-pack=touch canary",
    "--exec=touch canary",
    "--receive-pack=touch canary",
    "-utouch canary",
    "ext::sh -c touch% canary",
    "ext::touch canary",
    "fd::17",
    "ssh://-oProxyCommand=touch%20canary/x",
    "-oProxyCommand=touch canary:x",
    "x@-oProxyCommand=touch canary:x",
    "$(touch canary)",
    "`touch canary`",
    "; touch canary",
    "main:refs/heads/x --upload-pack=touch",
    "+main:main",
    "refs/heads/main:refs/heads/x",
    "\n--upload-pack=touch canary",
    "",
    "..",
    "@{upstream}",
    "HEAD^{commit}",
]


def test_options_are_never_smuggled_in(tmp_path, clone, publish, monkeypatch):
    """No text in the place of an address, branch, ref or commit starts a program."""
    monkeypatch.chdir(tmp_path)
    first = clone("first")
    publish(first, {"a": b"1\n"}, push=True)
    remote, cache = first.remote("main"), tmp_path / "cache"
    attempts = {
        "tip of address": remote_tip,
        "tip of branch": lambda text: remote_tip(remote.url, text),
        "fetch from address": lambda text: fetch_remote(text, "HEAD", cache),
        "fetch of branch": lambda text: fetch_remote(remote.url, text, cache),
        "tip": first.tip,
        "fetch": lambda text: first.fetch(remote, text),
        "read": first.read,
        "push": lambda text: first.push(remote, branch=text, new="0" * 40, expected=None),
    }

    accepted = [
        (name, text)
        for name, attempt in attempts.items()
        for text in SMUGGLED
        if not is_refused(attempt, text)
    ]

    assert accepted == []
    assert list(tmp_path.rglob("canary*")) == []


def is_refused(attempt, text):
    try:
        attempt(text)
    except CalregError:
        return True
    return False


def test_a_configured_address_is_checked_too(repository, run_git):
    """A remote whose configured address runs a program is refused before git sees it."""
    run_git(repository.work_tree, "remote", "add", "origin", "ext::touch canary")

    with pytest.raises(InputError, match="transport helper"):
        Repository.find(repository.work_tree).remote("main")


def test_a_shallow_clone_publishes(clone, publish, run_git, tmp_path, remote_folder):
    """A clone with one commit of history fetches and pushes, and stays shallow."""
    first = clone("first")
    for n in range(3):
        publish(first, {"a": b"%d\n" % n}, push=True)
    run_git(tmp_path, "clone", "--quiet", "--depth=1", remote_folder.as_uri(), "shallow")
    shallow = Repository.find(tmp_path / "shallow")

    new = publish(shallow, {"a": b"9\n"}, push=True)

    assert remote_tip(str(remote_folder), "main") == new
    assert (shallow.git_dir / "shallow").exists()


def test_racing_publishers_lose_nothing(clone, publish, remote_folder):
    """Three publishers who try again after every lost race all get their file in, once."""
    publish(clone("seed"), {"seed": b""}, push=True)
    failures: list[Exception] = []

    def work(repository, name):
        for _ in range(30):
            remote = repository.remote("main")
            seen, here = repository.fetch(remote), repository.tip()
            if seen != here:
                repository.publish("main", old=here, new=seen)
            new = commit(repository, {name: b""}, seen)
            try:
                repository.push(remote, branch="main", new=new, expected=seen)
            except StaleRegistryError:
                continue
            repository.publish("main", old=seen, new=new)
            return
        failures.append(RuntimeError(name))

    names = ["w0", "w1", "w2"]
    threads = [threading.Thread(target=work, args=(clone(name), name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    bare = Repository.find(remote_folder)
    assert failures == []
    assert set(bare.read(bare.tip()).paths()) == {"seed", *names}
    assert len(bare.log(bare.tip())) == 4


def test_a_work_tree_with_links_is_left_to_git(clone, publish, run_git):
    """A commit of somebody else that holds a symbolic link is not written to the work tree."""
    first, second = clone("first"), clone("second")
    old = publish(first, {"a": b"1\n"}, push=True)
    second.publish("main", old=None, new=second.fetch(second.remote("main")))
    (first.work_tree / "link").symlink_to("a")
    run_git(first.work_tree, "add", "link")
    run_git(first.work_tree, "commit", "--quiet", "-m", "link")
    run_git(first.work_tree, "push", "--quiet", "origin", "main")
    theirs = second.fetch(second.remote("main"))

    with pytest.raises(InputError, match="link or a submodule"):
        second.publish("main", old=old, new=theirs)

    assert second.tip() == old


def test_an_empty_remote_is_initialised_by_a_push(tmp_path, publish, run_git):
    """The first push to a new, empty remote makes its branch."""
    bare = init_repository(tmp_path / "new.git", bare=True)
    work = init_repository(tmp_path / "w")
    run_git(work.work_tree, "remote", "add", "origin", str(bare.git_dir))

    new = publish(Repository.find(work.work_tree), {"a": b"1\n"}, push=True)

    assert bare.tip("main") == new
