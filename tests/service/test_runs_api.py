"""Runs over HTTP: the answer's shape, one at a time, progress, and what may go wrong."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from states import DANCE, HAPPY, LIMIT_S, Place, git, next_event, place, rows, running

from calreg.service.app import create_app
from calreg.service.auth import new_key
from calreg.service.settings import FileSource
from calreg.service.state import State

__all__ = ["place"]  # fixtures made elsewhere

TOKEN, KEY = new_key("tests")
RUN = "/admin/calibration/run"
RUNS = "/admin/calibration/runs"
METRICS = {"apd_p5", "apd_p95", "srd", "jsd", "median_drift", "iqr_drift"}


@contextmanager
def served(place: Place, **settings) -> Iterator[tuple[State, httpx.Client]]:
    """A service on a port of its own, and a client that shows a key."""
    with running(place, is_begun=False, keys=(KEY,), **settings) as state:
        server = uvicorn.Server(
            uvicorn.Config(create_app(state), port=0, log_config=None, access_log=False)
        )
        ready = threading.Event()
        startup = server.startup

        async def begin(sockets=None) -> None:
            await startup(sockets)
            ready.set()

        server.startup = begin
        thread = threading.Thread(target=server.run)
        thread.start()
        assert ready.wait(LIMIT_S)
        port = server.servers[0].sockets[0].getsockname()[1]
        headers = {"authorization": f"Bearer {TOKEN}"}
        try:
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=LIMIT_S, verify=False
            ) as client:
                yield state, client
        finally:
            state.dismiss()
            server.should_exit = True
            thread.join(LIMIT_S)


def streamed(client: httpx.Client, url: str, after: int | None = None) -> list[tuple[int, str]]:
    """The numbers and kinds of the events that a stream tells until it ends."""
    headers = {} if after is None else {"last-event-id": str(after)}
    with client.stream("GET", url, headers=headers) as answer:
        if answer.status_code == 204:
            return []
        lines = [line for line in answer.iter_lines() if line.startswith(("id: ", "event: "))]
    return [
        (int(number[4:]), kind[7:]) for number, kind in zip(lines[::2], lines[1::2], strict=True)
    ]


def test_a_run_answers_with_what_it_committed(place: Place) -> None:
    """The answer has the agreed fields, and its numbers are those of the committed files."""
    with served(place) as (state, client):
        state.store.put_scores([*rows(HAPPY, "happy"), *rows(DANCE, "dance", centre=0.3)])
        answer = client.post(RUN)
        head = answer.json()["calibration"]["heads"][HAPPY]
        document = json.loads(
            git(place.registry, "show", f"HEAD:{answer.json()['saved_files'][HAPPY]}")
        )

        assert answer.status_code == 200
        assert answer.json() | {"calibration": None, "id": None} == {
            "status": "ok",
            "calibration": None,
            "saved_files": {
                HAPPY: "essentia/effnet/v1/mood_happy-calibration-v1.json",
                DANCE: "musicnn/v1/danceability-calibration-v1.json",
            },
            "reference_updates": {HAPPY: "updated", DANCE: "updated"},
            "summary": answer.json()["summary"],
            "outcome": "committed",
            "commit": place.tip(),
            "branch": "main",
            "pushed": False,
            "waiting": None,
            "excluded": {},
            "rejects": {},
            "timestamp": document_time(place),
            "message": "run 1 is committed",
            "warnings": [],
            "id": None,
        }
        assert answer.json()["calibration"] | {"heads": None} == {
            "version": 1,
            "library_size": 200,
            "heads": None,
        }
        assert (
            answer.json()["summary"].items()
            >= {
                "total_heads": 2,
                "stable_heads": 0,
                "unstable_heads": 2,
            }.items()
        )
        assert head["labels"]["happy"] == {
            "p5": document["labels"]["happy"]["p5"],
            "p95": document["labels"]["happy"]["p95"],
            "method": document["labels"]["happy"]["method"],
        }
        assert (head["model_name"], head["head_name"]) == ("essentia/effnet", "mood_happy")
        assert head["drift_metrics"] == dict.fromkeys(METRICS) | {
            "is_stable": False,
            "failed_metrics": [],
        }
        assert (head["is_stable"], head["reference_version"]) == (False, None)
        assert client.get(f"/calibrations/{HAPPY}").json() == document
        assert client.get("/admin/calibration/history").json()["count"] == 2


def document_time(place: Place) -> str:
    return json.loads(git(place.registry, "show", "HEAD:runs/1.json"))["timestamp"]


def test_the_same_scores_make_no_second_run(place: Place) -> None:
    """A run over scores that a run was made of already answers with that run, and says so."""
    with served(place) as (state, client):
        state.store.put_scores(rows(HAPPY))
        first = client.post(RUN).json()
        second = client.post(RUN)
        state.store.put_scores(rows(HAPPY, centre=0.8))
        third = client.post(RUN).json()

        assert second.status_code == 200
        assert second.json()["outcome"] == "already-done"
        assert second.json()["message"].startswith("nothing to do: run 1 of ")
        assert second.json()["calibration"] == first["calibration"]
        head = third["calibration"]["heads"][HAPPY]
        assert third["calibration"]["version"] == 2
        assert head["drift_metrics"]["apd_p5"] > 0.2
        assert head["drift_metrics"]["failed_metrics"][0] == "apd_p5"
        assert (head["reference_version"], head["reference_after"]) == (1, 2)


def test_one_run_at_a_time(place: Place) -> None:
    """While a run goes on another is refused with its id, and it can be followed to its end."""
    with served(place) as (state, client):
        state.store.put_scores(rows(HAPPY))
        with state.registry.repository.lock():
            begun = client.post(RUN, params={"wait": "false"})
            run_id = begun.json()["id"]
            next_event(state.running().feed, "progress")
            refused = client.post(RUN)
            meanwhile = client.get(begun.headers["location"]).json()
        events = streamed(client, begun.json()["events"])
        after = client.get(begun.json()["location"]).json()

        assert (begun.status_code, begun.json()["status"]) == (202, "running")
        assert begun.headers["location"] == f"{RUNS}/{run_id}"
        assert refused.status_code == 409
        assert refused.json()["id"] == run_id
        assert refused.json()["error"]["code"] == "already-running"
        assert run_id in refused.json()["error"]["message"]
        assert (meanwhile["status"], meanwhile["result"]) == ("running", None)
        assert meanwhile["progress"]["step"] == "looking at the registry"
        assert [kind for _, kind in events][:2] == ["started", "progress"]
        assert events[-1][1] == "result"
        assert (after["status"], after["version"]) == ("ok", 1)
        assert after["result"]["message"] == "run 1 is committed"
        assert [row["id"] for row in client.get(RUNS).json()["runs"]] == [run_id]


def test_a_stream_goes_on_where_it_broke_off(place: Place) -> None:
    """Last-Event-ID skips what was told; after the end there is nothing, also after a restart."""
    with served(place) as (state, client):
        state.store.put_scores(rows(HAPPY))
        url = f"{RUNS}/{client.post(RUN).json()['id']}/events"
        whole = streamed(client, url)

        assert streamed(client, url, after=whole[1][0]) == whole[2:]
        assert streamed(client, url, after=whole[-1][0]) == []
    with served(place) as (state, client):
        assert streamed(client, url) == [(1, "result")]
        assert streamed(client, url, after=1) == []


def test_more_listeners_than_there_may_be_are_refused(place: Place) -> None:
    """A run's feed serves so many listeners and tells the next one to ask again."""
    with served(place) as (state, client):
        state.store.put_scores(rows(HAPPY))
        with state.registry.repository.lock():
            ticket = state.start_run()
            ticket.feed._limit = 1
            with client.stream("GET", f"{ticket.location}/events") as answer:
                lines = answer.iter_lines()
                first = next(lines)
                refused = client.get(f"{ticket.location}/events")

        assert first == "id: 1"
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "too-many-listeners")


