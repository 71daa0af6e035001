"""What `calreg init` puts there for CI: one set of workflows for each registry, and who decides."""

from __future__ import annotations

from pathlib import Path

import pytest
from githost import ApiServer, GitServer
from runner import ROOT, Runner, steps_of, workflow_of

FOLDER = ".github/workflows"


def workflows(folder: Path) -> dict[str, dict]:
    return {file.name: workflow_of(file.read_text()) for file in (folder / FOLDER).iterdir()}


@pytest.fixture
def two(tmp_path, cli, git, drifted):
    """A repository with two registries, and a run of the second proposed on a branch."""
    folder = tmp_path / "both"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    assert cli("init", folder / "cal/one").code == 0
    assert cli("init", folder / "cal/other").code == 0
    git(folder, "switch", "--quiet", "--create", "proposal")
    assert cli("--registry", folder / "cal/other", "run", drifted, "--head", "m/mood").code == 0
    return folder


def test_each_registry_has_workflows_of_its_own(two):
    """A second registry gets a gate, comment and promotion under names of its own."""
    found = workflows(two)

    kinds = ("gate", "comment", "promote")
    suffixes = ("", "-cal-other")
    assert found.keys() == {f"{kind}{suffix}.yml" for kind in kinds for suffix in suffixes}
    for suffix in suffixes:
        gate = found[f"gate{suffix}.yml"]
        assert (gate["name"], gate["jobs"]["gate"]["name"]) == (f"gate{suffix}", f"gate{suffix}")
        comment = found[f"comment{suffix}.yml"]
        assert comment[True]["workflow_run"]["workflows"] == [f"gate{suffix}"]
        groups = {found[f"{kind}{suffix}.yml"]["concurrency"]["group"] for kind in kinds}
        assert all(f"{suffix}-" in group or group.endswith(suffix) for group in groups)


def served(tmp_path: Path, git, folder: Path) -> Path:
    """The repository on a host, as `ada/reg`."""
    bare = tmp_path / "ada/reg"
    bare.parent.mkdir()
    git(tmp_path, "clone", "--quiet", "--bare", str(folder), str(bare))
    for key in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant", "http.receivepack"):
        git(bare, "config", key, "true")
    return bare


def run(place: Path, text: str, commit: str, url: str, event: str) -> tuple[Runner, dict[str, int]]:
    """All steps of a workflow on a fresh machine."""
    variables = {
        "GITHUB_EVENT_NAME": event, "GITHUB_SHA": commit, "GITHUB_SERVER_URL": url,
        "GITHUB_REPOSITORY": "ada/reg", "GITHUB_REF_NAME": "main",
    }  # fmt: skip
    names = ("github.event.merge_group.base_sha", "secrets.CALREG_SIGNING_KEY")
    expressions = {**dict.fromkeys(names, ""), "github.token": "t0ken"}
    machine = Runner(place, variables, expressions)
    return machine, machine.run_all(steps_of(workflow_of(text)))


def test_the_second_registry_is_judged_and_published(two, tmp_path, git):
    """A run of the second is judged by its own gate, and published on a branch of its own."""
    bare = served(tmp_path, git, two)
    tree = git(bare, "rev-parse", "proposal^{tree}")
    merge = git(bare, "commit-tree", tree, "-p", "main", "-p", "proposal", "-m", "merge")
    git(bare, "update-ref", "refs/pull/1/merge", merge)

    with GitServer(tmp_path, token="t0ken") as server:
        for kind, expected in (("", "0 heads"), ("-cal-other", "1 head")):
            text = (two / FOLDER / f"gate{kind}.yml").read_text()
            place = tmp_path / f"gate{kind}"
            machine, codes = run(place, text, merge, server.url, "pull_request")
            assert set(codes.values()) == {0}
            assert expected in machine.summary
        git(bare, "update-ref", "refs/heads/main", merge)
        for turn in ("first", "again"):
            text = (two / FOLDER / "promote-cal-other.yml").read_text()
            place = tmp_path / f"promote-{turn}"
            machine, codes = run(place, text, merge, server.url, "push")
            assert set(codes.values()) == {0}, codes
            assert (place / "temp/calreg-site/index.json").is_file()

    refs = git(bare, "for-each-ref", "--format=%(refname:short)", "refs/heads").splitlines()
    assert refs == ["main", "proposal", "stable-cal-other"]
    assert "m/mood-calibration.json" in git(
        bare, "ls-tree", "-r", "--name-only", "stable-cal-other"
    )


