"""What CI runs: checked by others' tools, executed, and attacked by those who propose."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from githost import ApiServer, GitServer
from runner import ROOT, Runner, steps_of, workflow_of

from calreg.registry.workflows import WORKFLOWS, requirements, workflow

ACTION = ROOT / ".github/actions/gate"
OURS = sorted((ROOT / ".github/workflows").glob("*.yml"))
TOOLS = Path(sys.executable).parent
# Where the commits were seen: the pinned workflows of well-kept public projects.
PINNED = {
    "actions/checkout": "3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
    "actions/setup-python": "5fda3b95a4ea91299a34e894583c3862153e4b97 # v7.0.0",
    "actions/upload-artifact": "043fb46d1a93c77aae656e7c1c64a875d1fc6a0a # v7.0.1",
    "actions/download-artifact": "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c # v8.0.1",
    "actions/upload-pages-artifact": "fc324d3547104276b827a68afc52ff2a11cc49c9 # v5.0.0",
    "actions/deploy-pages": "cd2ce8fcbc39b97be8ca5fce6e763baed58fa128 # v5.0.0",
}


def texts() -> dict[str, str]:
    """Every workflow and action of ours, and those that a new registry gets, by name."""
    made = {f"new/{name}": workflow(name, prefix="cal/reg") for name in WORKFLOWS}
    ours = {path.name: path.read_text() for path in OURS if path.name != "ci.yml"}
    return {**made, **ours, "action.yml": (ACTION / "action.yml").read_text()}


TEXTS = texts()
GATES = ["new/gate.yml", "registry-gate.yml", "gate.yml"]


@pytest.fixture
def made(tmp_path) -> Path:
    """The folder of a repository with all the workflows in it."""
    folder = tmp_path / "made" / ".github" / "workflows"
    folder.mkdir(parents=True)
    for name, text in TEXTS.items():
        if name != "action.yml":
            (folder / name.replace("/", "-")).write_text(text)
    action = folder.parent / "actions/gate/action.yml"
    action.parent.mkdir(parents=True)
    action.write_text(TEXTS["action.yml"])
    (tmp_path / "made/.git").mkdir()
    return tmp_path / "made"


# What is written there


def run_tool(folder: Path, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TOOLS / name, *words], cwd=folder, capture_output=True, text=True, check=False
    )


def test_zizmor_finds_nothing(made):
    """The audit of workflows finds nothing in ours, those of a new registry, and the action."""
    done = run_tool(made, "zizmor", "--offline", "--format=json", ".github")

    assert json.loads(done.stdout) == [], done.stdout
    assert done.returncode == 0


def test_actionlint_finds_nothing(made):
    """Every expression, event and key is one that exists."""
    files = sorted(map(str, (made / ".github/workflows").glob("*.yml")))

    done = run_tool(made, "actionlint", *files)

    assert (done.returncode, done.stdout) == (0, "")


def test_they_are_what_the_schema_says(made):
    """Workflows and action are valid by the schemas of the host."""
    files = sorted(map(str, (made / ".github/workflows").glob("*.yml")))
    action = str(made / ".github/actions/gate/action.yml")

    flows = run_tool(
        made, "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files
    )
    actions = run_tool(
        made, "check-jsonschema", "--builtin-schema", "vendor.github-actions", action
    )

    assert (flows.returncode, actions.returncode) == (0, 0), flows.stdout + actions.stdout


@pytest.mark.parametrize("name", TEXTS)
def test_actions_are_pinned_by_commit(name):
    """What others wrote is used at a commit that was looked at, with its version beside it."""
    used = re.findall(r"uses: (\S+)@(.+)", TEXTS[name])

    assert all(PINNED[action] == commit for action, commit in used)
    assert re.findall(r"uses: (?!\./)(?!\S+@[0-9a-f]{40} # v)", TEXTS[name]) == []


@pytest.mark.parametrize("name", TEXTS)
def test_no_expression_in_a_shell(name):
    """What an event says comes in variables: it is never part of a command."""
    runs = [step["run"] for step in steps_of(workflow_of(TEXTS[name])) if "run" in step]

    assert [run for run in runs if "${{" in run] == []
    assert "${{" not in (ACTION / "judge.sh").read_text()


@pytest.mark.parametrize("name", [name for name in TEXTS if name != "action.yml"])
def test_no_rights_but_those_that_are_named(name):
    """A workflow has no rights; each job names its own."""
    flow = workflow_of(TEXTS[name])

    assert flow["permissions"] == {}
    assert all("permissions" in job for job in flow["jobs"].values())


@pytest.mark.parametrize("name", GATES)
def test_a_gate_can_do_nothing_but_read(name):
    """What looks at a proposal has no secret, no cache, no right to write, and always runs."""
    text, flow = TEXTS[name], workflow_of(TEXTS[name])

    (job,) = flow["jobs"].values()
    assert job["permissions"] == {"contents": "read"}
    assert "secrets." not in text
    assert "cache" not in text.replace("no cache", "")
    assert "pull_request_target" not in text
    assert "if" not in job
    if name != "registry-gate.yml":
        assert set(flow[True]) == {"pull_request", "merge_group"}


@pytest.mark.parametrize("name", TEXTS)
def test_no_credentials_stay(name):
    """A checkout leaves no token behind; that of a gate is of the base."""
    checkouts = [
        step["with"]
        for step in steps_of(workflow_of(TEXTS[name]))
        if step.get("uses", "").startswith("actions/checkout@")
    ]

    assert all(options["persist-credentials"] is False for options in checkouts)
    if name == "gate.yml":
        assert all("base" in options["ref"] for options in checkouts)
    if name in {"new/gate.yml", "new/comment.yml", "registry-gate.yml", "action.yml"}:
        assert checkouts == []


def test_the_secret_is_behind_the_reviewers():
    """The key that signs is in the environment with reviewers, and in no other job."""
    for name in ("new/promote.yml", "promote.yml"):
        jobs = workflow_of(TEXTS[name])["jobs"]
        with_secrets = {job for job, found in jobs.items() if "secrets." in json.dumps(found)}
        assert with_secrets == {"promote"}
        assert jobs["promote"]["environment"] == "production"
        assert jobs["promote"]["needs"] == "gate"


def test_a_new_registry_runs_on_what_made_it():
    """The versions that CI installs are those here: the tool and all that it needs, no ranges."""
    lines = requirements()

    names = {line.partition("==")[0] for line in lines}
    wanted = {re.match(r"[A-Za-z0-9-]+", text)[0].lower() for text in requires("calreg") or []
              if "extra ==" not in text}  # fmt: skip
    assert wanted | {"calreg"} <= names
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][A-Za-z0-9.+!-]*", line) for line in lines)
    assert all(f"    {line}\n" in TEXTS["new/gate.yml"] for line in lines)


def test_the_action_runs_on_pinned_packages():
    """All that the tool needs is pinned with its digests beside the action."""
    pinned = re.findall(
        r"^([a-z0-9_-]+)==\S+ \\$", (ACTION / "requirements.txt").read_text(), re.MULTILINE
    )

    wanted = {line.partition("==")[0] for line in requirements()} - {"calreg"}
    assert wanted <= {name.replace("_", "-") for name in pinned}
    assert "hatchling" in pinned


def test_a_gate_elsewhere_is_the_gate_of_a_new_registry():
    """The workflow to be called and the one that is copied judge by the same commands."""
    (called,) = (step for step in steps_of(workflow_of(TEXTS["registry-gate.yml"]))
                 if step.get("name") == "Judge the change")  # fmt: skip
    (copied,) = (step for step in steps_of(workflow_of(TEXTS["new/gate.yml"]))
                 if step.get("name") == "Judge the change")  # fmt: skip

    assert called["run"] == copied["run"]


# What it does


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


def test_the_report_becomes_one_comment(tmp_path, served, git, published):
    """The second workflow posts the report of the first to the pull request it is of."""
    bare = tmp_path / "ada/reg"
    runner = machine(tmp_path, served, merged(git, bare, "proposal"))
    (judge,) = judge_steps("workflow")
    assert runner.run(judge).returncode == 0
    unpacked = tmp_path / "machine/temp/calreg-report"
    unpacked.mkdir()
    (unpacked / "gate-report.json").write_bytes(runner.report.read_bytes())
    (post,) = (step for step in steps_of(workflow_of(TEXTS["new/comment.yml"]))
               if step.get("name") == "Post the report")  # fmt: skip

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
