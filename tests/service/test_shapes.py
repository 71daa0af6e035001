"""The fields that other programs rely on, by name: the letter of the API."""

import time

import pytest
from running_service import HEADS, Service, rows_of, served, table

SIX = {"apd_p5", "apd_p95", "srd", "jsd", "median_drift", "iqr_drift"}
ROW = SIX | {
    "model_name", "head_name", "version", "file_count", "timestamp", "p5", "p95", "range",
    "reference_version", "is_stable",
}  # fmt: skip


@pytest.fixture
def moved(registry):
    """A service with scores of which those of one head have moved."""
    with served(registry) as service:
        rows = rows_of(table(registry.parent / "rows.csv", shift=0.1))
        assert service.post("/scores", {"rows": rows}).status_code == 200
        yield service


def newest(service: Service) -> dict[str, dict]:
    answer = service.get("/admin/calibration/history?model=&head=&limit=2").json()
    assert (answer["status"], answer["count"], set(answer)) == (
        "ok",
        2,
        {"status", "count", "runs"},
    )
    return {f"{row['model_name']}/{row['head_name']}": row for row in answer["runs"]}


def test_a_run_has_the_agreed_fields(moved):
    """The answer to a run, its heads and their drift have the agreed names, types and values."""
    answer = moved.post("/admin/calibration/run").json()
    calibration = answer["calibration"]

    assert (answer["status"], answer["outcome"]) == ("ok", "committed")
    assert {"version", "library_size", "heads"} == set(calibration)
    assert set(calibration["heads"]) == set(HEADS)
    assert set(answer["saved_files"]) == set(answer["reference_updates"]) == set(HEADS)
    assert set(answer["reference_updates"].values()) <= {"updated", "unchanged", "held"}
    for full, head in calibration["heads"].items():
        drift = head["drift_metrics"]
        assert (head["model_name"], head["head_name"]) == tuple(full.rsplit("/", 1))
        assert set(head) >= {"labels", "drift_metrics", "is_stable", "reference_version"}
        assert set(drift) == SIX | {"is_stable", "failed_metrics"}
        assert drift["is_stable"] is head["is_stable"] is not bool(drift["failed_metrics"])
        for label in head["labels"].values():
            assert set(label) == {"p5", "p95", "method"}
            assert label["method"] == "minmax"
    summary = answer["summary"]
    assert summary["total_heads"] == summary["stable_heads"] + summary["unstable_heads"] == 2
    assert summary["unstable_heads"] >= 1


def test_a_row_of_the_history_has_the_agreed_fields(moved):
    """Rows have every agreed name and an id, milliseconds, and the numbers of the run's answer."""
    before_ms = time.time_ns() // 1_000_000
    answer = moved.post("/admin/calibration/run").json()
    rows = newest(moved)

    assert set(rows) == set(HEADS)
    for full, row in rows.items():
        head = answer["calibration"]["heads"][full]
        model, _, name = full.rpartition("/")
        assert set(row) >= ROW | {"id"}
        assert row["id"] == f"{model.replace('/', ':')}_{name}_{row['version']}"
        assert row["version"] == answer["calibration"]["version"]
        assert isinstance(row["timestamp"], int)
        assert before_ms <= row["timestamp"] <= time.time_ns() // 1_000_000
        assert row["file_count"] == answer["calibration"]["library_size"] == 300
        assert row["range"] == pytest.approx(row["p95"] - row["p5"], abs=1e-15)
        assert {one: row[one] for one in SIX} == {one: head["drift_metrics"][one] for one in SIX}
        assert (row["is_stable"], row["reference_version"]) == (
            head["is_stable"],
            head["reference_version"],
        )


def test_the_queue_has_the_agreed_fields(moved):
    """What is put in the queue is answered with how many it were, and a message."""
    version = moved.post("/admin/calibration/run").json()["calibration"]["version"]
    every = moved.post("/admin/calibration/retag-all").json()
    body = {"only": "changed", "since": version}
    changed = moved.post("/admin/calibration/retag", body).json()

    assert set(every) == {"enqueued", "message"}
    assert every["enqueued"] == 300
    assert set(changed) >= {"enqueued", "message"}
    assert changed["enqueued"] == 0
