"""`push`, and `--stable`: what waits is published, and both branches move at once."""

import json

import pytest

from calreg.signing import new_key


@pytest.fixture
def remote(git, published, tmp_path):
    """A bare repository that the registry of the person is pushed to."""
    folder = tmp_path / "remote.git"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "remote.git")
    git(published, "remote", "add", "origin", str(folder))
    git(published, "push", "--quiet", "--set-upstream", "origin", "main")
    return folder


def tips(git, *places, branch="main"):
    return {git(place, "rev-parse", branch) for place in places}


def test_offline_run_is_pushed_later(cli, published, remote, drifted, git):
    """A run that could not be pushed says `calreg push`, and that publishes it."""
    remote.rename(remote.with_suffix(".away"))
    said = cli("run", drifted, "--head", "m/mood", "--push")
    assert said.code == 5
    assert "Run 2 is kept as commit" in said.err
    assert "calreg push" in said.err
    assert cli("push").code == 5
    remote.with_suffix(".away").rename(remote)

    said = cli("push")

    assert said.code == 0
    assert "Run 2: 1 head, 1 reference moved" in said.out
    assert "1 commit pushed" in said.out
    assert len(tips(git, published, remote)) == 1
    assert "Nothing waits" in cli("push").out


def test_push_in_json(cli, published, remote, drifted):
    """--json has every commit that waited, and what became of it."""
    assert "calreg push" in cli("run", drifted, "--head", "m/mood").out

    found = cli("push", "--json").json

    assert (found["pushed"], found["refused"], found["branch"]) == (1, 0, "main")
    assert [(one["outcome"], one["version"], one["was"]) for one in found["items"]] == [
        ("pushed", 2, 2)
    ]


def test_push_without_a_remote(cli, published):
    """Without a remote there is nowhere to push, and the hint says how to add one."""
    said = cli("push")

    assert said.code == 3
    assert "git remote add origin URL" in said.err


def test_forget_what_does_not_wait(cli, published, remote):
    """Only what waits in the outbox can be let go of."""
    said = cli("push", "--forget", "abcdef")

    assert said.code == 3
    assert "no commit that begins with 'abcdef' waits" in said.err


def test_refused_move_is_named(cli, published, remote, drifted, git, tmp_path, monkeypatch):
    """A move that a rule stands against is told with exit 4, and can be let go of."""
    monkeypatch.setenv("CALREG_CALIBRATE_HEADS", "1")
    assert cli("run", drifted, "--head", "m/mood", "--push").code == 0
    assert cli("rollback", "m/mood", "--reason", "x", "--push").code == 0
    assert cli("unpin", "m/mood", "--reason", "x", "--push").code == 0
    git(tmp_path, "clone", "--quiet", str(remote), "other")
    assert cli("--registry", "../other", "promote", "m/mood", "v2", "--reason", "y").code == 0
    assert cli("pin", "m/mood", "--reason", "z", "--push").code == 0

    said = cli("--registry", "../other", "push")

    assert said.code == 4
    assert "refused, m/mood is pinned to v1" in said.out
    commit = said.out.partition("--forget ")[2][:7]
    assert cli("--registry", "../other", "push", "--json").json["refused"] == 1
    assert "forgotten" in cli("--registry", "../other", "push", "--forget", commit).out
    assert cli("--registry", "../other", "push").code == 0


# --- both branches --------------------------------------------------------------------------


@pytest.fixture
def stable(cli, published, remote, drifted):
    """A registry at v2 whose references are published, and its remote."""
    assert cli("run", drifted, "--head", "m/mood", "--push").code == 0
    assert cli("stable", "publish").code == 0
    return remote


def served(git, remote):
    index = json.loads(git(remote, "show", "stable:index.json"))
    held = json.loads(git(remote, "show", "stable:m/mood-calibration.json"))
    return index["seq"], index["commit"], held["version"]


def test_rollback_of_both(cli, published, stable, git):
    """--stable moves main and stable in one push: production has the roll-back at once."""
    said = cli("rollback", "m/mood", "--reason", "alarms", "--stable")

    assert said.code == 0
    assert "index 2 published on stable in the same step" in said.out
    assert "stable publish" not in said.out
    assert served(git, stable) == (2, git(stable, "rev-parse", "main"), 1)
    assert len(tips(git, published, stable)) == 1


def test_withdraw_of_both(cli, published, stable, git):
    """A withdrawal with --stable is on production's list at once."""
    found = cli("withdraw", "m/mood", "v2", "--reason", "x", "--stable", "--json").json

    assert found["stable"]["seq"] == 2
    assert found["stable"]["missing_signatures"] == 0
    assert found["pushed"]
    listed = json.loads(git(stable, "show", "stable:withdrawn.json"))
    assert set(listed["heads"]["m/mood"]) == {"v2"}
    assert served(git, stable)[2] == 1


def test_withdrawal_of_the_only_reference(cli, published, remote, git):
    """Where nothing is left to go back to, production is told at once that it has nothing."""
    assert cli("stable", "publish").code == 0

    said = cli("withdraw", "m/mood", "v1", "--reason", "x", "--stable")

    assert said.code == 0, said.err
    assert git(remote, "ls-tree", "-r", "--name-only", "stable").split() == [
        "index.json",
        "withdrawn.json",
    ]
    assert cli("doctor").code == 0


def test_both_or_neither(cli, published, stable, git):
    """If the server takes one branch only, neither moves."""
    before = tips(git, stable), tips(git, stable, branch="stable")
    hook = stable / "hooks/update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\n[ "$1" != refs/heads/stable ] || { echo no >&2; exit 1; }\n')
    hook.chmod(0o755)

    said = cli("rollback", "m/mood", "--reason", "alarms", "--stable")

    assert said.code == 4
    assert (tips(git, stable), tips(git, stable, branch="stable")) == before


def test_without_stable_the_next_step_is_said(cli, published, stable):
    """Without --stable, what production still needs is the next step."""
    said = cli("withdraw", "m/mood", "v2", "--reason", "x", "--push")

    assert said.code == 0
    assert "calreg stable publish" in said.out


def test_no_stable_branch(cli, published, remote, drifted, git):
    """--stable where production reads no branch of its own is refused; nothing moves."""
    cli("run", drifted, "--head", "m/mood", "--push")
    before = tips(git, published, remote)

    said = cli("rollback", "m/mood", "--reason", "x", "--stable")

    assert said.code == 4
    assert "there is no branch stable" in said.err
    assert tips(git, published, remote) == before


def test_registry_with_keys(cli, published, remote, drifted, git, tmp_path):
    """In a registry with keys --stable needs --sign, and signs what it publishes."""
    key = tmp_path / "ci"
    new_key(key, comment="ci@reg")
    assert cli("run", drifted, "--head", "m/mood", "--push").code == 0
    said = cli("keys", "trust", f"{key}.pub", "--sign", key, "--push")
    assert said.code == 0, said.err
    assert cli("stable", "publish", "--sign", key).code == 0
    before = tips(git, published, remote)

    said = cli("rollback", "m/mood", "--reason", "x", "--stable")
    assert said.code in {2, 4}
    assert "--sign" in said.err
    assert tips(git, published, remote) == before

    said = cli("rollback", "m/mood", "--reason", "x", "--stable", "--sign", key)
    assert said.code == 0, said.err
    assert "BEGIN SSH SIGNATURE" in git(remote, "show", "stable:index.json.sig")
    assert served(git, remote)[2] == 1
