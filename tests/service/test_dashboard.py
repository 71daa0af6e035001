"""The dashboard over HTTP: pages, their ETags, what follows a run, who sees them."""

import gzip
import os
import re
import signal
from collections.abc import Iterator
from html.parser import HTMLParser
from shutil import copytree

import httpx
import pytest
from running_service import HEADS, Service, rows_of, served, table

from calreg.service.drawing import Easel

HAPPY = "/heads/essentia/effnet/mood_happy"
SPEC = {
    "data": {"values": [{"x": 1, "y": 2}, {"x": 2, "y": 3}]},
    "mark": {"type": "line", "color": "var(--new)"},
    "encoding": {
        "x": {"field": "x", "type": "quantitative"},
        "y": {"field": "y", "type": "quantitative"},
    },
}
PAGES = ("/", "/runs", "/gate", HAPPY)


class Read(HTMLParser):
    """The text of a page, and its elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.is_read = True
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        self.is_read = tag not in {"style", "script"}

    def handle_endtag(self, _tag):
        """Whatever ended, what follows is read."""
        self.is_read = True

    def handle_data(self, data):
        """Note what is read; style and script are not."""
        if self.is_read:
            self.words.append(data)

    @property
    def text(self) -> str:
        """What is read, white space as one blank."""
        return re.sub(r"\s+", " ", " ".join(self.words))

    def links(self) -> set[str]:
        """Where it leads."""
        return {attributes["href"] or "" for tag, attributes in self.elements if tag == "a"}


def page(service: Service, path: str, **options) -> Read:
    answer = service.get(path, **options)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return Read(answer.text)


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_open(reading, path):
    """Pages can be read without a key, unless the service is private."""
    assert reading.get(path, headers={}).status_code == 200


@pytest.mark.parametrize("path", PAGES)
def test_a_page_that_is_known_is_not_sent_again(reading, path):
    """A page has an ETag; with it the answer is 304 and empty, and a cache asks each time."""
    first = reading.get(path)

    again = reading.get(path, headers={**reading.headers, "If-None-Match": first.headers["etag"]})

    assert again.status_code == 304
    assert again.content == b""
    assert "no-cache" in first.headers["cache-control"]
    assert again.headers["etag"] == first.headers["etag"]
    # A browser takes the headers of a 304 over into what it has kept.
    assert {**first.headers, **again.headers}["content-security-policy"] == (
        first.headers["content-security-policy"]
    )


def test_a_page_comes_compressed_to_who_can_read_that(reading):
    """With Accept-Encoding: gzip the same page comes in fewer bytes."""
    plain = reading.get("/", headers={"Accept-Encoding": "identity"})
    with httpx.stream(
        "GET", f"{reading.url}/", headers={"Accept-Encoding": "gzip"}, trust_env=False
    ) as answer:
        raw = b"".join(answer.iter_raw())

    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw).decode() == plain.text
    assert len(raw) * 3 < len(plain.content)


def test_the_overview_has_the_numbers_of_the_api(reading):
    """Each head's six metrics and its reference are those that /admin/calibration/history has."""
    shown = page(reading, "/").text
    rows = reading.get("/admin/calibration/history?limit=2").json()["runs"]

    assert {f"{row['model_name']}/{row['head_name']}" for row in rows} == set(HEADS)
    for row in rows:
        for name, value in row["thresholds"].items():
            metric = row[name]
            assert metric is not None
            assert f"{metric:.3f}" in shown or "<0.0001" in shown or f"{metric:.4f}" in shown, name
            assert value > 0


def test_every_link_is_answered(reading):
    """Every link of every page leads to something that this service has."""
    for path in PAGES:
        for link in page(reading, path).links():
            if not link.startswith("#"):
                target = httpx.URL(f"{reading.url}{path}").join(link).path
                assert reading.get(target).status_code == 200, (path, link)


@pytest.mark.parametrize("path", ["/heads/m/none", "/heads/x", "/heads/", "/heads/%3Cscript%3E"])
def test_what_is_not_there_has_a_page_of_its_own(reading, path):
    """A head that there is not gets 404, and a page that leads back to those that there are."""
    answer = reading.get(path)

    assert answer.status_code == 404
    assert "<script>alert" not in answer.text
    back = httpx.URL(f"{reading.url}{path}").join(min(Read(answer.text).links(), key=len))
    assert reading.get(back.path).status_code == 200


@pytest.mark.parametrize("number", ["0", "2", "99999999999", "x", "%F0%9F%92%A9"])
def test_a_part_that_is_not_there_is_the_last(reading, number):
    """A wrong number of a part of the list is no error: the nearest part is shown."""
    assert "mood_happy" in page(reading, f"/?page={number}").text


def test_a_page_may_ask_its_own_server_only(reading):
    """A page's policy lets it ask its own server, run its own scripts, and nothing else."""
    text = reading.get("/").text

    policy = next(
        attributes["content"] or ""
        for tag, attributes in Read(text).elements
        if tag == "meta" and attributes.get("http-equiv")
    )
    assert "connect-src 'self'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy.replace("http-equiv", "")


