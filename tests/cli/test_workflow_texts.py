"""What CI runs: read, and checked by others' tools."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from runner import steps_of, workflow_of
from workflow_texts import ACTION, GATES, TEXTS

from calreg import __version__
from calreg.registry.workflows import requirements, tool

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
    assert job["name"] == ("gate-cal-other" if name.startswith("further/") else "gate")
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
    if name in {"registry-gate.yml", "action.yml"} or "/" in name:
        assert checkouts == []


def test_the_secret_is_behind_the_reviewers():
    """The key that signs is in the environment with reviewers, and in no other job."""
    for name in ("new/promote.yml", "further/promote.yml", "promote.yml"):
        jobs = workflow_of(TEXTS[name])["jobs"]
        with_secrets = {job for job, found in jobs.items() if "secrets." in json.dumps(found)}
        assert with_secrets == {"promote"}
        assert jobs["promote"]["environment"] == "production"
        assert jobs["promote"]["needs"] == "gate"


ELSEWHERE = re.compile(r"extra ==|(sys_platform|platform_system) == .[Ww]in")


def needed() -> set[str]:
    """The names of all packages that the tool needs here, and theirs."""
    found, waiting = set(), ["calreg"]
    while waiting:
        texts = [text for text in requires(waiting.pop()) or [] if not ELSEWHERE.search(text)]
        names = {re.match(r"[A-Za-z0-9._-]+", text)[0].lower().replace("_", "-") for text in texts}
        for name in names - found:
            with contextlib.suppress(PackageNotFoundError):
                requires(name)
                found.add(name)
                waiting.append(name)
    return found


def test_what_ci_runs_on_is_pinned_with_digests():
    """Each package that the tool needs is there in one version, with the digests of its files."""
    lines = requirements()

    pin = re.compile(r"([a-z0-9_-]+)==[0-9][A-Za-z0-9.+!-]*( --hash=sha256:[0-9a-f]{64})+")
    pinned = {pin.fullmatch(line)[1].replace("_", "-") for line in lines}
    assert needed() <= pinned
    assert "hatchling" in pinned  # what the tool is built by
    for name in ("new/gate.yml", "new/comment.yml", "new/promote.yml", "registry-gate.yml"):
        block = "".join(f"    {line}\n" for line in lines)
        assert f"  CALREG_REQUIREMENTS: |\n{block}\n" in TEXTS[name]


def installs(name: str) -> list[str]:
    """What installs the tool in a workflow, step by step."""
    steps = steps_of(workflow_of(TEXTS[name]))
    return [step["run"] for step in steps if step.get("name") == "Install calreg"]


@pytest.mark.parametrize("name", [name for name in TEXTS if installs(name)])
def test_nothing_is_installed_without_a_digest_but_the_tool(name):
    """Packages come with digests and as wheels; the tool alone, and nothing that it asks for."""
    for text in installs(name):
        _, packages, program = text.split('"$pip" install ')
        assert "--require-hashes" in packages
        assert "--only-binary :all:" in packages
        assert "--no-deps" in program
        assert "--no-build-isolation" in program


@pytest.mark.parametrize("name", TEXTS)
def test_no_python_of_the_folder_it_runs_in(name):
    """A `venv.py` in the folder that a step runs in, which may be a proposal's, is not run."""
    assert re.findall(r"\bpython3? (?!-I -m venv )-.*", TEXTS[name]) == []


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ({}, "calreg=={version}"),
        ({"url": "file:///home/ada/calreg", "dir_info": {"editable": True}}, "calreg=={version}"),
        (
            {"url": "https://h/a.git", "vcs_info": {"vcs": "git", "commit_id": "a" * 40}},
            "calreg @ git+https://h/a.git@" + "a" * 40,
        ),
        (
            {"url": "https://h/a.whl", "archive_info": {"hashes": {"sha256": "b" * 64}}},
            "calreg @ https://h/a.whl#sha256=" + "b" * 64,
        ),
        ({"url": "https://h/a.whl", "archive_info": {}}, "calreg=={version}"),
        ({"url": "https://h/$(x)", "archive_info": {"hashes": {"sha256": "b" * 64}}},
         "calreg=={version}"),
        ([], "calreg=={version}"),
    ],
)  # fmt: skip
def test_ci_installs_the_tool_from_where_it_came(tmp_path, monkeypatch, origin, expected):
    """The tool is pinned at its commit or by its digest where it came so, else by its version."""
    info = tmp_path / "calreg-9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: calreg\nVersion: 9\n")
    (info / "direct_url.json").write_text(json.dumps(origin))
    monkeypatch.syspath_prepend(tmp_path)

    assert tool() == expected.format(version=__version__)


def test_a_gate_elsewhere_is_the_gate_of_a_new_registry():
    """The workflow to be called and the one that is copied judge by the same commands."""
    (called,) = (step for step in steps_of(workflow_of(TEXTS["registry-gate.yml"]))
                 if step.get("name") == "Judge the change")  # fmt: skip
    (copied,) = (step for step in steps_of(workflow_of(TEXTS["new/gate.yml"]))
                 if step.get("name") == "Judge the change")  # fmt: skip

    assert called["run"] == copied["run"]


@pytest.mark.parametrize("name", ["new/gate.yml", "further/gate.yml", "gate.yml"])
def test_a_green_check_is_of_the_branch_that_it_is_for(name):
    """The required check is of proposals to this branch, and made anew when one gets a new base."""
    asked = workflow_of(TEXTS[name])[True]["pull_request"]

    assert asked["branches"] == ["trunk/2.0" if name.startswith("further/") else "main"]
    assert {"opened", "synchronize", "reopened", "edited"} <= set(asked["types"])


@pytest.mark.parametrize("name", ["new/promote.yml", "further/promote.yml", "promote.yml"])
def test_promotion_makes_no_work_tree(name):
    """What is published is fetched bare, without what nobody looks at, and from one branch."""
    flow = workflow_of(TEXTS[name])

    branch = "trunk/2.0" if name.startswith("further/") else "main"
    assert flow[True]["push"] == {"branches": [branch]}
    assert flow["jobs"]["gate"]["if"] == f"github.ref == 'refs/heads/{branch}'"
    fetches = [step["run"] for step in steps_of(flow) if step.get("name") == "Fetch"]
    assert len(fetches) == 2
    assert all("--bare" in text and "--filter=blob:none" in text for text in fetches)
    assert "fetch-depth" not in TEXTS[name]


def test_the_documented_workflow_is_one():
    """The snippet for a workflow of one's own is valid, and is for the branch that it protects."""
    page = (ACTION.parents[2] / "docs/gate-use.md").read_text()
    text = page[page.index("### In a workflow of your own") :]
    snippet = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1]

    flow = workflow_of(snippet)

    asked = workflow_of(TEXTS["gate.yml"])[True]
    assert flow[True] == asked
    assert flow["permissions"] == {}
    (job,) = flow["jobs"].values()
    assert job["permissions"] == {"contents": "read"}
    inputs = workflow_of(TEXTS["registry-gate.yml"])[True]["workflow_call"]["inputs"]
    assert all(f"`{name}`" in text for name in inputs)