def test_nothing_to_compute_from_is_told(place: Place) -> None:
    """An empty store and heads with too few scores are refused in the words of calreg run."""
    with served(place) as (state, client):
        empty = client.post(RUN)
        state.store.put_scores(rows(HAPPY, items=7))
        few = client.post(RUN)
        failed = client.get(RUNS).json()["runs"][0]
        state.store.put_scores(rows(HAPPY))

        assert (empty.status_code, empty.json()["error"]["code"]) == (422, "empty")
        assert (few.status_code, few.json()["error"]["code"]) == (422, "no-head-left")
        assert "7 scores" in few.json()["error"]["message"]
        assert (failed["status"], failed["error"]["code"]) == ("failed", "no-head-left")
        assert client.post(RUN).status_code == 200


def test_files_are_a_source_too(place: Place) -> None:
    """A run of files reads them, counts what it rejects, and refuses when that is too much."""
    table = place.folder / "scores.csv"
    lines = [f"{row.head},{row.label},{row.score}" for row in rows("mood_happy")]

    def write(*more: str) -> None:
        table.write_text("\n".join(["head,label,score", *lines, *more]), encoding="utf-8")

    write("mood_happy,yes,")
    source = FileSource((str(table),), model="essentia/effnet")
    with served(place, source=source) as (_, client):
        answer = client.post(RUN).json()
        write(*["mood_happy,yes,nan"] * 50)
        refused = client.post(RUN)

        assert answer["rejects"] == {"missing": 1}
        assert answer["calibration"]["library_size"] == 200
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "rejects")


