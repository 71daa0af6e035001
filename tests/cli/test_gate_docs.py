"""docs/gate-use.md: every snippet is what it says, and those in a shell are run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from runner import ROOT

from calreg.gate import RULES
from calreg.registry.workflows import workflow

PAGE = (ROOT / "docs/gate-use.md").read_text()


def blocks(language: str, after: str = "") -> list[str]:
    """The fenced texts of a language behind a heading, without their indent."""
    text = PAGE[PAGE.index(after) :]
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", body, flags=re.MULTILINE) for indent, body in found]


@pytest.fixture
def clone(published, git, cli, drifted, tmp_path):
    """A clone whose main branch the remote has, with a run on a branch, honest or not."""
    bare = tmp_path / "remote.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(published), str(bare))
    git(published, "remote", "add", "origin", bare.as_uri())
    git(published, "fetch", "--quiet", "origin")
    git(published, "switch", "--quiet", "--create", "proposal")
    assert cli("run", drifted, "--head", "m/mood").code == 0
    return published


def forged(folder: Path, git) -> None:
    file = folder / "m/v2/run.json"
    file.write_text(file.read_text().replace('"is_stable": false', '"is_stable": true'))
    git(folder, "commit", "--quiet", "--all", "--message", "forged")


def shell(folder: Path, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A script as CI runs it, with this checkout's calreg on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}/usr/local/bin:/usr/bin:/bin"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder, capture_output=True, text=True, check=False,
        env={"PATH": path, "HOME": os.environ["HOME"], **variables},
    )  # fmt: skip


def commands(lines: list[str]) -> str:
    """The commands of a job but the installation."""
    assert any(line.startswith("pip install") for line in lines)
    return "\n".join(line for line in lines if not line.startswith("pip install"))


def gitlab() -> str:
    return commands(yaml.safe_load(blocks("yaml", "## GitLab")[0])["gate"]["script"])


def circleci() -> str:
    steps = yaml.safe_load(blocks("yaml", "## CircleCI")[0])["jobs"]["gate"]["steps"]
    runs = [step["run"] for step in steps if isinstance(step, dict) and "run" in step]
    return commands([run if isinstance(run, str) else run["command"] for run in runs])


@pytest.mark.parametrize("script", [gitlab, circleci], ids=["GitLab", "CircleCI"])
def test_snippets_of_other_hosts(clone, git, script):
    """The documented job passes an honest run, fails a forged one, and leaves a report."""
    for is_honest in (True, False):
        if not is_honest:
            forged(clone, git)
        commit = git(clone, "rev-parse", "HEAD")
        done = shell(
            clone, script(), CI_MERGE_REQUEST_TARGET_BRANCH_NAME="main",
            CI_COMMIT_SHA=commit, CIRCLE_SHA1=commit,
        )  # fmt: skip
        assert (done.returncode == 0) is is_honest, done.stdout + done.stderr
        assert json.loads((clone / "gate-report.json").read_text())["ok"] is is_honest


def test_hooks_of_git(clone, git):
    """The documented hooks stop a commit of a changed version, and a push of a forged run."""
    for name, text in zip(("pre-commit", "pre-push"), blocks("sh"), strict=True):
        hook = clone / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(text)
        hook.chmod(0o755)
    assert shell(clone, "git push --quiet origin HEAD:honest").returncode == 0
    (clone / "m/v1/run.json").write_text("{}\n")

    committed = shell(clone, "git commit --all --message x")
    skipped = shell(clone, "git commit --all --no-verify --message x")
    pushed = shell(clone, "git push origin HEAD:forged")

    assert (committed.returncode, skipped.returncode) == (1, 0)
    assert "immutable-version" in committed.stdout + committed.stderr
    assert pushed.returncode == 1
    assert "immutable-version" in pushed.stdout + pushed.stderr
    assert "forged" not in git(clone, "ls-remote", "origin")


def test_hooks_of_pre_commit(clone, git):
    """The entries of the configuration for pre-commit are commands that judge."""
    (repo,) = yaml.safe_load(blocks("yaml", "With pre-commit")[0])["repos"]
    entries = {hook["stages"][0]: hook["entry"] for hook in repo["hooks"]}

    assert shell(clone, entries["pre-push"]).returncode == 0
    (clone / "m/v1/run.json").write_text("{}\n")
    git(clone, "add", "m/v1/run.json")
    assert shell(clone, entries["pre-commit"]).returncode == 1


def test_the_ruleset_requires_the_gate():
    """The documented rules let nobody around the check, and name it as the workflow does."""
    (text,) = blocks("json", "### Set it up")
    rules = {rule["type"]: rule.get("parameters", {}) for rule in json.loads(text)["rules"]}

    checks = rules["required_status_checks"]["required_status_checks"]
    assert [check["context"] for check in checks] == ["gate"]
    assert {"deletion", "non_fast_forward", "pull_request"} <= rules.keys()
    flow = yaml.safe_load(workflow("gate.yml", prefix=""))
    assert flow["jobs"]["gate"]["name"] == "gate"
    assert json.loads(text)["bypass_actors"] == []


def test_every_rule_that_is_named_exists():
    """A page of a rule that is linked is there."""
    for name in re.findall(r"\(rules/([a-z-]+)\.md\)", PAGE):
        assert name in RULES
        assert (ROOT / f"docs/rules/{name}.md").is_file()
