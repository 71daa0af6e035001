"""`calreg propose`: a run on a branch of its own, and the pull request that it is judged by."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from desk import scores, wide
from githost import ApiServer, GitServer

WORDS = ("--head", "m/mood")


@pytest.fixture
def host(tmp_path, published, git):
    """A host with the registry as `ada/reg`, and a person's clone with it as origin."""
    bare = tmp_path / "ada" / "reg.git"
    bare.parent.mkdir()
    git(tmp_path, "clone", "--quiet", "--bare", str(published), str(bare))
    git(bare, "config", "http.receivepack", "true")
    with GitServer(tmp_path) as server:
        git(published, "remote", "add", "origin", f"{server.url}/ada/reg.git")
        git(published, "fetch", "--quiet", "origin")
        git(published, "branch", "--quiet", "--set-upstream-to=origin/main", "main")
        yield bare


@pytest.fixture
def api(host, monkeypatch):
    """The host's API, and a token for it in the environment."""
    with ApiServer("ada/reg") as server:
        monkeypatch.setenv("GITHUB_API_URL", server.url)
        monkeypatch.setenv("CALREG_GITHUB_TOKEN", server.token)
        yield server


def branches(git, host) -> dict[str, str]:
    rows = git(host, "for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads")
    return dict(line.split() for line in rows.splitlines())


def test_a_branch_is_pushed_and_nothing_else_moves(host, published, cli, git, drifted):
    """The run is one commit on the remote's main, on a branch of its own; here nothing moves."""
    before = git(published, "rev-parse", "HEAD"), git(published, "status", "--porcelain")

    said = cli("propose", drifted, *WORDS)

    assert said.code == 0
    found = branches(git, host)
    (name,) = found.keys() - {"main"}
    assert name.startswith("calreg/run-2-")
    assert git(host, "rev-parse", f"{name}^") == found["main"] == before[0]
    assert "runs/2.json" in git(host, "ls-tree", "-r", "--name-only", name).splitlines()
    assert (git(published, "rev-parse", "HEAD"), git(published, "status", "--porcelain")) == before
    assert git(published, "branch", "--list") == "* main"


def test_without_a_token_the_address_is_said(host, published, cli, drifted):
    """Without a token the last line says where a person opens the pull request."""
    said = cli("propose", drifted, *WORDS, "--branch", "mine")

    last = said.out.rstrip().splitlines()[-1]
    assert last.startswith("Next: open the pull request: https://127.0.0.1:")
    assert last.endswith("/ada/reg/compare/main...mine?expand=1")


def test_a_pull_request_is_opened(api, published, cli, drifted):
    """With a token the pull request is opened: subject, branches, and the report as its text."""
    said = cli("propose", drifted, *WORDS, "--branch", "mine")

    assert said.code == 0
    assert "Pull request opened: https://host/1" in said.out
    (pull,) = api.pulls
    assert pull["title"] == "Run 2: 1 head, 1 reference moved"
    assert (pull["head"]["ref"], pull["base"]) == ("mine", "main")
    assert "Nothing blocks this change" in pull["body"]
    assert "<code>m/mood</code>" in pull["body"]


def test_a_pull_request_is_updated(api, host, published, cli, git, drifted, tmp_path):
    """The same branch again replaces the proposal and its text; there is still one of each."""
    assert cli("propose", drifted, *WORDS, "--branch", "mine").code == 0
    first = branches(git, host)["mine"]
    other = wide(tmp_path / "other.csv", happy=scores(500, power=4), sad=scores(500, seed=1))

    said = cli("propose", other, *WORDS, "--branch", "mine")

    assert "Pull request updated: https://host/1" in said.out
    assert len(api.pulls) == 1
    tip = branches(git, host)["mine"]
    assert tip != first
    assert git(host, "rev-parse", "mine^") == branches(git, host)["main"]
    assert "| 500 |" in api.pulls[0]["body"]


def test_the_same_again_changes_nothing(api, host, published, cli, git, drifted):
    """Proposing the same scores twice leaves one branch at one commit, and one pull request."""
    assert cli("propose", drifted, *WORDS).code == 0
    before = branches(git, host)

    assert cli("propose", drifted, *WORDS).code == 0

    assert branches(git, host) == before
    assert len(api.pulls) == 1


def test_what_is_there_already_is_not_proposed(host, published, cli, git, table):
    """Scores that a run of the registry was made of are nothing to propose."""
    said = cli("propose", table, *WORDS)

    assert said.code == 0
    assert "Nothing to propose: run 1" in said.out
    assert set(branches(git, host)) == {"main"}


