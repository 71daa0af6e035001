"""Factors in a registry: a head like any other, and what its rules hold back is not in force."""

import json

import pytest
from desk import fingerprint
from sales import FACTORS, RATIOS, month

from calreg.documents import load_calibration, load_overrides

HEAD = "pricing/condition"


@pytest.fixture
def sales(tmp_path):
    return month(tmp_path / "january")


@pytest.fixture
def publish(cli, registry, tmp_path):
    """Run the feedback of a month, and apply it to the head."""

    def act(found, *words):
        given = [] if (registry / "feedback/overrides.json").exists() else ["--current", current]
        assert cli("feedback", "run", *found.words, *given).code == 0
        return cli("feedback", "apply", "--head", HEAD, "--commit", *words)

    current = tmp_path / "defaults.json"
    current.write_text(json.dumps(FACTORS))
    return act


def reference(registry):
    file = registry / f"{HEAD}-calibration.json"
    labels = load_calibration(file.read_bytes(), where=str(file)).labels
    return {group: label.parameters["factor"] for group, label in labels.items()}


def in_force(registry):
    file = registry / "feedback/overrides.json"
    return load_overrides(file.read_bytes(), where=str(file))


def in_use(registry, tmp_path, name, ratio, **more):
    """A month that was predicted with the factors in use, and went off by a ratio."""
    ratios = {"new": 1.0, "used": ratio, "parts": 1.0}
    factors = dict(in_force(registry).factors)
    return month(tmp_path / name, ratios=ratios, factors=factors, **more)


def test_an_application_is_a_version(cli, registry, sales, publish):
    """The head holds the factors, and so does the folder; who and which data are on record."""
    said = publish(sales, "--json")

    assert said.code == 0
    assert said.json["registry"]["version"] == 1
    assert said.json["registry"]["reference_update"] == "updated"
    assert reference(registry) == in_force(registry).factors == said.json["after"]
    assert in_force(registry).history[0].by == "Ada Lovelace <ada@example.org>"
    run = json.loads((registry / "runs/1.json").read_text())
    assert run["inputs"]["digest"] == said.json["data_digest"]
    assert cli("doctor").code == 0


def test_the_same_data_again_is_refused_by_the_registry(cli, registry, sales, publish, git):
    """Exit 4, by the name of the run, and no commit; a lost folder makes no difference."""
    publish(sales)
    before = git(registry, "rev-parse", "HEAD")

    again = publish(sales)
    for file in (registry / "feedback").iterdir():
        file.unlink()
    elsewhere = publish(sales, "--max-step", "0.05")

    for said in (again, elsewhere):
        assert said.code == 4
        assert "applied already, by run 1" in said.err
    assert git(registry, "rev-parse", "HEAD") == before


def test_a_new_month_moves_the_reference(registry, tmp_path, sales, publish):
    """Drift is the relative change, and the head's own factors are where it starts."""
    publish(sales)
    before = reference(registry)

    said = publish(in_use(registry, tmp_path, "february", 0.9, seed=1), "--json")

    assert said.json["before"] == before
    assert said.json["registry"]["verdict"] == "unstable"
    assert said.json["registry"]["reference_after"] == 2
    assert reference(registry) == in_force(registry).factors == said.json["after"]
    assert reference(registry)["used"] < before["used"]


def test_what_is_too_little_to_move_the_reference_is_not_in_force(
    registry, tmp_path, sales, publish
):
    """A version is written, the reference stays, and the folder follows the reference."""
    publish(sales)
    before = reference(registry)
    little = in_use(registry, tmp_path, "february", 0.992, n=400, seed=1, scatter=0.005)

    said = publish(little, "--json")

    assert said.json["registry"]["reference_update"] == "unchanged"
    assert reference(registry) == in_force(registry).factors == before
    assert said.json["changed"] == 0
    assert any("stays at v1" in warning for warning in said.json["warnings"])


def test_a_pin_holds_factors_too(cli, registry, tmp_path, sales, publish):
    """A reference that a person pinned is not moved by an application."""
    publish(sales)
    assert cli("pin", HEAD, "--reason", "audit").code == 0
    before = reference(registry)

    said = publish(in_use(registry, tmp_path, "february", 0.8, seed=1), "--json")

    assert said.json["registry"]["reference_update"] == "held"
    assert reference(registry) == in_force(registry).factors == before
    assert "pinned" in said.json["groups"]["used"]["reason"]


