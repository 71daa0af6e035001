"""`promote`, `rollback`, `pin`, `unpin`: recorded, sticky, and said in one line."""

import json

import pytest
from desk import fingerprint, scores, wide


def held(folder):
    return json.loads((folder / "m/mood-calibration.json").read_text())["version"]


def test_rollback_is_sticky(cli, twice, tmp_path):
    """A roll-back pins the head: the next run leaves it, until the pin is lifted by name."""
    said = cli("rollback", "m/mood", "--reason", "false alarms")
    assert said.code == 0
    assert "m/mood  v2 → v1  rolled back, pinned" in said.out
    assert held(twice) == 1

    third = wide(tmp_path / "c.csv", happy=scores(400, power=5), sad=scores(400, power=4))
    run = cli("run", third, "--head", "m/mood", "--json").json["heads"]["m/mood"]
    assert (run["reference_update"], run["reference_after"]) == ("held", 1)
    assert "false alarms" in run["reason"]

    assert cli("unpin", "m/mood", "--reason", "fixed").code == 0
    assert cli("promote", "m/mood", "v3", "--reason", "checked by hand").code == 0
    assert held(twice) == 3


def test_pinned_head_is_not_promoted(cli, twice):
    """A promotion of a pinned head is refused with exit 4 and says who pinned it and why."""
    cli("rollback", "m/mood", "--reason", "false alarms")
    before = fingerprint(twice)

    said = cli("promote", "m/mood", "v2", "--reason", "again")

    assert said.code == 4
    assert "m/mood is pinned to v1 by Ada Lovelace" in said.err
    assert "calreg unpin m/mood" in said.err
    assert fingerprint(twice) == before


def test_move_in_json(cli, twice, git):
    """--json has the recorded move and the commit it became."""
    found = cli("rollback", "m/mood", "v1", "--reason", "why not", "--json").json

    assert (found["action"], found["before"], found["after"]) == ("rollback", 2, 1)
    assert (found["reason"], found["by"]) == ("why not", "Ada Lovelace <ada@example.org>")
    assert found["commit"] == git(twice, "rev-parse", "HEAD")


def test_pin_until(cli, twice):
    """A pin may end by itself; an end that is over is refused."""
    said = cli("pin", "m/mood", "--until", "2199-01-01", "--reason", "audit")
    assert said.code == 0
    assert "pinned until 2199-01-01" in said.out
    assert "v2 until 2199-01-01: audit" in cli("show").out

    assert cli("pin", "m/mood", "--until", "2001-01-01", "--reason", "late").code == 3


@pytest.mark.parametrize(
    "words",
    [
        ["promote", "m/mood", "v9"],
        ["rollback", "m/none"],
        ["pin", "m/mood", "x"],
        ["unpin", "m/no"],
    ],
    ids=lambda words: words[0],
)
def test_what_does_not_exist_is_refused(cli, twice, words):
    """A head or version that does not exist is refused with exit 3, and nothing is written."""
    before = fingerprint(twice)

    assert cli(*words, "--reason", "x").code == 3
    assert fingerprint(twice) == before


def test_reason_is_required(cli, twice):
    """Nobody moves a reference without saying why."""
    said = cli("rollback", "m/mood", "v1")

    assert said.code == 2
    assert "--reason" in said.err
    assert cli("rollback", "m/mood", "v1", "--reason", "  ").code == 3


def test_nothing_to_go_back_to(cli, published):
    """A head that has had one reference only cannot be rolled back."""
    said = cli("rollback", "m/mood", "--reason", "x")

    assert said.code == 4
    assert "no reference before v1" in said.err


def test_reason_must_fit_a_record(cli, twice):
    """A reason that is longer than a record holds is refused in one line that is shorter."""
    before = fingerprint(twice)

    said = cli("pin", "m/mood", "--reason", "x" * 1001)

    assert said.code == 3
    assert "expected at most 1,000 characters, got 1,001" in said.err
    assert len(said.err) < 200
    assert fingerprint(twice) == before
