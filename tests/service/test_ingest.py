"""`POST /scores`: batches in, each row judged, nothing lost and nothing twice."""

import json
import math

import pytest
from running_service import rows_of, served, table

ROW = {"item": "a.flac", "model": "essentia/effnet", "head": "mood_happy", "label": "yes"}


def stored(service):
    """Every score in the store: head, label, scores by item."""
    return {
        (head, label): scores.tolist() for head, label, scores in service.state.store.score_arrays()
    }


def put(service, *rows, query=""):
    return service.post(f"/scores{query}", {"rows": list(rows)})


def rejects(*rows, service):
    """Reason by place of a batch that is refused."""
    body = json.dumps({"rows": list(rows)})  # NaN as Python writes it, which is no JSON
    headers = {**service.headers, "Content-Type": "application/json"}
    answer = service.ask("POST", "/scores", content=body, headers=headers)
    assert answer.status_code == 422
    return {one["row"]: one["reason"] for one in answer.json()["rejects"]["first"]}


@pytest.fixture(scope="module")
def refusing(reading):
    """A service whose store stays empty, since all that is sent is refused."""
    yield reading
    assert stored(reading) == {}


@pytest.fixture
def taking(registry, store_url):
    """A service with a store of its own, in each database."""
    with served(registry, store=store_url) as service:
        yield service


def test_a_batch_is_stored(taking):
    """Rows are counted as new, and stand in the store under the head's full name."""
    answer = put(taking, {**ROW, "score": 0.25}, {**ROW, "item": "b.flac", "score": 0.5})

    assert answer.status_code == 200
    assert answer.json() == {
        "accepted": 2, "new_items": 2, "new": 2, "changed": 0, "same": 0, "repeated": 0,
        "rejects": {"count": 0, "counts": {}, "first": []},
    }  # fmt: skip
    assert stored(taking) == {("essentia/effnet/mood_happy", "yes"): [0.25, 0.5]}


def test_a_batch_sent_again_changes_nothing(taking):
    """By item, head and label a row is there once: the second time it is the same."""
    rows = rows_of(table(taking.state.registry.root.parent / "t.csv", items=50))
    first, again = put(taking, *rows).json(), put(taking, *rows).json()

    assert (first["new"], first["same"]) == (200, 0)
    assert (again["new"], again["changed"], again["same"]) == (0, 0, 200)


def test_the_last_score_wins(taking):
    """Another score for the same item, head and label takes its place, in a batch or later."""
    put(taking, {**ROW, "score": 0.1}, {**ROW, "score": 0.2})

    answer = put(taking, {**ROW, "score": 0.3})

    assert answer.json()["changed"] == 1
    assert stored(taking) == {("essentia/effnet/mood_happy", "yes"): [0.3]}


def test_names_are_slugged(service):
    """Model and head become what they are called everywhere; a full name needs no model."""
    put(service, {**ROW, "model": "Essentia/EffNet", "head": "tonal/atonal", "score": 0.5})
    put(service, {"item": "b", "head": "Essentia/EffNet/Mood_Happy", "label": "yes", "score": 1})

    assert set(stored(service)) == {
        ("essentia/effnet/tonal-atonal", "yes"),
        ("essentia/effnet/mood_happy", "yes"),
    }


def test_lines_are_read_too(service):
    """NDJSON is a row per line; empty lines are none."""
    lines = "\n\n".join(json.dumps({**ROW, "item": str(n), "score": n / 2}) for n in range(3))
    headers = {**service.headers, "Content-Type": "application/x-ndjson; charset=utf-8"}

    answer = service.ask("POST", "/scores", content=lines, headers=headers)

    assert answer.json()["accepted"] == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"score": math.nan}, "nan"),
        ({"score": "NaN"}, "nan"),
        ({"score": math.inf}, "infinite"),
        ({"score": -math.inf}, "infinite"),
        ({"score": 10**400}, "infinite"),
        ({"score": None}, "missing"),
        ({"score": ""}, "missing"),
        ({}, "missing"),
        ({"score": "0.5"}, "not_a_number"),
        ({"score": "high"}, "not_a_number"),
        ({"score": True}, "not_a_number"),
        ({"score": [0.5]}, "not_a_number"),
        ({"score": 0.5, "item": None}, "missing_name"),
        ({"score": 0.5, "item": ""}, "missing_name"),
        ({"score": 0.5, "head": ""}, "missing_name"),
        ({"score": 0.5, "label": None}, "missing_name"),
        ({"score": 0.5, "model": None}, "missing_name"),
        ({"score": 0.5, "item": "x" * 2001}, "bad_name"),
        ({"score": 0.5, "item": "a\0b"}, "bad_name"),
        ({"score": 0.5, "item": 7}, "bad_name"),
        ({"score": 0.5, "head": "???"}, "bad_name"),
        ({"score": 0.5, "head": ["h"]}, "bad_name"),
        ({"score": 0.5, "model": 7}, "bad_name"),
        ({"score": 0.5, "label": "a\nb"}, "bad_name"),
    ],
)
def test_a_bad_row_is_told_by_its_place(refusing, change, reason):
    """Every row is judged by itself, for a reason that has a name; the batch is refused."""
    good = {**ROW, "score": 0.5}

    assert rejects(good, {**ROW, **change}, good, service=refusing) == {1: reason}