def test_from_a_branch_that_is_only_here(host, published, cli, git, drifted):
    """On a branch that the remote does not know, a run is proposed to the remote's main branch."""
    git(published, "switch", "--quiet", "--no-track", "--create", "thoughts")

    said = cli("propose", drifted, *WORDS, "--json")

    assert said.code == 0, said.err
    assert said.json["base"] == "main"


def test_a_branch_of_others_is_left_alone(host, published, cli, git, drifted):
    """A branch that holds anything but a proposal is not replaced."""
    git(published, "switch", "--quiet", "--create", "mine")
    (published / "README.md").write_text("work\n")
    git(published, "commit", "--quiet", "--all", "--message", "work")
    git(published, "push", "--quiet", "origin", "mine")
    git(published, "switch", "--quiet", "main")
    before = branches(git, host)

    said = cli("propose", drifted, *WORDS, "--branch", "mine")

    assert said.code == 4
    assert "holds other commits than a proposal" in said.err
    assert branches(git, host) == before


def test_main_is_no_branch_for_a_proposal(host, published, cli, drifted):
    """A proposal to main cannot lie on main."""
    assert cli("propose", drifted, *WORDS, "--branch", "main").code == 3


def test_on_the_remote_as_it_is_now(host, published, cli, git, drifted, tmp_path):
    """The run follows what the remote holds by now, not what this clone knows of it."""
    git(tmp_path, "clone", "--quiet", str(host), "theirs")
    (tmp_path / "theirs/calreg.yaml").write_text("calibrate_heads: true\n")
    other = wide(tmp_path / "other.csv", happy=scores(500, power=4), sad=scores(500, seed=1))
    assert cli("--registry", tmp_path / "theirs", "run", other, *WORDS, "--push").code == 0

    said = cli("propose", drifted, *WORDS, "--json")

    assert said.json["version"] == 3


def test_a_dry_run_pushes_nothing(api, host, published, cli, git, drifted):
    """A dry run says what the gate would say; no branch, no request."""
    said = cli("propose", drifted, *WORDS, "--dry-run")

    assert said.code == 0
    assert "Nothing was pushed: dry run." in said.out
    assert set(branches(git, host)) == {"main"}
    assert api.requests == []


def test_production_proposes_nothing(host, published, cli, git, drifted, monkeypatch):
    """A place in production mode computes nothing for others to merge."""
    monkeypatch.setenv("CALREG_CALIBRATE_HEADS", "false")

    said = cli("propose", drifted, *WORDS)

    assert said.code == 4
    assert "production mode" in said.err
    assert set(branches(git, host)) == {"main"}


@pytest.fixture
def lenient(published):
    """A person whose own rules are looser than the registry's."""
    file = published / "calreg.yaml"
    file.write_text(file.read_text() + "heads:\n  '*':\n    calibration_drift_jsd: 0.9\n")
    return file


def test_what_the_gate_blocks_is_not_pushed(host, lenient, cli, git, drifted):
    """A run by rules of one's own is told to be blocked, and is pushed only if one insists."""
    said = cli("propose", drifted, *WORDS)

    assert said.code == 1
    assert "Nothing was pushed: the gate would block it." in said.out
    assert "drift-recomputed" in said.out
    assert set(branches(git, host)) == {"main"}
    assert cli("propose", drifted, *WORDS, "--anyway", "--branch", "mine").code == 0
    assert set(branches(git, host)) == {"main", "mine"}


def test_json_says_all(api, published, cli, drifted):
    """The document says version, commit, branch, address, and what the gate says."""
    said = cli("propose", drifted, *WORDS, "--branch", "mine", "--json")

    assert said.json["version"] == 2
    assert said.json["branch"] == "mine"
    assert said.json["base"] == "main"
    assert said.json["pushed"] is True
    assert (said.json["url"], said.json["pull_request"]) == ("https://host/1", 1)
    assert said.json["gate"]["ok"] is True


# What is committed already


@pytest.fixture
def committed(host, published, cli, drifted, git):
    """A run that was committed on a branch here, and is at no remote."""
    git(published, "switch", "--quiet", "--create", "more-happy")
    assert cli("run", drifted, *WORDS).code == 0
    return git(published, "rev-parse", "HEAD")


def test_what_is_committed_is_proposed(api, host, published, committed, cli, git):
    """Without scores the branch goes to the remote as it is, with a pull request to main."""
    said = cli("propose", "--json")

    assert said.code == 0, said.err
    assert branches(git, host)["more-happy"] == committed
    assert (said.json["branch"], said.json["base"]) == ("more-happy", "main")
    assert (said.json["commit"], said.json["version"]) == (committed, None)
    (pull,) = api.pulls
    assert pull["title"] == "Run 2: 1 head, 1 reference moved"
    assert (pull["head"]["ref"], pull["base"]) == ("more-happy", "main")
    assert "Nothing blocks this change" in pull["body"]
    assert git(published, "branch", "--list", "--format=%(refname:short)") == "main\nmore-happy"


