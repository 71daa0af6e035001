"""References and history over HTTP."""

import hashlib

import pytest
from running_service import rows_of, table

from calreg.client import Stamp
from calreg.registry import Registry

PATH = "/calibrations/essentia/effnet/mood_happy"


def committed(service, head="essentia/effnet/mood_happy"):
    """The bytes of a reference, as the registry's tip has them."""
    registry = service.state.registry.root
    return (registry / f"{head}-calibration.json").read_bytes()


def test_a_reference_is_what_was_committed(reading):
    """The bytes are those of the file; its sha256 is the ETag."""
    answer = reading.get(PATH)

    assert answer.status_code == 200
    assert answer.content == committed(reading)
    assert answer.headers["etag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-calreg-version"] == "v2"


def test_a_reference_needs_no_key(reading):
    """What production reads is open, unless the service is private."""
    assert reading.get(PATH, headers={}).status_code == 200


def test_the_stamp_is_one(reading):
    """The stamp of an answer can be stored, and says registry, commit, head, version, digest."""
    answer = reading.get(PATH)

    stamp = Stamp.parse(answer.headers["x-calreg-stamp"])
    assert stamp.registry == "reg"
    assert stamp.origin.endswith(Registry.open(reading.state.registry.root).now.commit)
    assert (stamp.head, stamp.version) == ("essentia/effnet/mood_happy", 2)
    assert stamp.digest in answer.headers["etag"]


@pytest.mark.parametrize("form", ['"{0}"', 'W/"{0}"', '"other", "{0}"', "*"])
def test_what_is_at_hand_is_not_sent_again(reading, form):
    """If-None-Match with the digest gets 304, without a body and with the same headers."""
    digest = reading.get(PATH).headers["etag"].strip('"')

    answer = reading.get(PATH, headers={"If-None-Match": form.format(digest)})

    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["etag"] == f'"{digest}"'


def test_another_etag_gets_the_reference(reading):
    """If-None-Match with another digest gets the whole of it."""
    answer = reading.get(PATH, headers={"If-None-Match": f'"{"0" * 64}"'})

    assert answer.status_code == 200


def test_head_asks_without_reading(reading):
    """HEAD has the headers of GET and no body."""
    asked, got = reading.ask("HEAD", PATH), reading.get(PATH)

    assert (asked.status_code, asked.content) == (200, b"")
    for name in ("etag", "content-length", "x-calreg-version"):
        assert asked.headers[name] == got.headers[name]


@pytest.mark.parametrize("path", [PATH, "/admin/calibration/history?head=mood_happy&limit=7"])
def test_what_is_kept_is_what_was_made(reading, path):
    """The second answer, which is at hand, is the first one to the last header."""
    first, second = reading.get(path), reading.get(path)

    assert second.content == first.content
    assert {**second.headers, "date": ""} == {**first.headers, "date": ""}


def test_an_unknown_head_is_told_with_the_nearest(reading):
    """A slip in a name gets 404, and the name that was meant."""
    answer = reading.get("/calibrations/essentia/effnet/mood_hapy")

    assert answer.status_code == 404
    error = answer.json()["error"]
    assert error["code"] == "no-such-head"
    assert "Did you mean essentia/effnet/mood_happy" in error["hint"]


def test_the_history_is_that_of_the_registry(reading):
    """Rows are those of DESIGN 9 as `calreg history` has them, plus an id, the newest first."""
    answer = reading.get("/admin/calibration/history").json()

    assert (answer["status"], answer["count"]) == ("ok", 4)
    rows = Registry.open(reading.state.registry.root).history()
    assert [{**row, "id": None} for row in answer["runs"]] == [{**row, "id": None} for row in rows]
    assert len({row["id"] for row in answer["runs"]}) == 4


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 4),
        ("model=&head=&limit=50", 4),
        ("head=mood_happy", 2),
        ("head=essentia/effnet/*", 4),
        ("model=essentia", 4),
        ("limit=1", 1),
    ],
)
def test_the_history_can_be_asked_for_in_part(reading, query, count):
    """Model, head and limit choose rows as the options of `calreg history` do."""
    answer = reading.get(f"/admin/calibration/history?{query}").json()

    assert answer["count"] == len(answer["runs"]) == count


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=1000000"])
def test_a_limit_that_is_none_is_refused(reading, query):
    """A limit out of range gets 422, and the place that is wrong."""
    answer = reading.get(f"/admin/calibration/history?{query}")

    assert answer.status_code == 422
    assert answer.json()["error"]["where"] == "/query/limit"


def test_the_history_of_an_unknown_head_is_told(reading):
    """A head that no run had gets 404, and the nearest."""
    answer = reading.get("/admin/calibration/history?head=mood_hapy")

    assert answer.status_code == 404
    assert "mood_happy" in answer.json()["error"]["hint"]


def test_the_history_is_current_at_once(service):
    """After a run over HTTP the history has its rows, whatever was asked for before."""
    before = service.get("/admin/calibration/history").json()["count"]
    rows = rows_of(table(service.state.registry.root.parent / "again.csv", shift=0.3))
    assert service.post("/scores", {"rows": rows}).status_code == 200

    assert service.post("/admin/calibration/run").status_code == 200

    after = service.get("/admin/calibration/history").json()
    assert (before, after["count"]) == (4, 6)
    assert after["runs"][0]["version"] == 3