@pytest.mark.parametrize("row", [3, None, "x", [1, 2]])
def test_a_row_that_is_no_object_is_told(refusing, row):
    """Something else than an object is no row."""
    assert rejects(row, service=refusing) == {0: "no_row"}


def test_two_names_of_one_head_are_told(refusing):
    """Two heads that would become one are not mixed."""
    rows = [{**ROW, "head": head, "score": 1} for head in ("tonal/atonal", "Tonal Atonal")]

    assert rejects(*rows, service=refusing) == {1: "bad_name"}


def test_a_half_bad_batch_is_refused_whole(refusing):
    """Of a batch half of which is invalid nothing is stored; all of it is counted, 100 listed."""
    rows = [{**ROW, "item": str(n), "score": 0.5 if n % 2 else None} for n in range(400)]

    answer = put(refusing, *rows)

    assert answer.status_code == 422
    error, found = answer.json()["error"], answer.json()["rejects"]
    assert error["message"] == "200 of 400 rows are not acceptable; nothing was stored"
    assert "?partial=true" in error["hint"]
    assert (found["count"], found["counts"], len(found["first"])) == (200, {"missing": 200}, 100)
    assert refusing.state.store.revision().scores == 0


def test_the_valid_rows_are_kept_if_asked_for(service):
    """With ?partial=true the valid rows are stored, and the others are told all the same."""
    rows = [{**ROW, "item": str(n), "score": 0.5 if n % 2 else None} for n in range(10)]

    answer = put(service, *rows, query="?partial=true")

    assert answer.status_code == 200
    assert (answer.json()["accepted"], answer.json()["rejects"]["count"]) == (5, 5)
    assert service.state.store.revision().scores == 5


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b'{"rows": [', 400),
        (b"\xff\xfe{", 400),
        (b"[" * 100_000, 400),
        (b"[]", 422),
        (b'{"rows": 1}', 422),
        (b'{"rows": [], "row": []}', 422),
        (b"null", 422),
    ],
)
def test_a_body_that_is_no_batch_is_told(refusing, body, status):
    """No JSON is 400, another shape 422; both say what was expected."""
    headers = {**refusing.headers, "Content-Type": "application/json"}

    answer = refusing.ask("POST", "/scores", content=body, headers=headers)

    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"code", "message", "hint", "where"}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"rows": [' + b"[]," * 100_000 + b"[]]}"),
        ("application/json", b'{"rows": [' + b"{}," * 100_000 + b"{}]}"),
        ("application/json", b'{"rows": [[' + b"[]," * 100_000 + b"[]]]}"),
        ("application/x-ndjson", b"{}\n" * 100_000),
    ],
)
def test_a_body_of_empty_things_is_not_unpacked(refusing, kind, body):
    """What would take a hundred times its size of memory is refused before it is looked at."""
    headers = {**refusing.headers, "Content-Type": kind}
    answer = refusing.ask("POST", "/scores", content=body, headers=headers)

    assert answer.status_code == 400
    assert "objects and lists in" in answer.json()["error"]["message"]


def test_a_line_that_is_no_json_is_named(refusing):
    """Of NDJSON that breaks off, the line is told."""
    headers = {**refusing.headers, "Content-Type": "application/x-ndjson"}
    lines = json.dumps({**ROW, "score": 1}) + '\n{"item": "b", "he'

    answer = refusing.ask("POST", "/scores", content=lines, headers=headers)

    assert answer.status_code == 400
    assert answer.json()["error"]["where"] == "line 2"


def test_another_content_type_is_refused(refusing):
    """What is no JSON by its own word is 415, with what is read."""
    answer = refusing.ask(
        "POST", "/scores", content="a=1", headers={**refusing.headers, "Content-Type": "text/csv"}
    )

    assert answer.status_code == 415
    assert "application/json" in answer.headers["accept-post"]


def test_an_empty_batch_is_fine(refusing):
    """Nothing to store is stored."""
    assert put(refusing).json()["accepted"] == 0
