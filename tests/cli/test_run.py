"""`calreg run`: computes, compares, commits, and says so to people and programs."""

import pytest
from desk import fingerprint, scores, wide

METRICS = {"apd_p5", "apd_p95", "srd", "jsd", "median_drift", "iqr_drift"}


def test_first_run_is_one_commit(cli, registry, table, git):
    """A first run commits a version and a reference per head, in one commit."""
    before = git(registry, "rev-list", "--count", "HEAD")

    said = cli("run", table, "--head", "m/mood")

    assert said.code == 0
    assert "1 version, 1 first reference" in said.out
    assert int(git(registry, "rev-list", "--count", "HEAD")) == int(before) + 1
    reference = (registry / "m/mood-calibration.json").read_bytes()
    assert reference == (registry / "m/v1/mood-calibration-v1.json").read_bytes()
    assert git(registry, "status", "--porcelain") == ""


def test_json_has_the_promised_shape(cli, published, drifted):
    """`run --json` is one document with the keys that other programs rely on."""
    said = cli("run", drifted, "--head", "m/mood", "--json")

    assert set(said.json) >= {"version", "commit", "heads", "rejects", "summary"}
    head = said.json["heads"]["m/mood"]
    assert set(head) >= {
        "is_stable", "verdict", "evidence", "failed_metrics", "reference_version",
        "reference_after", "reference_update", "metrics", "noise", "labels",
    }  # fmt: skip
    assert set(head["metrics"]) == set(head["noise"]) == METRICS
    assert set(head["labels"]["happy"]) >= {"p5", "p95", "samples", "metrics", "noise"}
    assert (head["reference_version"], head["reference_after"]) == (1, 2)
    assert head["reference_update"] == "updated"
    assert set(said.json["summary"]) >= {"total_heads", "stable_heads", "unstable_heads"}
    assert said.err == ""


def test_drifted_head_is_marked(cli, published, drifted):
    """A drifted head stands in the table with its failed metrics marked and the move."""
    said = cli("run", drifted, "--head", "m/mood")

    assert "✗" in said.out
    assert "v1 → v2" in said.out
    assert "Next: calreg diff m/mood v1 v2" in said.out


def test_same_scores_do_nothing(cli, published, table, git):
    """A run on the scores of an earlier run does nothing and names that run."""
    tip = git(published, "rev-parse", "HEAD")

    said = cli("run", table, "--head", "m/mood")

    assert said.code == 0
    assert said.out.startswith("Nothing to do: run 1 of ")
    assert git(published, "rev-parse", "HEAD") == tip


def test_same_scores_in_json(cli, published, table):
    """Asked for JSON, a repeated run reports what the earlier run found."""
    said = cli("run", table, "--head", "m/mood", "--json")

    assert (said.json["status"], said.json["version"]) == ("already-done", 1)
    assert set(said.json["heads"]) == {"m/mood"}


def test_dry_run_reports_and_writes_nothing(cli, published, drifted):
    """--dry-run shows the same heads as the run it stands for, and changes no byte."""
    before = fingerprint(published)
    dry = cli("run", drifted, "--head", "m/mood", "--dry-run", "--json").json

    assert fingerprint(published) == before
    assert dry["commit"] is None
    assert dry["heads"] == cli("run", drifted, "--head", "m/mood", "--json").json["heads"]


def test_no_commit_leaves_files_to_look_at(cli, published, drifted, git):
    """--no-commit writes the files of the run into the work tree and commits nothing."""
    tip = git(published, "rev-parse", "HEAD")

    said = cli("run", drifted, "--head", "m/mood", "--no-commit")

    assert said.code == 0
    assert "not committed" in said.out
    assert git(published, "rev-parse", "HEAD") == tip
    changed = git(published, "status", "--porcelain", "--untracked-files=all").splitlines()
    assert {line.split()[-1] for line in changed} == {
        "m/mood-calibration.json",
        "m/v2/mood-calibration-v2.json",
        "m/v2/run.json",
        "runs/2.json",
    }


def test_head_with_a_constant_label_is_left_out(cli, registry, tmp_path):
    """A head with a constant label is left out by name and reason; the others go on."""
    lines = ["m/good:a,m/flat:a"] + [f"{value!r},0.5" for value in scores(300).tolist()]
    (tmp_path / "two.csv").write_text("\n".join(lines) + "\n")

    said = cli("run", tmp_path / "two.csv", "--json")

    assert said.code == 0
    assert said.json["excluded"] == {"m/flat": "label 'a': constant at 0.5"}
    assert set(said.json["heads"]) == {"m/good"}
    assert not (registry / "m/flat-calibration.json").exists()


def test_rejects_are_counted_and_shown(cli, registry, tmp_path):
    """Rejected scores are counted by reason, the first one with its line."""
    lines = ["score_a"] + [repr(value) for value in scores(300).tolist()] + ["nan"]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")

    said = cli("run", tmp_path / "t.csv", "--head", "m/h")

    assert said.code == 0
    assert "1 rejected (1 NaN: " in said.out
    assert "line 302" in said.out


def test_time_is_what_was_asked_for(cli, registry, table):
    """--timestamp is what the run records, whatever the clock says."""
    said = cli("run", table, "--head", "m/mood", "--timestamp", "2026-01-02T03:04:05Z", "--json")

    assert said.json["timestamp"] == "2026-01-02T03:04:05.000Z"


def test_build_time_is_recorded(cli, registry, table, monkeypatch):
    """SOURCE_DATE_EPOCH is the time where --timestamp is not given."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")

    assert (
        cli("run", table, "--head", "m/mood", "--json").json["timestamp"].startswith("1970-01-02")
    )


def test_push_reaches_the_remote(cli, published, drifted, git, tmp_path):
    """--push brings the commit to the branch's remote."""
    git(tmp_path, "init", "--quiet", "--bare", "remote.git")
    git(published, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(published, "push", "--quiet", "-u", "origin", "main")

    said = cli("run", drifted, "--head", "m/mood", "--push", "--json")

    assert said.json["pushed"] is True
    assert git(tmp_path / "remote.git", "rev-parse", "main") == said.json["commit"]


def test_noise_is_held_where_the_policy_says_so(cli, registry, tmp_path, git):
    """With promote_on: drift, a difference within sampling noise leaves the reference."""
    rules = registry / "registry.yaml"
    rules.write_text(rules.read_text().replace("promote_on: unstable", "promote_on: drift"))
    git(registry, "commit", "--quiet", "-am", "Hold noise")
    cli("run", wide(tmp_path / "a.csv", a=scores(300)), "--head", "m/h")

    said = cli("run", wide(tmp_path / "b.csv", a=scores(300, seed=7)), "--head", "m/h")

    assert "noise?" in said.out
    assert "v1 held, ~" in said.out
    assert "1 within noise (promote_on: drift)" in said.out


@pytest.mark.parametrize("options", [("--push", "--dry-run"), ("--dry-run", "--no-commit")])
def test_contradicting_options_are_refused(cli, registry, table, options):
    """Options that contradict each other are a usage error that names both."""
    said = cli("run", table, "--head", "m/h", *options)

    assert said.code == 2
    assert " and ".join(options) in said.err