def test_a_run_that_cannot_be_pushed_waits_in_the_outbox(place: Place) -> None:
    """If the remote refuses or is gone, the run is committed, and the answer says it waits."""
    remote = place.folder / "remote.git"
    git(place.folder, "clone", "--quiet", "--bare", str(place.registry), str(remote))
    git(place.registry, "remote", "add", "origin", str(remote))
    hook = remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    away = place.folder / "away.git"
    with served(place, push=True) as (state, client):
        state.store.put_scores(rows(HAPPY))
        refused = client.post(RUN)
        shutil.move(remote, away)
        state.store.put_scores(rows(HAPPY, centre=0.8))
        gone = client.post(RUN)
        shutil.move(away, remote)
        hook.unlink()
        state.store.put_scores(rows(HAPPY, centre=0.2))
        pushed = client.post(RUN)

        assert refused.status_code == gone.status_code == pushed.status_code == 200
        assert (refused.json()["outcome"], refused.json()["pushed"]) == ("committed", False)
        assert refused.json()["waiting"]["code"] == "push-refused"
        assert "not today" in refused.json()["waiting"]["message"]
        assert refused.json()["waiting"]["commit"] == refused.json()["commit"]
        assert refused.json()["message"].endswith(
            "committed but not pushed; it waits in the outbox"
        )
        assert gone.json()["calibration"]["version"] == 2
        assert gone.json()["waiting"]["hint"].startswith("calreg push publishes it")
        assert (pushed.json()["pushed"], pushed.json()["waiting"]) == (True, None)
        assert git(remote, "rev-parse", "main").strip() == pushed.json()["commit"]


def test_what_the_registry_refuses_is_told(place: Place) -> None:
    """Uncommitted changes stop a run in git's way and no run is made."""
    with served(place) as (state, client):
        state.store.put_scores(rows(HAPPY))
        with (place.registry / "registry.yaml").open("a", encoding="utf-8") as file:
            file.write("# of somebody else\n")
        refused = client.post(RUN)

        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "uncommitted")
        assert place.open().now.run_numbers == []


def test_an_unknown_run_is_not_there(place: Place) -> None:
    """An id that no run has is 404, for the run and for its events."""
    with served(place) as (_, client):
        for url in (f"{RUNS}/nothing", f"{RUNS}/nothing/events"):
            answer = client.get(url)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no-such-run")
        assert client.get(f"{RUNS}/a%20b").status_code == 422


def test_a_run_that_takes_long_is_told_where_to_ask(place: Place) -> None:
    """Whoever waits longer than a request may take gets 202 and the run goes on."""
    with served(place, request_timeout_s=4.0) as (state, client):
        state.store.put_scores(rows(HAPPY))
        with state.registry.repository.lock():
            answer = client.post(RUN)
            ticket = state.running()

        assert (answer.status_code, answer.json()["id"]) == (202, ticket.id)
        assert ticket.result.result(LIMIT_S)["message"] == "run 1 is committed"
