"""The gate's workflow and action, run by another program that runs workflows.

It evaluates the expressions, fills in the variables, and reads the files of outputs, paths and
summaries in its own way. The actions of others are stand-ins: the one that brings Python
brings one whose `venv` holds this checkout's program and a `pip` that installs nothing.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from githost import GitServer
from runner import ROOT

TOOLS = Path(sys.executable).parent
TOKEN = "t0ken"
PYTHON = f"""\
#!/bin/sh
for folder; do :; done
mkdir -p "$folder/bin"
printf '#!/bin/sh\\n' > "$folder/bin/pip"
chmod 755 "$folder/bin/pip"
ln -s {TOOLS}/calreg "$folder/bin/calreg"
"""
STAND_IN = """\
name: stand-in
description: Does what the action does, without a network.
inputs: {python-version: {}, name: {}, path: {}, if-no-files-found: {}, retention-days: {}}
runs:
  using: composite
  steps:
    - shell: bash
      env:
        FOLDER: @FOLDER@
        FILE: ${{ inputs.path }}
      run: |
        if [ -n "$FILE" ]; then cp "$FILE" "$FOLDER/"; else echo "$FOLDER" >> "$GITHUB_PATH"; fi
"""
PINS = {
    "setup-python": "5fda3b95a4ea91299a34e894583c3862153e4b97",
    "upload-artifact": "043fb46d1a93c77aae656e7c1c64a875d1fc6a0a",
}
OWN = """\
on: pull_request
permissions: {}
jobs:
  gate:
    runs-on: ubuntu-latest
    steps:
      - id: gate
        uses: ada/calreg/.github/actions/gate@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
      - uses: actions/upload-artifact@043fb46d1a93c77aae656e7c1c64a875d1fc6a0a
        if: always()
        with:
          path: ${{ steps.gate.outputs.report }}
"""


@pytest.fixture
def stand_ins(tmp_path) -> list[str]:
    """Words that put our actions in the place of others'."""
    project = tmp_path / "calreg"
    for name in (".github/actions", "src/calreg/registry/workflows"):
        shutil.copytree(ROOT / name, project / name)
    words = ["--local-repository", f"ada/calreg@{'a' * 40}={project}"]
    for name, commit in PINS.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "action.yml").write_text(STAND_IN.replace("@FOLDER@", str(folder)))
        words += ["--local-repository", f"actions/{name}@{commit}={folder}"]
    python = tmp_path / "setup-python/python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    return words


@pytest.fixture
def act(tmp_path, published, git, stand_ins):
    """Run the gate on the merge of what is committed on a branch into main."""
    bare, checkout = tmp_path / "ada/reg", tmp_path / "checkout"
    bare.parent.mkdir()

    def run(*, own: bool = False, **event: object) -> subprocess.CompletedProcess[str]:
        git(tmp_path, "clone", "--quiet", "--bare", str(published), str(bare))
        for key in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
            git(bare, "config", key, "true")
        tree = git(published, "rev-parse", "HEAD^{tree}")
        merge = git(bare, "commit-tree", tree, "-p", "main", "-p", "HEAD", "-m", "merge")
        git(bare, "update-ref", "refs/pull/1/merge", merge)
        # The workflow is read from a checkout, whose HEAD is the commit of the event.
        git(tmp_path, "clone", "--quiet", str(bare), str(checkout))
        git(checkout, "fetch", "--quiet", "origin", "refs/pull/1/merge")
        git(checkout, "checkout", "--quiet", "FETCH_HEAD")
        if own:
            (checkout / ".github/workflows/gate.yml").write_text(OWN)
        file = tmp_path / "event.json"
        file.write_text(json.dumps({"action": "opened", "pull_request": {"number": 1, **event}}))
        with GitServer(tmp_path, token=TOKEN) as server:
            words = (
                "pull_request", "--workflows", ".github/workflows/gate.yml",
                "--platform", "ubuntu-latest=-self-hosted", "--eventpath", str(file),
                "--env", f"GITHUB_SERVER_URL={server.url}", "--env", "GITHUB_REPOSITORY=ada/reg",
                "--secret", f"GITHUB_TOKEN={TOKEN}", *stand_ins,
            )  # fmt: skip
            return subprocess.run(
                [TOOLS / "act", *words], cwd=checkout, capture_output=True, text=True, check=False
            )

    return run


def report(tmp_path: Path) -> dict:
    """What the workflow handed on."""
    return json.loads((tmp_path / "upload-artifact/gate-report.json").read_text())


@pytest.mark.parametrize("own", [False, True], ids=["workflow", "action"])
def test_an_honest_run_is_green(act, published, cli, git, drifted, tmp_path, own):
    """The job succeeds, tells the summary, and hands on a report that blocks nothing."""
    git(published, "switch", "--quiet", "--create", "proposal")
    assert cli("run", drifted, "--head", "m/mood").code == 0

    done = act(own=own)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Job succeeded" in done.stdout
    assert "Nothing blocks this change" in done.stdout
    assert report(tmp_path)["ok"] is True
    assert report(tmp_path)["heads"]["m/mood"]["action"] == "moved"
    assert TOKEN not in done.stdout + done.stderr


def test_a_forgery_is_red(act, published, cli, git, drifted, tmp_path):
    """A forged verdict fails the job; titles and branches full of code run none of it."""
    evil = (
        f"$(touch {tmp_path}/pwned)`touch {tmp_path}/pwned`';touch {tmp_path}/pwned;\"\n::error::x"
    )
    git(published, "switch", "--quiet", "--create", "proposal")
    assert cli("run", drifted, "--head", "m/mood").code == 0
    file = published / "m/v2/run.json"
    file.write_text(file.read_text().replace('"is_stable": false', '"is_stable": true'))
    git(published, "commit", "--quiet", "--all", "--message", evil)

    done = act(title=evil, body=evil, head={"ref": evil, "label": evil}, user={"login": evil})

    assert done.returncode == 1
    assert "Job failed" in done.stdout
    assert "drift-recomputed" in {found["rule"] for found in report(tmp_path)["findings"]}
    assert not (tmp_path / "pwned").exists()