def test_each_registry_has_a_comment_of_its_own(two, tmp_path, git, cli, monkeypatch):
    """The comments of two registries on one pull request do not replace each other."""
    report = tmp_path / "gate-report.json"
    monkeypatch.chdir(two)
    assert cli("--registry", "cal/other", "gate", "main", "proposal", "--report", report).code == 0
    with ApiServer("ada/reg") as api:
        api.pull(head={"ref": "fix", "sha": "b" * 40})
        monkeypatch.setenv("GITHUB_API_URL", api.url)
        monkeypatch.setenv("GITHUB_TOKEN", api.token)
        monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
        monkeypatch.setenv("GITHUB_REPOSITORY", "ada/reg")
        for folder in ("cal/one", "cal/other", "cal/other"):
            monkeypatch.setenv("CALREG_REGISTRY", folder)
            assert cli("gate", "--read", report, "--comment", f"eve:fix:{'b' * 40}").code == 0

    assert [one["body"].partition("\n")[0] for one in api.comments] == [
        "<!-- calreg gate of cal/one -->",
        "<!-- calreg gate of cal/other -->",
    ]


@pytest.mark.parametrize("known", ["here", "remote"])
def test_the_branch_is_the_main_branch(tmp_path, cli, git, known):
    """Workflows are for the repository's main branch, not for the one that `init` ran on."""
    folder = tmp_path / "old"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "master")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "begin")
    if known == "remote":
        git(folder, "branch", "--move", "trunk")
        git(tmp_path, "clone", "--quiet", "--bare", "old", "remote")
        git(folder, "remote", "add", "origin", str(tmp_path / "remote"))
        git(folder, "fetch", "--quiet", "origin")
        git(folder, "remote", "set-head", "origin", "--auto")
    git(folder, "switch", "--quiet", "--create", "calibrations")

    assert cli("init", folder / "cal").code == 0

    branch = {"here": "master", "remote": "trunk"}[known]
    found = workflows(folder)
    assert found["gate.yml"][True]["pull_request"]["branches"] == [branch]
    assert found["promote.yml"][True]["push"]["branches"] == [branch]
    assert found["promote.yml"]["jobs"]["gate"]["if"] == f"github.ref == 'refs/heads/{branch}'"


def test_a_branch_that_means_something_else_in_a_workflow(tmp_path, cli, git):
    """A branch whose name is a pattern there is refused, with the way without workflows."""
    folder = tmp_path / "odd"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "c++!")

    said = cli("init", folder)

    assert said.code == 3
    assert "the branch 'c++!' cannot be named in a workflow" in said.err
    assert "--no-workflows" in said.err
    assert cli("init", folder, "--no-workflows").code == 0


def test_who_decides_is_for_people_to_say(registry):
    """A new registry has the place where owners of code are named, and nobody in it yet."""
    text = (registry / ".github/CODEOWNERS").read_text()

    assert all(line.startswith("# ") for line in text.splitlines())
    named = {line.split()[1] for line in text.splitlines() if line.endswith("@OWNER")}
    assert named == {"/.github/", "registry.yaml", "keys/"}


def test_this_project_publishes_its_own_registry_alike(tmp_path, cli, git, drifted):
    """The workflow of this repository, for the registry in its folder, does what a new one does."""
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    assert cli("init", folder / "registry", "--no-workflows").code == 0
    assert cli("--registry", folder / "registry", "run", drifted, "--head", "m/mood").code == 0
    bare = served(tmp_path, git, folder)
    text = (ROOT / FOLDER / "promote.yml").read_text()

    with GitServer(tmp_path, token="t0ken") as server:
        commit = git(bare, "rev-parse", "main")
        _, codes = run(tmp_path / "machine", text, commit, server.url, "push")

    assert set(codes.values()) == {0}, codes
    assert "m/mood-calibration.json" in git(bare, "ls-tree", "-r", "--name-only", "stable")
