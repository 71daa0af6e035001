"""What CI runs: executed, and attacked by those who propose."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest
from githost import ApiServer, GitServer
from runner import Runner, steps_of, workflow_of
from workflow_texts import ACTION, TEXTS


@pytest.fixture
def served(tmp_path, published, cli, drifted, git):
    """A host with `ada/reg`, a second run proposed on a branch, and the token to read it."""
    git(published, "switch", "--quiet", "--create", "proposal")
    assert cli("run", drifted, "--head", "m/mood").code == 0
    bare = tmp_path / "ada" / "reg"
    bare.parent.mkdir()
    git(tmp_path, "clone", "--quiet", "--bare", str(published), str(bare))
    for key in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
        git(bare, "config", key, "true")
    with GitServer(tmp_path, token="t0ken") as server:
        yield server


def merged(git, folder: Path, head: str, base: str = "main") -> str:
    """The commit that the host makes of a pull request: the merge as it would be."""
    tree = git(folder, "rev-parse", f"{head}^{{tree}}")
    commit = git(folder, "commit-tree", tree, "-p", base, "-p", head, "-m", "merge")
    git(folder, "update-ref", "refs/pull/1/merge", commit)
    return commit


def judge_steps(kind: str) -> list[dict]:
    text = TEXTS["action.yml" if kind == "action" else "new/gate.yml"]
    steps = steps_of(workflow_of(text.replace("'cal/reg'", "''")))
    return [step for step in steps if step.get("name") == "Judge the change"]


def machine(tmp_path: Path, server, commit: str, **more: str) -> Runner:
    """A machine of the host for the event of a pull request."""
    variables = {
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_SHA": commit,
        "GITHUB_SERVER_URL": server.url,
        "GITHUB_REPOSITORY": "ada/reg",
        "GITHUB_ACTION_PATH": str(ACTION),
        **more,
    }
    expressions = {
        "inputs.registry": "",
        "inputs.base || github.event.merge_group.base_sha": "",
        "inputs.head": "",
        "inputs.token": "t0ken",
        "github.event.before": "",
        "github.event.merge_group.base_sha": "",
        "github.token": "t0ken",
    }
    return Runner(tmp_path / "machine", variables, expressions)


@pytest.mark.parametrize("kind", ["action", "workflow"])
def test_a_proposal_is_judged(tmp_path, served, published, git, kind):
    """The step fetches with its token, judges, and leaves summary, annotations and report."""
    bare = tmp_path / "ada/reg"
    runner = machine(tmp_path, served, merged(git, bare, "proposal"))
    (step,) = judge_steps(kind)

    done = runner.run(step)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "### ✅ Nothing blocks this change" in runner.summary
    assert json.loads(runner.report.read_text())["ok"] is True
    assert "t0ken" not in done.stdout + done.stderr + runner.summary
    left = [path for path in (tmp_path / "machine").rglob("*") if path.is_file()]
    assert not [path for path in left if b"t0ken" in path.read_bytes()]
    assert not list((tmp_path / "machine/work").iterdir())


@pytest.mark.parametrize("kind", ["action", "workflow"])
def test_a_forgery_is_blocked(tmp_path, served, published, git, kind):
    """A claim of stability fails the step, marks the file, and leaves the report."""
    file = published / "m/v2/run.json"
    file.write_text(file.read_text().replace('"is_stable": false', '"is_stable": true'))
    git(published, "commit", "--quiet", "--all", "--message", "forged")
    bare = tmp_path / "ada/reg"
    git(published, "push", "--quiet", str(bare), "HEAD:forged")
    runner = machine(tmp_path, served, merged(git, bare, "forged"))
    (step,) = judge_steps(kind)

    done = runner.run(step)

    assert done.returncode == 1
    assert re.search(
        r"^::error file=m/v2/run.json,line=\d+,title=drift-recomputed", done.stdout, re.MULTILINE
    )
    assert json.loads(runner.report.read_text())["ok"] is False


@pytest.mark.parametrize("kind", ["action", "workflow"])
def test_a_group_that_is_merged_together(tmp_path, served, git, kind):
    """In a merge queue the group is compared with the commit that the queue says."""
    bare = tmp_path / "ada/reg"
    base = git(bare, "rev-parse", "main")
    runner = machine(
        tmp_path, served, git(bare, "rev-parse", "proposal"), GITHUB_EVENT_NAME="merge_group"
    )
    runner.expressions = {
        **runner.expressions,
        "github.event.merge_group.base_sha": base,
        "inputs.base || github.event.merge_group.base_sha": base,
    }
    (step,) = judge_steps(kind)

    done = runner.run(step)

    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(runner.report.read_text())["compared"]["base_id"] == base


@pytest.mark.parametrize("event", ["pull_request_target", "workflow_dispatch", "issue_comment"])
def test_an_event_that_is_no_proposal_is_not_waved_through(tmp_path, served, git, event):
    """The commit of another event is the base itself: without a word what to judge, no yes."""
    bare = tmp_path / "ada/reg"
    base = git(bare, "rev-parse", "main")
    runner = machine(tmp_path, served, base, GITHUB_EVENT_NAME=event)
    runner.expressions = {
        **runner.expressions,
        "inputs.base || github.event.merge_group.base_sha": base,
    }
    (step,) = judge_steps("action")

    done = runner.run(step)

    assert done.returncode == 2
    assert "::error title=calreg gate::it could not be told" in done.stdout
    proposed = {**runner.expressions, "inputs.head": git(bare, "rev-parse", "proposal")}
    runner.expressions = proposed
    assert runner.run(step).returncode == 0


SHELL = "$(touch${IFS}pwned)`touch${IFS}pwned`;touch${IFS}pwned;'\"${HOME}"


@pytest.mark.parametrize("kind", ["action", "workflow"])
def test_shell_code_does_nothing(tmp_path, served, published, git, kind):
    """A title, a branch, an author, file names and documents full of code run none of it."""
    branch = "x$(touch${IFS}pwned)`touch${IFS}pwned`;touch${IFS}pwned"
    git(published, "switch", "--quiet", "--create", branch)
    for name in (
        f"m/{SHELL}.json",
        "::add-mask::x\n::error::y.json",
        "-rf",
        "--upload-pack=touch pwned",
    ):
        (published / name).write_text(SHELL)
    (published / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n")
    (published / "sitecustomize.py").write_text("open('pwned', 'w')\n")
    (published / "calreg.yaml").write_text("calibration_repo: /etc\n")
    git(published, "add", "--all", "--force")
    git(
        published,
        "-c",
        f"user.name={SHELL}",
        "commit",
        "--quiet",
        "--message",
        f"{SHELL}\n::error::x",
    )
    bare = tmp_path / "ada/reg"
    git(published, "push", "--quiet", str(bare), "HEAD:evil")
    title = {"GITHUB_HEAD_REF": branch, "GITHUB_REF": "refs/pull/1/merge", "GITHUB_ACTOR": SHELL}
    runner = machine(tmp_path, served, merged(git, bare, "evil"), **title)
    (step,) = judge_steps(kind)

    done = runner.run(step)

    assert done.returncode == 1
    assert list(tmp_path.rglob("pwned")) == []
    stopped = done.stdout.partition("::stop-commands::")[2].split()[0]
    assert re.fullmatch(r"[0-9a-f]{32}", stopped)
    told, _, rest = done.stdout.partition(f"::stop-commands::{stopped}\n")
    assert all(re.match(r"::(error|warning|notice) ", line) for line in told.splitlines())
    assert rest.splitlines()[-1] == f"::{stopped}::"
    assert "##[" not in done.stdout
    assert "`touch" not in runner.summary


def handed_on(tmp_path: Path, files: dict[str, bytes]) -> Path:
    """The archive that the host makes of what a build left, as the next one gets it."""
    file = tmp_path / "machine/temp/calreg-report/gate-report.zip"
    file.parent.mkdir(parents=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
    return file


def posting() -> dict:
    """The step that posts the comment."""
    steps = steps_of(workflow_of(TEXTS["new/comment.yml"]))
    return next(step for step in steps if step.get("name") == "Post the report")


HOSTILE = {
    "a bomb": {"gate-report.json": b"[" + b" " * 80_000_000 + b"]"},
    "another file": {"../../evil.json": b"{}", "calreg": b"#!/bin/sh\ntouch pwned\n"},
    "nesting": {"gate-report.json": b"[" * 100_000},
    "no report": {"gate-report.json": b'{"ok": true}'},
    "no text": {"gate-report.json": b"\xff\xfe"},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_artifact_is_refused(tmp_path, name):
    """What a proposal hands on is read as data, within limits, and unpacked nowhere."""
    handed_on(tmp_path, HOSTILE[name])
    with ApiServer("ada/reg", token="t0ken") as api:
        api.pull(head={"ref": "fix", "sha": "b" * 40})
        runner = commenting(tmp_path, api)
        done = runner.run(posting())

    assert done.returncode == 3, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert api.requests == []
    assert list(tmp_path.rglob("pwned")) == list(tmp_path.rglob("evil.json")) == []


def test_no_report_is_no_comment(tmp_path):
    """A gate that could not tell leaves nothing to post, and that is no failure."""
    with ApiServer("ada/reg", token="t0ken") as api:
        done = commenting(tmp_path, api).run(posting())

    assert done.returncode == 0
    assert "The gate left no report." in done.stdout
    assert api.requests == []


def commenting(tmp_path: Path, api: ApiServer) -> Runner:
    """The machine that posts a comment for a commit of eve's branch `fix`."""
    event = "github.event.workflow_run"
    variables = {
        "GITHUB_API_URL": api.url, "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "ada/reg",
    }  # fmt: skip
    expressions = {
        "github.token": "t0ken",
        f"{event}.head_repository.owner.login": "eve",
        f"{event}.head_branch": "fix",
        f"{event}.head_sha": "b" * 40,
    }
    return Runner(tmp_path / "machine", variables, expressions)


def test_the_report_becomes_one_comment(tmp_path, served, git, published):
    """The second workflow posts the report of the first to the pull request it is of."""
    bare = tmp_path / "ada/reg"
    runner = machine(tmp_path, served, merged(git, bare, "proposal"))
    (judge,) = judge_steps("workflow")
    assert runner.run(judge).returncode == 0
    handed_on(tmp_path, {"gate-report.json": runner.report.read_bytes()})
    post = posting()

    with ApiServer("ada/reg", token="t0ken") as api:
        api.pull(head={"ref": "fix-$(touch pwned)", "sha": "b" * 40})
        runner.variables = {
            **runner.variables, "GITHUB_API_URL": api.url, "GITHUB_SERVER_URL": served.url,
        }  # fmt: skip
        runner.expressions = {
            "github.token": "t0ken",
            "github.event.workflow_run.head_repository.owner.login": "eve",
            "github.event.workflow_run.head_branch": "fix-$(touch pwned)",
            "github.event.workflow_run.head_sha": "b" * 40,
        }
        done = runner.run(post)

    assert done.returncode == 0, done.stderr
    (comment,) = api.comments
    assert "Nothing blocks this change" in comment["body"]
    assert list(tmp_path.rglob("pwned")) == []