def test_decisions_are_proposed_like_runs(api, host, published, cli, git):
    """What a command for single heads committed on main is proposed on a branch of its own."""
    assert cli("withdraw", "m/mood", "v1", "--reason", "two labels were swapped").code == 0
    first = git(published, "rev-parse", "--short=8", "HEAD")
    said = cli("propose", "--json")
    assert said.code == 0, said.err
    assert said.json["branch"] == f"calreg/main-{first}"
    git(published, "commit", "--quiet", "--allow-empty", "--message", "and another")

    said = cli("propose", "--json")

    assert said.json["branch"] == f"calreg/main-{first}"
    assert branches(git, host)[f"calreg/main-{first}"] == git(published, "rev-parse", "HEAD")
    assert [pull["title"] for pull in api.pulls] == ["and another and 1 more commit"]
    assert branches(git, host)["main"] == git(published, "rev-parse", "HEAD~2")


def test_a_committed_forgery_is_not_pushed(host, published, committed, cli, git):
    """What the gate blocks stays here: exit code 1, the finding, and how to push it anyway."""
    file = published / "m/v2/run.json"
    file.write_text(file.read_text().replace('"is_stable": false', '"is_stable": true'))
    git(published, "commit", "--quiet", "--all", "--message", "forged")

    said = cli("propose")

    assert said.code == 1
    assert "drift-recomputed" in said.out
    assert "Nothing was pushed: the gate would block it." in said.out
    assert set(branches(git, host)) == {"main"}


def test_commits_that_are_not_here_are_kept(host, committed, cli, git, tmp_path):
    """A branch over there with commits that this one lacks is not overwritten."""
    git(tmp_path, "clone", "--quiet", str(host), "theirs")
    git(tmp_path / "theirs", "switch", "--quiet", "--create", "more-happy")
    git(tmp_path / "theirs", "commit", "--quiet", "--allow-empty", "--message", "theirs")
    git(tmp_path / "theirs", "push", "--quiet", "origin", "more-happy")
    before = branches(git, host)

    said = cli("propose")

    assert said.code == 4
    assert "holds commits that are not in what is proposed" in said.err
    assert "--branch NAME" in said.err
    assert branches(git, host) == before
    assert cli("propose", "--branch", "another").code == 0


def test_nothing_committed_is_nothing_to_propose(host, published, cli, git):
    """Where the remote has all that is committed, that is said, with what is not committed."""
    file = published / "registry.yaml"
    file.write_text(file.read_text() + "# mine\n")

    said = cli("propose")

    assert said.code == 0
    assert "Nothing to propose: main at http://127.0.0.1" in said.out
    assert "Note: not committed, so no part of it: registry.yaml" in said.err
    assert set(branches(git, host)) == {"main"}
    assert cli("propose", "--json").json["pushed"] is False


def test_a_change_of_both_sides_is_not_proposed(host, published, committed, cli, git, tmp_path):
    """Where main took another run of that number meanwhile: "could not tell", and what to do."""
    git(tmp_path, "clone", "--quiet", str(host), "theirs")
    (tmp_path / "theirs/calreg.yaml").write_text("calibrate_heads: true\n")
    other = wide(tmp_path / "other.csv", happy=scores(500, power=4), sad=scores(500, seed=1))
    assert cli("--registry", tmp_path / "theirs", "run", other, *WORDS, "--push").code == 0

    said = cli("propose")

    assert said.code == 3
    assert "both sides changed" in said.err
    assert "Hint: " in said.err
    assert set(branches(git, host)) == {"main"}


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (("propose", "--head", "m/mood"), 2, "without SCORES no run is computed"),
        (("propose", "--timestamp", "2026-01-01T00:00:00Z"), 2, "--timestamp"),
        (("propose", "--branch", "main"), 3, "cannot lie on main itself"),
        (("propose", "--branch", "-x"), 3, "'-x' is not the name of a branch"),
        (("propose", "--base", "no"), 3, "has no branch no to propose to"),
    ],
)
def test_what_cannot_be_proposed(host, committed, cli, git, words, code, what):
    """Words that make no sense are refused in one line, with a hint, and nothing is pushed."""
    said = cli(*words)

    assert said.code == code
    assert what in said.err
    assert len(said.err.splitlines()) == 2 - (words[-1] == "-x")
    assert set(branches(git, host)) == {"main"}


def test_a_detached_head_is_no_branch(host, published, cli, git):
    """Of a detached HEAD nobody knows where it belongs."""
    git(published, "switch", "--quiet", "--detach")

    said = cli("propose")

    assert said.code == 3
    assert "HEAD is detached" in said.err
    assert "git switch -c NAME" in said.err


