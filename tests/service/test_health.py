"""How the service is, in words and in figures; and what it does while its database is down."""

from __future__ import annotations

import asyncio
import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families
from running_service import HEADS, rows_of, served, table

from calreg import __version__
from calreg.service.health import Health
from calreg.service.metrics import Metrics
from calreg.service.threads import Threads
from calreg.store import Revision, RunRecord
from postgres import remove, started

WELL = {"store": "ok", "registry": "ok", "worker": "ok"}


def figures(service) -> dict[str, dict[tuple[str, ...], float]]:
    """Name of a sample to its values by labels."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(service.get("/metrics").text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_a_service_that_is_well_says_so(reading):
    """Every part is `ok`, with version and time; 200."""
    answer = reading.get("/health", headers={})

    assert answer.status_code == 200
    body = answer.json()
    assert body.pop("uptime_s") >= 0
    assert body == {"status": "ok", **WELL, "version": __version__}


def test_a_database_that_is_down_loses_nothing(registry, tmp_path):
    """While the database is down: 503 with a time to try again, references go on, and all is kept.

    Once it is back, so is the service, by itself; and what was answered before is there.
    """
    server = started(fsync="on", full_page_writes="on", synchronous_commit="on")
    rows = rows_of(table(tmp_path / "rows.csv", items=20))
    try:
        with served(registry, store=server.new_database()) as service:
            before = service.post("/scores", {"rows": rows})
            service.post("/admin/calibration/retag-all")
            server.stop()
            during = service.post("/scores", {"rows": [{**rows[0], "item": "new"}]})
            queue = service.get("/retag/next")
            reference = service.get(f"/calibrations/{HEADS[1]}")
            stranger = service.get("/health", headers={})
            health, alive = service.get("/health"), service.get("/health?live")
            counted = figures(service)
            server.start()
            after = service.post("/scores", {"rows": rows})
            leased = service.get("/retag/next").json()["items"]
    finally:
        remove(server)

    assert (before.status_code, reference.status_code, alive.status_code) == (200, 200, 200)
    for answer in (during, queue):
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["error"]["code"] == "store-down"
    assert health.status_code == 503
    assert health.json()["store"].startswith("store-down")
    assert health.json()["status"] == "degraded"
    # Where the database is and who it is used by, whoever has a key may know.
    assert "connection" in health.json()["store"]
    assert stranger.json()["store"] == "store-down"
    assert counted["calreg_up"] == {("store",): 0, ("registry",): 1}
    assert (after.json()["new"], after.json()["same"]) == (0, 80)
    assert len(leased) == 20


def test_figures_count_what_happened(registry, tmp_path):
    """Answers by route, rows by outcome, the queue, heads by verdict, the age of references."""
    rows = rows_of(table(tmp_path / "rows.csv", items=10))
    with served(registry) as service:
        service.post("/scores", {"rows": rows})
        service.post("/scores", {"rows": [{}, *rows]})
        service.post("/admin/calibration/retag-all")
        service.get("/retag/next?n=3")
        service.get("/nowhere")
        found = figures(service)

    requests = found["calreg_requests_total"]
    assert requests["POST", "/scores", "200"] == 1
    assert requests["POST", "/scores", "422"] == 1
    assert requests["GET", "none", "404"] == 1
    assert found["calreg_scores_total"]["new",] == 40
    assert found["calreg_scores_total"]["rejected",] == 1
    assert found["calreg_queue_items"] == {("waiting",): 7, ("leased",): 3}
    assert found["calreg_stored"] == {("items",): 10, ("scores",): 40}
    assert sum(found["calreg_heads"].values()) == 2
    assert set(found["calreg_reference_seconds"]) == {(head,) for head in HEADS}
    assert all(age >= 0 for age in found["calreg_reference_seconds"].values())
    assert 0 < found["calreg_drift"][HEADS[1], "apd_p5"] < 1
    assert found["calreg_up"] == {("store",): 1, ("registry",): 1}


def test_the_runs_of_a_service_are_counted(registry, tmp_path):
    """A run that this process made is in the figures; one of a former process is not."""
    rows = rows_of(table(tmp_path / "rows.csv", shift=0.4))
    with served(registry) as service:
        service.post("/scores", {"rows": rows})
        assert service.post("/admin/calibration/run").status_code == 200
        found = figures(service)
    with served(registry) as service:
        later = figures(service)

    assert found["calreg_run_seconds_count"] == {("ok",): 1}
    assert "calreg_run_seconds_count" not in later


def test_a_run_is_counted_once():
    """A run that ended is in the figures with its time, however often somebody looks."""
    metrics, seen = Metrics(), Revision(1, 1, 1)
    runs = [
        RunRecord("a", "api", "ok", 10.0, 12.5, 1, 1, "", seen, None, None),
        RunRecord("b", "api", "running", 10.0, None, 0, 1, "", seen, None, None),
    ]
    metrics.ran(runs)
    metrics.ran(runs)

    samples = [sample for metric in metrics.of_runs() for sample in metric.samples]
    told = {sample.name: sample.value for sample in samples if not sample.name.endswith("bucket")}
    assert told["calreg_run_seconds_count"] == 1
    assert told["calreg_run_seconds_sum"] == 2.5
    assert {sample.labels["outcome"] for sample in samples} == {"ok"}


def test_a_method_nobody_knows_has_no_figure_of_its_own():
    """Whatever is asked, there are few figures."""
    metrics = Metrics()
    for number in range(1000):
        metrics.answered(f"X{number}", "none", 405, 0.1)

    assert metrics.text().count(b"calreg_requests_total{") == 1


# Health, without a service


class Clock:
    """Time that goes on when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        """Now, in seconds."""
        return self.now


@pytest.fixture
def threads():
    """Threads, ended afterwards."""
    made = Threads()
    yield made
    made.close()


def test_the_parts_are_asked_once_a_second(threads):
    """However many want to know, the parts are asked once; a second later again."""
    asked, clock = [], Clock()

    def look():
        asked.append(1)
        return WELL

    async def many():
        health = Health(look, threads, clock)
        first = await asyncio.gather(*(health.now() for _ in range(50)))
        clock.now += 30
        return first, await health.now()

    first, later = asyncio.run(many())

    assert {one["status"] for one in first} == {"ok"}
    assert (len(asked), later["uptime_s"]) == (2, 30)


def test_what_was_found_last_is_told_while_the_parts_are_asked(threads):
    """A part that takes its time holds up nobody who asks a moment later."""
    is_over, clock = threading.Event(), Clock()
    answers = iter([WELL, None])

    def look():
        found = next(answers)
        if found is None:
            is_over.wait(30)
        return WELL

    async def twice():
        health = Health(look, threads, clock)
        await health.now()
        clock.now += 2
        async with asyncio.timeout(20):
            return await health.now()

    try:
        assert asyncio.run(twice())["status"] == "ok"
    finally:
        is_over.set()


def test_a_part_that_does_not_answer_is_not_well(threads):
    """A part that hangs is told as such, after a few seconds at most."""
    is_over = threading.Event()

    def look():
        is_over.wait(60)
        return WELL

    async def once():
        return await Health(look, threads, timeout_s=0.05).now()

    try:
        found = asyncio.run(once())
    finally:
        is_over.set()

    assert found["status"] == "degraded"
    assert {found[part] for part in WELL} == {"does not answer"}


def test_a_bug_in_looking_is_not_well(threads, caplog):
    """If nobody can tell how a part is, it is not well; the log says why."""

    async def once():
        return await Health(lambda: 1 // 0, threads).now()

    assert asyncio.run(once())["status"] == "degraded"
    assert "ZeroDivisionError" in caplog.text
