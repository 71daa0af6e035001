"""The whole story, on a host of loopback: proposed, gated, merged, promoted, signed, pulled.

And the four proposals that must not get that far, each stopped by the rule that is for it.
Workflows are those that `calreg init` put there, run step by step as the host runs them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from desk import scores, wide
from githost import ApiServer, GitServer
from runner import Runner, steps_of, workflow_of

TOKEN = "h0st-token"


@dataclass
class Host:
    """A host with the project `ada/reg`, and a person's clone of it."""

    bare: Path
    clone: Path
    server: GitServer
    api: ApiServer
    git: object
    place: Path

    def merge_of(self, branch: str) -> str:
        """The commit that a pull request would become, on the main branch as it is."""
        tree = self.git(self.bare, "rev-parse", f"{branch}^{{tree}}")
        sides = ("-p", "main", "-p", branch)
        commit = self.git(self.bare, "commit-tree", tree, *sides, "-m", f"Merge {branch}")
        self.git(self.bare, "update-ref", "refs/pull/1/merge", commit)
        return commit

    def workflow(self, name: str) -> list[dict]:
        """The steps of a workflow, as it is on the main branch."""
        text = self.git(self.bare, "show", f"main:.github/workflows/{name}")
        return [step for step in steps_of(workflow_of(text)) if "run" in step]

    def runner(self, event: str, commit: str, cwd: Path | None = None, **secrets: str) -> Runner:
        """A fresh machine for an event."""
        number = len(list(self.place.glob("machine-*")))
        variables = {
            "GITHUB_EVENT_NAME": event,
            "GITHUB_SHA": commit,
            "GITHUB_SERVER_URL": self.server.url,
            "GITHUB_REPOSITORY": "ada/reg",
            "GITHUB_REF_NAME": "main",
        }
        expressions = {
            "github.event.merge_group.base_sha": "",
            "github.token": TOKEN,
            "secrets.CALREG_SIGNING_KEY": secrets.get("key", ""),
        }
        return Runner(self.place / f"machine-{number}", variables, expressions, cwd)

    def gate(self, branch: str) -> tuple[int, dict]:
        """What the gate's workflow says of a branch: exit code and report."""
        runner = self.runner("pull_request", self.merge_of(branch))
        codes = runner.run_all(self.workflow("gate.yml"))
        return codes["Judge the change"], json.loads(runner.report.read_text())

    def promote(self, key: str) -> dict[str, int]:
        """What the workflow does after a merge; exit codes by step."""
        commit = self.git(self.bare, "rev-parse", "main")
        runner = self.runner("push", commit, key=key)
        return runner.run_all(self.workflow("promote.yml"))

    def propose_by_hand(self, branch: str) -> None:
        """Push what lies in the clone on a branch, as anybody can, and go back to main."""
        self.git(self.clone, "switch", "--quiet", "--create", branch)
        self.git(self.clone, "add", "--all")
        if self.git(self.clone, "status", "--porcelain"):
            self.git(self.clone, "commit", "--quiet", "--message", branch)
        self.git(self.clone, "push", "--quiet", str(self.bare), branch)
        self.git(self.clone, "switch", "--quiet", "main")
        self.git(self.clone, "reset", "--quiet", "--hard", "origin/main")


@pytest.fixture
def host(tmp_path, cli, git, monkeypatch):
    """A new registry on a host; its keys are trusted, and nothing is published yet."""
    clone, bare = tmp_path / "clone", tmp_path / "ada" / "reg"
    assert cli("init", clone, "--name", "reg").code == 0
    monkeypatch.chdir(clone)
    assert cli("keys", "new", tmp_path / "ci.key").code == 0
    words = (tmp_path / "ci.key.pub", "--sign", tmp_path / "ci.key")
    assert cli("keys", "trust", *words).code == 0
    bare.parent.mkdir()
    git(tmp_path, "clone", "--quiet", "--bare", str(clone), str(bare))
    for key in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant", "http.receivepack"):
        git(bare, "config", key, "true")
    askpass = tmp_path / "askpass"
    askpass.write_text(f"#!/bin/sh\ncase $1 in Username*) echo ada ;; *) echo {TOKEN} ;; esac\n")
    askpass.chmod(0o700)
    monkeypatch.setenv("GIT_ASKPASS", str(askpass))
    with GitServer(tmp_path, token=TOKEN) as server, ApiServer("ada/reg", token=TOKEN) as api:
        git(clone, "remote", "add", "origin", f"{server.url}/ada/reg")
        git(clone, "fetch", "--quiet", "origin")
        git(clone, "branch", "--quiet", "--set-upstream-to=origin/main", "main")
        monkeypatch.setenv("GITHUB_API_URL", api.url)
        monkeypatch.setenv("CALREG_GITHUB_TOKEN", TOKEN)
        yield Host(bare, clone, server, api, git, tmp_path)