def test_without_a_remote_there_is_nowhere_to_propose(published, cli, drifted):
    """Without a remote: one line, and how to name one."""
    for words in ((), (drifted, *WORDS)):
        said = cli("propose", *words)
        assert said.code == 3
        assert "no remote" in said.err
        assert "Hint: git remote add origin URL" in said.err


# The token


def test_a_token_for_elsewhere_is_said_to_be_unused(host, published, cli, drifted, monkeypatch):
    """Who gave a token that is not sent to this host is told so, and what to set; not the token."""
    monkeypatch.setenv("GITHUB_TOKEN", "gh0st")

    said = cli("propose", drifted, *WORDS)

    assert said.code == 0
    assert "Note: GITHUB_TOKEN is for github.com, so 127.0.0.1:" in said.err
    assert "GITHUB_API_URL=https://127.0.0.1:" in said.err
    assert "gh0st" not in said.out + said.err


def test_a_password_in_the_address_is_not_shown(host, published, cli, git, drifted):
    """An address with a user and a password works, and neither is ever shown."""
    url = git(published, "remote", "get-url", "origin")
    git(published, "remote", "set-url", "origin", url.replace("//", "//ada:s3cret@"))

    said = cli("propose", drifted, *WORDS, "--branch", "mine")

    assert said.code == 0
    assert "mine" in branches(git, host)
    assert "s3cret" not in said.out + said.err
    assert "/ada/reg/compare/main...mine" in said.out


def test_the_token_is_nowhere_but_in_the_header(api, host, published, drifted, home):
    """The token is in no output, no argument, no file: only in the header to the API."""
    done = subprocess.run(
        [sys.executable, "-m", "calreg", "--debug", "propose", str(drifted), *WORDS],
        cwd=published, capture_output=True, text=True, check=False, env=os.environ,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert api.token not in done.stdout + done.stderr
    assert {request.authorization for request in api.requests} == {f"Bearer {api.token}"}
    for folder in (published, host, home):
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert not [path for path in files if api.token.encode() in path.read_bytes()]


def test_a_netrc_does_not_take_its_place(api, published, cli, drifted, home):
    """What a .netrc says about the host is not sent instead of the token."""
    (home / ".netrc").write_text("machine 127.0.0.1 login eve password other\n")
    (home / ".netrc").chmod(0o600)

    assert cli("propose", drifted, *WORDS).code == 0
    assert {request.authorization for request in api.requests} == {f"Bearer {api.token}"}


def test_a_redirect_is_not_followed(api, published, cli, drifted):
    """A host that sends us elsewhere gets no second request, and the other one no token."""
    with ApiServer("ada/reg") as elsewhere:
        target = f"{elsewhere.url}/repos/ada/reg/pulls".encode()
        api.answers["/repos/ada/reg/pulls"] = (302, target)

        said = cli("propose", drifted, *WORDS)

        assert said.code == 5
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((401, b'{"message": "Bad credentials"}'), 4),
        ((403, b'{"message": "of t0ken: \\u001b[31mno\\nno"}'), 4),
        ((403, b'{"message": "Resource not accessible by integration"}'), 4),
        ((404, b"<html>"), 4),
        ((500, b"oops"), 5),
        ((200, b"{"), 5),
        ((200, b'{"a": 1}'), 5),
        ((200, b'[{"head": {"ref": "mine"}, "number": "1"}]'), 5),
        ((200, b"[" * 100_000), 5),
    ],
)
def test_what_an_api_may_answer(api, host, cli, git, drifted, answer, code):
    """Whatever the API says: the branch is pushed, that is said, and the token is not."""
    status, raw = answer
    api.answers["/repos/ada/reg/pulls"] = (status, raw)

    said = cli("propose", drifted, *WORDS, "--branch", "mine")

    assert said.code == code
    assert "branch mine is pushed, but" in said.err
    assert "compare/main...mine" in said.err
    assert api.token not in said.out + said.err
    assert len(said.err.splitlines()) == 2
    assert said.err.splitlines()[1].startswith("Hint: ")
    assert "mine" in branches(git, host)


@pytest.mark.parametrize("url", ["http://example.org", "ftp://127.0.0.1", "https://u:p@h", "x"])
def test_a_token_travels_encrypted(host, published, cli, git, drifted, monkeypatch, url):
    """An API that is not reached over https is refused before anything is pushed."""
    monkeypatch.setenv("GITHUB_API_URL", url)
    monkeypatch.setenv("GITHUB_TOKEN", "t0ken")

    said = cli("propose", drifted, *WORDS)

    assert said.code == 3
    assert set(branches(git, host)) == {"main"}
