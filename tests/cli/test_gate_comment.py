"""`calreg gate --read --comment`: one comment on the pull request that a report is of."""

from __future__ import annotations

import json

import pytest
from githost import ApiServer

from calreg.gate import Finding, Judged
from calreg.report.gate import Compared
from calreg.report.gate_document import document_of


@pytest.fixture
def api(monkeypatch):
    """The host's API, and a token for it in the environment."""
    with ApiServer("ada/reg") as server:
        monkeypatch.setenv("GITHUB_API_URL", server.url)
        monkeypatch.setenv("CALREG_GITHUB_TOKEN", server.token)
        yield server


@pytest.fixture
def report(tmp_path):
    """A report that blocks, as a build leaves it."""
    judged = Judged((Finding("name", "error", "a", None, "@everyone <b>"),), registry="reg")
    file = tmp_path / "gate-report.json"
    file.write_text(json.dumps(document_of(judged, Compared("a", "b", None, "c", 1))))
    return file


def test_one_comment_is_kept_up_to_date(api, cli, report, monkeypatch):
    """The report is one comment on the pull request of that commit, renewed and not repeated."""
    monkeypatch.setenv("GITHUB_REPOSITORY", "ada/reg")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    api.pull(head={"ref": "fix", "sha": "b" * 40})
    api.comments += [
        {"id": 1, "body": "<!-- calreg gate -->\nforged", "user": {"type": "User"}},
        {"id": 2, "body": "hello", "user": {"type": "Bot"}},
    ]
    words = ("gate", "--read", report, "--comment", f"eve:fix:{'b' * 40}")

    assert cli(*words).code == 0
    assert cli(*words).code == 0

    assert [one["id"] for one in api.comments] == [1, 2, 3]
    assert api.comments[0]["body"].endswith("forged")
    text = api.comments[2]["body"]
    assert text.startswith("<!-- calreg gate -->\n### ❌ 1 finding blocks this change")
    assert "@everyone" not in text
    assert "<b>" not in text


def test_a_branch_that_moved_on_gets_no_comment(api, cli, report, monkeypatch):
    """A report of a commit that is no longer the tip is posted nowhere."""
    monkeypatch.setenv("GITHUB_REPOSITORY", "ada/reg")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    api.pull(head={"ref": "fix", "sha": "c" * 40})

    said = cli("gate", "--read", report, "--comment", f"eve:fix:{'b' * 40}")

    assert said.code == 0
    assert "nothing was posted" in said.err
    assert api.comments == []
