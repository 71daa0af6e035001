"""`GET /metrics`: figures for Prometheus, with few and known labels.

Requests and scores are counted as they come; the rest is asked of the store and the registry
when somebody looks, and what is not answered is left out. Nothing is registered globally.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fastapi import APIRouter
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.responses import Response

from calreg.documents import METRICS as DRIFT_METRICS
from calreg.errors import CalregError
from calreg.names import HeadName
from calreg.registry import history_rows
from calreg.service.documented import METRICS
from calreg.service.state import Served, State
from calreg.service.threads import Threads
from calreg.store import PutCounts, RunRecord

__all__ = ["Metrics", "router"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)
_RUN_SECONDS = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
_MAX_HEADS = 200
_FRESH_S = 1.0
_MAX_PARTS = 200
_RUNS_SEEN = 200
_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"})


class Metrics:
    """The figures of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "calreg_requests",
            "Answers, by route and status.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "calreg_request_seconds",
            "Time to answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._scores = Counter(
            "calreg_scores",
            "Rows that came, by what became of them.",
            ("outcome",),
            registry=self.registry,
        )
        self._runs = Histogram(
            "calreg_run_seconds",
            "How long runs took, by how they ended.",
            ("outcome",),
            buckets=_RUN_SECONDS,
            registry=None,  # told below, after those were counted that ended meanwhile
        )
        # Whoever makes a child of a metric takes a lock: known ones are kept.
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._seen_runs: set[str] = set()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        key = (method if method in _METHODS else "other", route, status)
        found = self._known.get(key)
        if found is None:
            found = self._requests.labels(*key[:2], str(status)), self._seconds.labels(route)
            self._known[key] = found
        found[0].inc()
        found[1].observe(seconds)

    def rows_came(self, counts: PutCounts | None, rejects: Mapping[str, int]) -> None:
        """Count a batch; None if nothing of it was stored."""
        for outcome, number in (counts._asdict() if counts else {}).items():
            if outcome != "new_items":
                self._scores.labels(outcome).inc(number)
        self._scores.labels("rejected").inc(sum(rejects.values()))

    def ran(self, runs: Iterable[RunRecord]) -> None:
        """Count the runs that have ended and were not counted before."""
        for run in runs:
            if run.finished is not None and run.id not in self._seen_runs:
                self._seen_runs.add(run.id)
                self._runs.labels(run.state).observe(max(0.0, run.finished - run.started))

    def of_runs(self) -> Iterable[Metric]:
        """The figures of runs."""
        return self._runs.collect()

    def text(self) -> bytes:
        """All figures, as Prometheus reads them."""
        return generate_latest(self.registry)


class _Looked(Collector):
    """What is asked when somebody looks."""

    def __init__(self, state: State, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._state, self._metrics, self._clock = state, metrics, clock
        self._found: tuple[float, list[Metric]] = (float("-inf"), [])
        self._began = clock()

    def collect(self) -> Iterable[Metric]:
        """What was found within the last second: anybody may ask, and looking costs queries."""
        now = self._clock()
        if not 0 <= now - self._found[0] < _FRESH_S:
            self._found = now, list(self._looked())
        return self._found[1]

    def _looked(self) -> Iterable[Metric]:
        """Each part by itself: one that does not answer is left out."""
        up = GaugeMetricFamily("calreg_up", "1 if a part answers.", labels=["part"])
        for part, figures in (("store", self._of_store), ("registry", self._of_registry)):
            found: list[Metric] = []
            try:
                found = list(figures())
            except CalregError:
                up.add_metric([part], 0)
            else:
                up.add_metric([part], 1)
            yield from found
        yield from self._metrics.of_runs()
        yield up

    def _of_store(self) -> Iterable[Metric]:
        store = self._state.store
        queue = GaugeMetricFamily("calreg_queue_items", "Items to tag again.", labels=["state"])
        for name, number in store.queue_counts()._asdict().items():
            queue.add_metric([name], number)
        yield queue
        held = GaugeMetricFamily("calreg_stored", "What the store holds.", labels=["what"])
        revision = store.revision()
        held.add_metric(["items"], revision.items)
        held.add_metric(["scores"], revision.scores)
        yield held
        # Those of former processes were counted by them.
        self._metrics.ran(run for run in store.runs(_RUNS_SEEN) if run.started >= self._began)

    def _of_registry(self) -> Iterable[Metric]:
        served = self._state.snapshot()
        rows = served.once("newest rows", lambda: _newest_rows(served))
        verdicts = GaugeMetricFamily("calreg_heads", "Heads by verdict.", labels=["verdict"])
        for verdict in ("stable", "unstable", "undecided"):
            verdicts.add_metric([verdict], sum(row["verdict"] == verdict for row in rows.values()))
        yield verdicts
        ages = {
            head: self._clock() - row["since"]
            for head, row in rows.items()
            if row["since"] is not None
        }
        oldest = GaugeMetricFamily("calreg_oldest_reference_seconds", "Age of the oldest one.")
        oldest.add_metric([], max(ages.values(), default=0.0))
        yield oldest
        if len(rows) <= _MAX_HEADS:
            yield from _by_head(rows, ages)


def _by_head(rows: Mapping[str, Mapping[str, Any]], ages: Mapping[str, float]) -> Iterable[Metric]:
    age = GaugeMetricFamily("calreg_reference_seconds", "Age of a reference.", labels=["head"])
    for head, seconds in ages.items():
        age.add_metric([head], seconds)
    yield age
    drift = GaugeMetricFamily(
        "calreg_drift", "Drift found by the newest run.", labels=["head", "metric"]
    )
    for head, row in rows.items():
        for metric in DRIFT_METRICS:
            if row[metric] is not None:
                drift.add_metric([head, metric], row[metric])
    yield drift


def _newest_rows(served: Served) -> dict[str, dict[str, Any]]:
    """Each head's newest row, if it is not too far back; `since` is its reference's time."""
    snapshot, found = served.snapshot, dict[str, dict[str, Any]]()
    wanted = {name: one.version for name, one in served.references.items()}
    parts = snapshot.model_runs(sorted({HeadName.parse(name).model for name in wanted}))
    names = {HeadName.parse(name) for name in wanted}
    open_heads = set(wanted)
    for _, part in zip(range(_MAX_PARTS), parts, strict=False):
        for row in history_rows([part], names, snapshot.withdrawn):
            head = f"{row['model_name']}/{row['head_name']}"
            newest = found.setdefault(head, {**row, "since": None})
            if row["version"] == wanted[head]:
                newest["since"] = row["timestamp"] / 1000
                open_heads.discard(head)
        if not open_heads:
            break
    return found


def router(state: State, threads: Threads, metrics: Metrics) -> APIRouter:
    """The route of this module."""
    routes = APIRouter(tags=["operate"])
    metrics.registry.register(_Looked(state, metrics, state.pace.clock))

    @routes.get(
        "/metrics",
        responses=METRICS,
        response_class=Response,
        operation_id="metrics",
        summary="Figures for Prometheus.",
    )
    async def figures() -> Response:
        text = await threads.read(metrics.text)
        return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return routes
