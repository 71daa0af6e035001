"""The re-tag queue over HTTP."""

from datetime import UTC, datetime

import numpy as np
import pytest
from running_service import HEADS, rows_of, served, table

from calreg.registry import Registry
from calreg.retag import HeadRetag, RetagRules


@pytest.fixture
def full(registry, store_url):
    """A service with 300 items of four scores each, in each database."""
    with served(registry, store=store_url) as service:
        rows = rows_of(table(registry.parent / "rows.csv"))
        assert service.post("/scores", {"rows": rows}).json()["new_items"] == 300
        yield service


def changed_by_definition(service, since):
    """The items whose outcome changes, found by applying both calibrations to every score."""
    registry = Registry.open(service.state.registry.root)
    then = {run.version: run for run in registry.runs()}[since]
    assert then.version == since
    before = {head: registry.calibration(head, since).calibration for head in registry.heads()}
    after = {head: registry.calibration(head).calibration for head in registry.heads()}
    found = set()
    for row in rows_of(service.state.registry.root.parent / "rows.csv"):
        name = f"{row['model']}/{row['head']}"
        head = next(head for head in before if head.full == name)
        changes = HeadRetag(before[head], after[head], RetagRules()).changes(
            {row["label"]: np.array([row["score"]])}
        )
        if changes[row["label"]][0]:
            found.add(row["item"])
    return found


def test_everything_can_be_tagged_again(full):
    """retag-all puts every item in the queue, and says how many; a second time none is new."""
    first = full.post("/admin/calibration/retag-all")
    again = full.post("/admin/calibration/retag-all")

    assert first.json() == {"enqueued": 300, "message": "300 items put in the queue"}
    assert again.json()["enqueued"] == 0


def test_a_tagger_works_through_the_queue(full):
    """Leased items are handed to nobody else; what is done does not come back."""
    full.post("/admin/calibration/retag-all")

    one, other = (full.get("/retag/next?n=200").json() for _ in range(2))
    done = full.post("/retag/done", {"lease": one["lease"], "items": one["items"]}).json()

    assert (len(one["items"]), len(other["items"])) == (200, 100)
    assert set(one["items"]).isdisjoint(other["items"])
    assert set(one) == {"lease", "until", "items"}
    assert done == {"done": 200, "unknown": 0}
    assert full.get("/retag/next").json()["items"] == []
    assert full.state.store.queue_counts() == (0, 100)


def test_a_lease_runs_out(registry, tmp_path):
    """What a tagger does not finish in time, another gets; the first one's word comes too late."""
    now = [1000.0]
    with served(registry, now=lambda: now[0], lease_s=5) as service:
        rows = rows_of(table(tmp_path / "rows.csv", items=3))
        service.post("/scores", {"rows": rows})
        service.post("/admin/calibration/retag-all")
        first = service.get("/retag/next").json()
        waiting = service.get("/retag/next").json()
        now[0] += 6
        second = service.get("/retag/next").json()
        late = service.post("/retag/done", {"lease": first["lease"], "items": first["items"]})

    assert (len(first["items"]), waiting["items"]) == (3, [])
    assert first["until"] == 1005
    assert sorted(second["items"]) == sorted(first["items"])
    assert late.json() == {"done": 0, "unknown": 3}


def test_a_restart_loses_nothing(registry, tmp_path):
    """Leased and waiting items are in the store: the next service hands out the rest."""
    with served(registry) as service:
        rows = rows_of(table(tmp_path / "rows.csv", items=10))
        service.post("/scores", {"rows": rows})
        service.post("/admin/calibration/retag-all")
        lease = service.get("/retag/next?n=4").json()
    with served(registry) as service:
        rest = service.get("/retag/next?n=100").json()
        done = service.post("/retag/done", {"lease": lease["lease"], "items": lease["items"]})

    assert len(rest["items"]) == 6
    assert done.json() == {"done": 4, "unknown": 0}