def test_pages_follow_a_run(service, tmp_path):
    """After a run, the overview, the runs and the head's page are about the new version."""
    before = {path: service.get(path).headers["etag"] for path in PAGES}
    rows = rows_of(table(tmp_path / "new.csv", shift=0.4))
    assert service.post("/scores", json={"rows": rows}).status_code == 200
    ran = service.post("/admin/calibration/run")
    assert ran.status_code == 200

    version = ran.json()["calibration"]["version"]

    assert f"Run {version}, 20" in page(service, "/").text
    assert f"v{version}" in page(service, HAPPY).text
    runs = page(service, "/runs").text
    assert ran.json()["id"] in runs
    assert f"ok: run {version}" in runs
    assert all(service.get(path).headers["etag"] != before[path] for path in PAGES[:2])


def test_a_page_of_a_head_that_did_not_change_stays(service, tmp_path):
    """A head that a run left out keeps its page, byte for byte."""
    other = "/heads/essentia/effnet/danceability"
    before = service.get(other).headers["etag"]
    happy = service.get(HAPPY).headers["etag"]
    rows = [
        row
        for row in rows_of(table(tmp_path / "new.csv", shift=0.4))
        if row["head"] == "mood_happy"
    ]
    assert service.post("/scores", json={"rows": rows}).status_code == 200
    assert service.post("/admin/calibration/run").status_code == 200

    assert service.get(other).headers["etag"] == before
    assert service.get(HAPPY).headers["etag"] != happy


def test_a_private_service_shows_pages_to_who_signed_in(registry):
    """A private service sends a stranger's browser away, and shows pages after signing in."""
    with (
        served(registry, private=True) as service,
        httpx.Client(base_url=service.url, trust_env=False, follow_redirects=False) as browser,
    ):
        strange = browser.get("/", headers={"Accept": "text/html"})
        signed = browser.post(
            "/sign-in",
            data={"key": service.token, "next": "/runs"},
            headers={"Origin": service.url},
        )
        known = browser.get(signed.headers["location"])

    assert strange.status_code in {303, 401}
    assert "mood_happy" not in strange.text
    assert known.status_code == 200
    assert "Run 2, of" in Read(known.text).text
    # Whoever has signed in is not asked for the key again.
    assert 'type="password"' not in known.text


def test_a_service_that_may_not_calibrate_offers_no_run(two_runs, tmp_path):
    """In production mode no page has a form to start a run."""
    copytree(two_runs, tmp_path / "registry")
    with served(tmp_path / "registry") as service:
        offered = service.get("/").text

    with served(tmp_path / "registry", keys=[]) as service:
        refused = service.get("/", headers={}).text

    assert 'class="run"' in offered
    assert 'class="run"' not in refused


def test_the_gate_is_shown_once_it_has_spoken(reading):
    """What the gate says of the branch stands on its page, with the commit it judged."""
    shown = page(reading, "/gate").text

    commit = reading.state.store.findings().commit
    assert commit is not None
    assert commit[:12] in shown
    assert "nothing blocks a first publication" in shown


def test_what_is_kept_is_bounded(reading):
    """Asking for parts that there are not makes no pages: they are the last one."""
    from calreg.service import dashboard

    board = dashboard.Dashboard(reading.state)
    for number in range(1, 30):
        board.overview(number, is_signed_in=False)

    assert board._bytes <= dashboard._MAX_KEPT_BYTES
    assert len(board._kept) == 1


@pytest.fixture(scope="module")
def board() -> Iterator[Easel]:
    """What draws, for tests that may each kill its process: the next chart begins another."""
    found = Easel()
    yield found
    found.close()


def test_a_lost_drawing_process_is_begun_again(board):
    """Killed between two charts, what draws is another process, and the chart is the same."""
    draw, failures = board.draw, board.failures
    assert draw is not None
    chart = draw(SPEC, "words")
    first = board.process
    assert first is not None
    os.kill(first, signal.SIGKILL)

    again = draw(SPEC, "words")

    assert again == chart
    assert board.process not in {None, first}
    assert board.failures == failures


def test_a_chart_that_cannot_be_drawn_is_words(board, capfd):
    """A chart that ends what draws it is told in words, and the next one is drawn again."""
    draw, failures = board.draw, board.failures
    assert draw is not None

    lost = draw({"mark": "nothing known"}, "a < b")

    assert lost == '<p class="soft">This chart could not be drawn. a &lt; b</p>'
    assert board.failures == failures + 1
    assert draw(SPEC, "words").startswith("<svg")
    assert "conversion failed" in capfd.readouterr().err


def test_what_draws_ends_with_its_service(board):
    """Whoever closes the pipe ends the process at its other end, without a signal."""
    draw = board.draw
    assert draw is not None
    draw(SPEC, "words")
    child, pipe = board._child, board._pipe
    assert child is not None
    assert pipe is not None

    pipe.close()
    child.join(30)

    assert child.exitcode == 0