def hopeless(path: Path, seed: int) -> Path:
    """Scores that say nothing of the truth: of 2,000 items 94 are positive, F1 is 0.09."""
    found = np.sort(np.random.default_rng(seed).random(2000))
    truth = np.zeros(2000, dtype=int)
    truth[10:1984:21] = 1  # evenly, so that no threshold is better than to fire always
    pairs = enumerate(zip(found.tolist(), truth.tolist(), strict=True))
    rows = [f"{seed}-{number},{score!r},{one}" for number, (score, one) in pairs]
    path.write_text("\n".join(["item,score_scam,y_scam", *rows]) + "\n")
    return path


def rules_of(report: dict, severity: str = "error") -> set[str]:
    return {found["rule"] for found in report["findings"] if found["severity"] == severity}


def test_the_whole_story(  # noqa: PLR0915 -- one story, from its beginning to its end
    host, cli, git, tmp_path
):
    """An honest run gets from a table to production; four dishonest proposals get nowhere."""
    # A run is proposed, and a pull request opened for it.
    table = wide(tmp_path / "first.csv", happy=scores(1500), sad=scores(1500, seed=1))
    said = cli("propose", table, "--head", "m/mood", "--branch", "first", "--json")
    assert (said.code, said.json["pull_request"]) == (0, 1), said.err
    assert "Nothing blocks this change" in host.api.pulls[0]["body"]

    # The gate passes it.
    code, report = host.gate("first")
    assert (code, report["ok"]) == (0, True), report["findings"]
    assert report["heads"]["m/mood"]["action"] == "new"

    # It is merged, judged again, signed and published.
    git(host.bare, "update-ref", "refs/heads/main", host.merge_of("first"))
    key = (tmp_path / "ci.key").read_text()
    codes = host.promote(key)
    assert set(codes.values()) == {0}, codes
    assert git(host.bare, "show", "stable:index.json.sig")

    # Production pulls it, and knows who signed.
    models = tmp_path / "models"
    source = f"{host.server.url}/ada/reg"
    said = cli("pull", source, models, "--key", tmp_path / "ci.key.pub")
    assert said.code == 0, said.err
    assert cli("verify", models).code == 0
    git(host.clone, "pull", "--quiet", "--ff-only", str(host.bare), "main")
    git(host.clone, "fetch", "--quiet", "origin")

    # A second claims to be stable, and is not.
    drifted = wide(tmp_path / "drifted.csv", happy=scores(1500, power=3), sad=scores(1500, seed=1))
    assert cli("run", drifted, "--head", "m/mood").code == 0
    file = host.clone / "m/v2/run.json"
    file.write_text(file.read_text().replace('"is_stable": false', '"is_stable": true'))
    host.propose_by_hand("forged")
    code, report = host.gate("forged")
    assert code == 1
    assert "drift-recomputed" in rules_of(report)
    forged = [found for found in report["findings"] if found["rule"] == "drift-recomputed"]
    assert (forged[0]["path"], forged[0]["head"]) == ("m/v2/run.json", "m/mood")

    # A third decides no better than chance: F1 0.09.
    calibration, holdout = (hopeless(tmp_path / f"{seed}.csv", seed) for seed in (1, 2))
    words = ("--holdout", holdout, "--head", "forum/posts/scam", "--objective", "max-f1")
    said = cli("tune", calibration, *words, "--commit")
    assert said.code == 0, said.err
    host.propose_by_hand("hopeless")
    code, report = host.gate("hopeless")
    assert code == 1
    assert rules_of(report) == {"decision-quality"}
    assert round(report["heads"]["forum/posts/scam"]["f1_after"], 2) == 0.09
    assert any("below min_f1 0.1" in found["problem"] for found in report["findings"])

    # A fourth writes v1 anew.
    file = host.clone / "m/v1/mood-calibration-v1.json"
    text = file.read_text().replace('"samples": 1500', '"samples": 9500')
    file.write_text(text)
    (host.clone / "m/mood-calibration.json").write_text(text)
    host.propose_by_hand("rewritten")
    code, report = host.gate("rewritten")
    assert code == 1
    assert "immutable-version" in rules_of(report)

    # A fifth brings the rule that it could keep.
    assert cli("tune", calibration, *words, "--commit").code == 0
    file = host.clone / "registry.yaml"
    file.write_text(file.read_text() + "\ngate:\n  min_f1: 0.05\n")
    host.propose_by_hand("lowered")
    code, report = host.gate("lowered")
    assert code == 1
    assert {"policy-changed", "decision-quality"} <= rules_of(report)
    changed = [found for found in report["findings"] if found["rule"] == "policy-changed"]
    assert any("min_f1" in found["problem"] for found in changed)

    # Of none of this has production heard.
    assert cli("status", models).code == 0