def since_forms(service):
    """Run 1, said in every way there is."""
    registry = Registry.open(service.state.registry.root)
    log = registry.repository.log(registry.repository.tip(), "runs/1.json")
    commit = log[-1].commit
    digest = "0" * 64
    return [1, "1", "v1", commit, commit[:10], f"reg@{commit} {HEADS[0]} v1 sha256:{digest}"]


def test_only_what_changes_is_tagged_again(full):
    """The items whose outcome differs between then and now, and no others."""
    expected = changed_by_definition(full, 1)
    answer = full.post("/admin/calibration/retag", {"only": "changed", "since": 1}).json()
    leased = full.get("/retag/next?n=1000").json()["items"]

    assert 0 < len(expected) < 300
    assert set(leased) == expected
    assert (answer["enqueued"], answer["changed"], answer["items"]) == (
        len(expected), len(expected), 300,
    )  # fmt: skip
    assert answer["message"].startswith(f"{len(expected)} items of 300 (")


def test_then_can_be_said_in_many_ways(full):
    """A run's number, a commit, its beginning and a stamp mean the same time."""
    counts = [
        full.post("/admin/calibration/retag", {"only": "changed", "since": since}).json()["changed"]
        for since in since_forms(full)
    ]

    assert len(set(counts)) == 1


def test_a_day_is_its_end_as_on_the_command_line(full):
    """Tagged on the day of the newest run means tagged after it: nothing changed since."""
    registry = Registry.open(full.state.registry.root)
    newest = max(run.timestamp for run in registry.runs())
    log = registry.repository.log(registry.repository.tip(), limit=1)
    day = datetime.fromtimestamp(log[0].time_s, UTC).date().isoformat()

    answer = full.post("/admin/calibration/retag", {"only": "changed", "since": day})

    assert newest.startswith(day)
    assert (answer.status_code, answer.json()["changed"]) == (200, 0)


def test_a_time_means_what_was_in_force_then(full):
    """From now on nothing changed; before the registry there was nothing."""
    now = full.post(
        "/admin/calibration/retag", {"only": "changed", "since": "2100-01-01T00:00:00Z"}
    )
    never = full.post("/admin/calibration/retag", {"only": "changed", "since": "1999-12-31"})

    assert (now.status_code, now.json()["changed"]) == (200, 0)
    assert never.status_code == 404
    assert "did not exist at 1999-12-31" in never.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"only": "changed", "since": 99}, 404),
        ({"only": "changed", "since": "v99"}, 404),
        ({"only": "changed", "since": "deadbeef"}, 404),
        ({"only": "changed", "since": "yesterday"}, 404),
        ({"only": "changed", "since": f"other@{'a' * 40} m/h v1 sha256:{'0' * 64}"}, 404),
        ({"only": "changed", "since": "a@b"}, 422),
        ({"only": "changed", "since": 0}, 422),
        ({"only": "changed", "since": True}, 422),
        ({"only": "changed"}, 422),
        ({"only": "all", "since": 1}, 422),
        ({"only": "changed", "since": 1, "head": "x"}, 422),
        ([], 422),
    ],
)
def test_a_time_that_is_none_is_told(reading, body, status):
    """What names no time of the registry is refused, with how to write one."""
    answer = reading.post("/admin/calibration/retag", body)

    assert answer.status_code == status
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("n", ["0", "-1", "10001", "x", "1.5"])
def test_a_number_that_is_none_is_told(reading, n):
    """The number of items is a whole one, from 1 to 10,000."""
    assert reading.get(f"/retag/next?n={n}").status_code == 422


def test_asking_about_a_lease_takes_none(full):
    """HEAD changes nothing, so it is refused where getting does something."""
    full.post("/admin/calibration/retag-all")

    assert full.ask("HEAD", "/retag/next").status_code == 405
    assert full.state.store.queue_counts() == (300, 0)
