"""`withdraw`: a version is unfit for any use, everywhere, and everybody is told since when."""

import json

import pytest
from desk import fingerprint, scores, wide


def reference(folder):
    file = folder / "m/mood-calibration.json"
    return json.loads(file.read_text())["version"] if file.exists() else None


def test_reference_goes_back(cli, twice, git):
    """Withdrawing the reference takes production back to the one before, and says so."""
    said = cli("withdraw", "m/mood", "v2", "--reason", "swapped labels")

    assert said.code == 0
    assert "m/mood  v2 withdrawn; reference v2 → v1, pinned" in said.out
    assert reference(twice) == 1
    found = json.loads((twice / "withdrawn.json").read_text())["heads"]["m/mood"]["v2"]
    assert (found["by"], found["why"]) == ("Ada Lovelace <ada@example.org>", "swapped labels")
    assert git(twice, "status", "--porcelain") == ""
    assert cli("doctor").code == 0


def test_only_reference(cli, published, table):
    """A head whose only version is withdrawn has no reference, and a new run may make one."""
    said = cli("withdraw", "m/mood", "v1", "--reason", "swapped")
    assert "it was the only reference, m/mood has none now" in said.out
    assert reference(published) is None

    show = cli("show")
    assert "m/mood has no reference: v1 withdrawn" in show.out
    said = cli("show", "m/mood")
    assert said.code == 4
    assert "m/mood has no reference: v1 is withdrawn" in said.err
    assert cli("doctor").code == 0

    again = cli("run", table, "--head", "m/mood")
    assert again.code == 0
    assert "Nothing to do" in again.out
    assert "v1 of m/mood is withdrawn" in again.err
    judged = cli("run", table, "--head", "m/mood", "--min-samples", "10")
    assert "none, made of the same scores as v1, withdrawn" in judged.out
    assert reference(published) is None
    other = wide(published.parent / "other.csv", happy=scores(400, power=3), sad=scores(400))
    assert cli("run", other, "--head", "m/mood").code == 0
    assert reference(published) == 3
    assert cli("doctor").code == 0


def test_to_another_version(cli, twice, tmp_path):
    """--to says where the reference goes."""
    third = wide(tmp_path / "c.csv", happy=scores(400, power=5), sad=scores(400, power=4))
    assert cli("run", third, "--head", "m/mood").code == 0

    found = cli("withdraw", "m/mood", "v3", "--to", "v1", "--reason", "x", "--json").json

    assert (found["action"], found["version"]) == ("withdraw", 3)
    assert (found["before"], found["after"]) == (3, 1)
    assert reference(twice) == 1


def test_rollback_passes_it_over(cli, twice, tmp_path):
    """A plain roll-back goes past a withdrawn version."""
    third = wide(tmp_path / "c.csv", happy=scores(400, power=5), sad=scores(400, power=4))
    assert cli("run", third, "--head", "m/mood").code == 0
    assert cli("withdraw", "m/mood", "v2", "--reason", "x").code == 0
    assert reference(twice) == 3

    assert cli("rollback", "m/mood", "--reason", "y").code == 0
    assert reference(twice) == 1


def test_everybody_is_told(cli, twice):
    """Every command that shows a withdrawn version says so, and export refuses it."""
    cli("withdraw", "m/mood", "v2", "--reason", "swapped")

    assert "withdrawn" in cli("show", "m/mood@v2").out
    one = cli("show", "m/mood@v2", "--json").json
    assert one["withdrawn"]["why"] == "swapped"
    assert set(one["withdrawn_versions"]) == {"v2"}
    assert "m/mood v2 withdrawn" in cli("history").out
    runs = cli("history", "--json").json["runs"]
    assert [row["withdrawn"] and row["withdrawn"]["why"] for row in runs] == ["swapped", None]
    assert "m/mood v2 withdrawn" in cli("diff", "m/mood", "v1", "v2").out
    assert set(cli("diff", "m/mood", "v1", "v2", "--json").json["withdrawn"]) == {"v2"}
    said = cli("export", "out", "m/mood@v2", "--format", "nomarr")
    assert said.code in {2, 4}
    said = cli("promote", "m/mood", "v2", "--reason", "z")
    assert said.code == 4


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["m/moo", "v1"], 3, "Did you mean m/mood?"),
        (["m/mood", "v9"], 3, "It has v1, v2"),
        (["m/mood", "vx"], 3, "is not a version"),
        (["m/mood", "v1", "--to", "v2"], 4, "Leave out --to"),
        (["m/mood", "v2", "--to", "v9"], 3, "has no version v9"),
        (["m/mood", "v2", "--sign", "key"], 2, "Add --stable"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_bad_input(cli, twice, words, code, text):
    """What cannot be withdrawn is refused in one clear line, and nothing is written."""
    before = fingerprint(twice)

    said = cli("withdraw", *words, "--reason", "x")

    assert said.code == code
    assert text in said.err
    assert fingerprint(twice) == before


def test_withdrawn_already(cli, twice):
    """A second withdrawal says since when and why, with exit 4."""
    cli("withdraw", "m/mood", "v2", "--reason", "swapped", "--timestamp", "2026-11-22T05:00:00Z")

    said = cli("withdraw", "m/mood", "v2", "--reason", "x")

    assert said.code == 4
    assert "v2 of m/mood is withdrawn 2026-11-22 by Ada Lovelace" in said.err
    assert "swapped" in said.err