def test_a_reference_that_was_moved_by_hand_counts(cli, registry, tmp_path, sales, publish):
    """After a roll-back the folder learns of it, with an entry of its own."""
    publish(sales)
    first = reference(registry)
    publish(in_use(registry, tmp_path, "february", 0.9, seed=1))
    assert cli("rollback", HEAD, "--reason", "complaints").code == 0
    assert cli("unpin", HEAD, "--reason", "settled").code == 0
    march = month(tmp_path / "march", ratios=dict(RATIOS, used=0.9), factors=first, seed=2)
    current = registry / f"{HEAD}-calibration.json"
    assert cli("feedback", "run", *march.words, "--current", current).code == 0

    said = cli("feedback", "apply", "--head", HEAD, "--commit", "--json")

    assert said.code == 0
    assert said.json["before"] == first
    assert "whose reference counts" in said.json["warnings"][0]
    actions = [entry.action for entry in in_force(registry).history]
    assert actions == ["apply", "apply", "revert", "apply"]
    assert reference(registry) == in_force(registry).factors


def test_a_group_without_sales_keeps_its_factor(registry, tmp_path, sales, publish):
    """It stays in the head, with no pairs to its name."""
    publish(sales)
    before = reference(registry)
    factors = dict(in_force(registry).factors)
    february = month(tmp_path / "february", ratios={"used": 0.9}, factors=factors, seed=1)

    said = publish(february, "--json")

    assert said.code == 0
    assert reference(registry)["parts"] == before["parts"]
    assert reference(registry)["used"] < before["used"]


def test_a_dry_run_shows_what_the_registry_would_do(cli, registry, sales, tmp_path):
    """Nothing is written, in the registry or in the folder."""
    cli("feedback", "run", *sales.words)
    before = fingerprint(registry)

    said = cli("feedback", "apply", "--head", HEAD, "--dry-run")

    assert said.code == 0
    assert f"it would be: {HEAD} v1: the reference moves to v1" in said.out
    assert fingerprint(registry) == before


def test_production_mode_writes_nothing(cli, registry, sales, publish, monkeypatch):
    """A place that may not write to a registry is refused with exit 4."""
    cli("feedback", "run", *sales.words)
    monkeypatch.setenv("CALREG_CALIBRATE_HEADS", "false")
    before = fingerprint(registry)

    said = cli("feedback", "apply", "--head", HEAD, "--commit")

    assert said.code == 4
    assert "calibrate_heads" in said.err
    assert fingerprint(registry) == before


def test_a_head_of_scores_holds_no_factors(cli, published, sales):
    """Factors do not go into a head that means something else."""
    cli("feedback", "run", *sales.words)

    said = cli("feedback", "apply", "--head", "m/mood", "--commit")

    assert said.code == 3
    assert "holds no factors" in said.err


def test_push_brings_it_to_the_remote(registry, tmp_path, sales, publish, git):
    """The remote has the commit that is here."""
    remote = tmp_path / "remote.git"
    git(tmp_path, "init", "--quiet", "--bare", str(remote))
    git(registry, "remote", "add", "origin", str(remote))

    said = publish(sales, "--push", "--json")

    assert said.json["registry"]["pushed"] is True
    branch = git(registry, "branch", "--show-current")
    assert git(remote, "rev-parse", branch) == said.json["registry"]["commit"]


@pytest.mark.parametrize("words", [(), ("--max-step", "0.05")])
def test_of_two_who_apply_the_same_data_the_second_is_refused(
    cli, registry, tmp_path, sales, publish, git, monkeypatch, words
):
    """Somebody was faster on another machine: exit 4, and one version at the remote."""
    remote, other = tmp_path / "remote.git", tmp_path / "other"
    git(tmp_path, "init", "--quiet", "--bare", str(remote))
    git(registry, "remote", "add", "origin", str(remote))
    branch = git(registry, "branch", "--show-current")
    git(registry, "push", "--quiet", "-u", "origin", branch)
    git(tmp_path, "clone", "--quiet", "--branch", branch, str(remote), str(other))
    assert publish(sales, "--push").code == 0
    before = git(remote, "rev-parse", branch)
    monkeypatch.chdir(other)
    monkeypatch.setenv("CALREG_CALIBRATE_HEADS", "1")
    current = tmp_path / "defaults.json"
    assert cli("feedback", "run", *sales.words, "--current", current).code == 0

    said = cli("feedback", "apply", "--head", HEAD, "--commit", "--push", *words)

    assert said.code == 4
    assert git(remote, "rev-parse", branch) == before
    assert not (other / "feedback/overrides.json").exists()
