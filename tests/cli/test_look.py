"""`show`, `history`, `diff`: the same to a person and to a program."""

HISTORY_ROW = {
    "model_name", "head_name", "version", "file_count", "timestamp", "p5", "p95", "range",
    "reference_version", "apd_p5", "apd_p95", "srd", "jsd", "median_drift", "iqr_drift",
    "is_stable",
}  # fmt: skip


def test_overview_is_every_head(cli, twice):
    """`show` is a line per head: its reference, its items, what the last run said."""
    lines = cli("show").out.splitlines()

    assert lines[0] == "reg  1 head"
    assert lines[-1].split() == [
        "m/mood",
        "v2",
        "2026-01-02",
        "03:04",
        "400",
        "2",
        "v2",
        "unstable",
    ]


def test_overview_json(cli, twice):
    """`show --json` has every head with its version, digest and verdict."""
    found = cli("show", "--json").json

    assert (found["registry"], found["count"]) == ("reg", 1)
    head = found["heads"]["m/mood"]
    assert (head["version"], head["verdict"], head["labels"]) == (2, "unstable", ["happy", "sad"])
    assert len(head["digest"]) == 64


def test_one_head(cli, twice):
    """`show HEAD` has its labels, versions and digest; `show HEAD@v1` those of a version."""
    said = cli("show", "m/mood")
    assert "v2 (reference)" in said.out
    assert "versions   v1 v2*  (* reference)" in said.out

    older = cli("show", "m/mood@v1", "--json").json
    assert (older["version"], older["is_reference"], older["reference_version"]) == (1, False, 2)
    assert set(older["calibration"]["labels"]) == {"happy", "sad"}


def test_unknown_head_names_the_nearest(cli, twice):
    """A head that does not exist is refused with the nearest there is."""
    said = cli("show", "m/moods")

    assert said.code == 3
    assert said.err == "no head 'm/moods' in reg\nHint: Did you mean m/mood?\n"


def test_empty_registry_says_what_next(cli, registry):
    """A registry without runs says so, and what to do."""
    assert "Next: calreg run SCORES" in cli("show").out
    assert cli("history").out == "No runs yet.\nNext: calreg run SCORES\n"
    assert cli("history", "--json").json == {"count": 0, "runs": []}


def test_history_rows_have_the_promised_fields(cli, twice):
    """`history --json` counts rows that have all fields of a history row, newest first."""
    found = cli("history", "--json").json

    assert found["count"] == len(found["runs"]) == 2
    assert [row["version"] for row in found["runs"]] == [2, 1]
    assert all(set(row) >= HISTORY_ROW for row in found["runs"])
    assert found["runs"][0]["timestamp"] == 1767323045000


def test_history_is_filtered_and_limited(cli, twice):
    """--model, --head and --limit choose rows; a name that matches nothing is refused."""
    assert cli("history", "--limit", "1", "--json").json["count"] == 1
    assert cli("history", "--head", "m/mood", "--model", "m", "--json").json["count"] == 2
    assert cli("history", "--head", "m/none").code == 3


def test_history_shows_trends(cli, twice):
    """The terminal's history draws a line per head, oldest first."""
    out = cli("history").out

    assert "trend, oldest first" in out
    assert set(out) & set("▁▂▃▄▅▆▇█")


def test_diff(cli, twice):
    """`diff` shows both versions of every label, and the drift against its limits."""
    out = cli("diff", "m/mood", "v1", "v2").out

    assert out.startswith("m/mood  v1 → v2  unstable · evidence: drift")
    assert "stable below" in out
    assert "✗" in out


def test_diff_json(cli, twice):
    """`diff --json` has parameters, quantiles and drift of every label, unrounded."""
    found = cli("diff", "m/mood", "v1", "v2", "--json").json

    assert (found["head"], found["from"], found["to"]) == ("m/mood", 1, 2)
    assert found["verdict"] == "unstable"
    label = found["labels"]["happy"]
    assert set(label["from"]["quantiles"]) == {"p1", "p5", "p25", "p50", "p75", "p95", "p99"}
    assert label["metrics"]["jsd"] > found["thresholds"]["jsd"]
    assert found["labels"]["sad"]["metrics"]["jsd"] == 0.0


def test_diff_with_itself_is_stable(cli, twice):
    """A version does not differ from itself."""
    assert cli("diff", "m/mood", "1", "1", "--json").json["verdict"] == "stable"
