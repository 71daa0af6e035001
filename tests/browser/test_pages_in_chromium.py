"""The dashboard's pages in a browser: they load, say the API's numbers, and start a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import PHONE, Tab, watched_tab
from playwright.sync_api import expect
from running_service import Service, rows_of, served, table
from watched import NASTY, SETTLED, Head, make

from calreg import cli
from calreg.git import Repository
from calreg.pages.board import head_place, top_place
from calreg.pages.one_head import head_page
from calreg.pages.overview import overview_page
from calreg.registry import Registry
from calreg.report.numbers import count_text
from calreg.service.drawing import easel
from calreg.site import build
from calreg.site.observing import detail_of, observe

HAPPY = "essentia/effnet/mood_happy"
PATHS = ("/", "/runs", "/gate", f"/heads/{HAPPY}")


@pytest.fixture(scope="module")
def music(home, tmp_path_factory) -> Path:
    """A registry of five heads and four runs, published."""
    folder = make(tmp_path_factory.mktemp("made") / "music")
    assert cli.call(["--registry", str(folder), "stable", "publish"]) == 0
    return folder


@pytest.fixture(scope="module")
def service(music) -> Iterator[Service]:
    """A service over it; nobody changes it."""
    with served(music) as found:
        assert found.state.watch.wait_until_settled(60)
        yield found


@pytest.fixture(scope="module")
def site(music, tmp_path_factory) -> Path:
    """The same as files."""
    folder = tmp_path_factory.mktemp("built") / "site"
    build(Repository.find(music), "", folder)
    return folder / "_dashboard"


def check(tab: Tab, host: str | None) -> None:
    """Nothing was complained of, and nobody else was asked for anything."""
    assert tab.said == []
    assert tab.hosts() <= ({host} if host is not None else set())


# --- every page ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_a_page_loads_without_a_complaint(tab, service, path):
    """A page loads without a word in the console, and asks its own server alone."""
    page = tab.open(f"{service.url}{path}")

    expect(page.locator("h1")).to_be_visible()
    check(tab, f"127.0.0.1:{service.port}")
    tab.picture(f"served-{path.strip('/').replace('/', '-') or 'overview'}")


def test_a_page_that_is_visited_again_is_the_same(tab, service):
    """A page that the browser has kept, and asks about, keeps its style and its script."""
    page = tab.open(f"{service.url}/")
    before = page.locator("main").evaluate("e => getComputedStyle(e).maxWidth")
    tab.open(f"{service.url}/runs")
    tab.open(f"{service.url}/")
    page.reload()

    expect(page.get_by_role("button", name="Start a run")).to_be_visible()
    assert page.locator("main").evaluate("e => getComputedStyle(e).maxWidth") == before
    check(tab, f"127.0.0.1:{service.port}")


@pytest.mark.parametrize("file", ["index.html", f"heads/{HAPPY}.html"])
def test_a_page_loads_from_a_disk(tab, site, file):
    """The same pages as files, opened without any server, load and lead to each other."""
    page = tab.open((site / file).as_uri())

    expect(page.locator("h1")).to_be_visible()
    page.get_by_role("link", name="Runs").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Run 4, of 988 scores")
    check(tab, None)


def test_a_page_is_whole_without_scripts(chromium, service):
    """Without scripts every head, number and link is there; only starting a run is not."""
    with watched_tab(chromium, java_script_enabled=False) as tab:
        page = tab.open(f"{service.url}/")
        assert page.locator("#heads tbody tr").count() == len(SETTLED)
        assert not page.get_by_role("button", name="Start a run").is_visible()
        page.get_by_role("link", name="mood_happy").click()
        assert page.locator("svg.chart").count() == 10
        check(tab, f"127.0.0.1:{service.port}")


# --- numbers ------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_the_api(tab, service):
    """Each cell of the list says what the history over HTTP says of that head."""
    rows = service.get("/admin/calibration/history?limit=5").json()["runs"]
    page = tab.open(f"{service.url}/")

    for row in rows:
        full = f"{row['model_name']}/{row['head_name']}"
        line = page.locator("#heads tbody tr").filter(has=page.locator(f'a[href$="heads/{full}"]'))
        expect(line).to_have_count(1)
        assert count_text(row["file_count"]) in line.inner_text()
        if row["reference_version"] is None:
            continue
        cells = line.locator("td.m").all_inner_texts()
        for name, text in zip(row["thresholds"], cells, strict=True):
            shown = float(text.split()[0].removeprefix("<"))
            assert shown == pytest.approx(row[name], abs=0.0005), (full, name)
            assert ("✓" in text) == (name not in row["failed_metrics"])


def test_percentiles_are_those_of_the_reference(tab, service):
    """p5 and p95 of each label on a head's page are those of the document that is served."""
    document = service.get(f"/calibrations/{HAPPY}").json()
    page = tab.open(f"{service.url}/heads/{HAPPY}")

    for label, numbers in document["labels"].items():
        line = (
            page.get_by_role("region", name="Labels")
            .get_by_role("row")
            .filter(has=page.get_by_role("rowheader", name=label, exact=True))
        )
        text = line.inner_text()
        for end in ("p5", "p95"):
            assert f"{numbers[end]:.3f}" in text, (label, end)


# --- what a person does -------------------------------------------------------------------------


def test_a_run_is_started_and_its_progress_is_seen(tab, tmp_path):
    """With a key, a run is started from the page, its steps are told, and its result is shown."""
    folder = make(tmp_path / "music", SETTLED[:1], runs=1)
    with served(folder) as service:
        rows = rows_of(table(tmp_path / "s.csv"))
        assert service.post("/scores", json={"rows": rows}).status_code == 200
        page = tab.open(f"{service.url}/")
        page.get_by_label("Key").fill(service.token)
        steps = page.evaluate_handle(
            """() => {const said = []; new MutationObserver(() => said.push(
            document.querySelector("#run-said").textContent)).observe(
            document.querySelector("#run-said"), {childList: true}); return said}"""
        )
        page.get_by_role("button", name="Start a run").press("Enter")

        said = page.locator("#run-said")
        expect(said).to_contain_text("Run 2 is done", timeout=60_000)
        told = steps.json_value()
        assert told[0] == "Starting a run…"
        assert any(one.startswith("Run under way: ") for one in told)
        said.get_by_role("link", name="Show it").click()
        expect(page.get_by_text("Run 2, ", exact=False).first).to_be_visible()
        expect(page.get_by_label("Key")).to_have_value(service.token)
        check(tab, f"127.0.0.1:{service.port}")
        tab.picture("run-started")
    assert Registry.open(folder).now.run_numbers == [1, 2]


def test_a_wrong_key_is_said_and_forgotten(tab, service):
    """A key that is none is told in words, and does not stay in the tab."""
    page = tab.open(f"{service.url}/runs")
    page.get_by_label("Key").fill("calreg_wrong")
    page.get_by_role("button", name="Start a run").click()

    expect(page.locator("#run-said")).to_have_text("This key is not accepted.")
    expect(page.get_by_role("button", name="Start a run")).to_be_enabled()
    assert page.evaluate("Object.keys(sessionStorage).length") == 0
    assert [one for one in tab.said if "401" not in one] == []


def test_the_list_can_be_filtered(tab, service):
    """The slash leads to the field, and words leave the rows that have all of them."""
    page = tab.open(f"{service.url}/")
    page.keyboard.press("/")
    page.keyboard.type("timbre stable")

    expect(page.locator("#heads tbody tr:visible")).to_have_count(2)
    expect(page.locator("output")).to_have_text("2 of 5")


def test_all_can_be_reached_by_keyboard(tab, service):
    """From the top, Tab leads over the skip link to a head, with a focus that can be seen."""
    page = tab.open(f"{service.url}/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent || 'field'"))
        if "danceability" in reached[-1]:
            break
    width = page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)")
    page.keyboard.press("Enter")

    assert reached[:3] == ["Overview", "Runs", "Gate"]
    assert width >= 2
    expect(page.get_by_role("heading", level=1)).to_contain_text("danceability")


def test_numbers_of_a_chart_can_be_opened(tab, service):
    """The numbers behind a chart are one key away."""
    page = tab.open(f"{service.url}/heads/{HAPPY}")
    summary = page.locator("summary").first
    summary.focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("region", name="Drift by version")).to_be_visible()


# --- how it looks -------------------------------------------------------------------------------


def colours(tab: Tab) -> dict[str, str]:
    """What the ground, the text and a chart's line and text are drawn in."""
    found: dict[str, str] = tab.page.evaluate(
        """() => {const s = (e, p) => getComputedStyle(e)[p], q = x => document.querySelector(x);
        return {ground: s(document.body, "backgroundColor"), ink: s(document.body, "color"),
        text: s(q(".chart text"), "fill"), line: s(q(".chart path"), "fill")}}"""
    )
    return found


@pytest.mark.parametrize("path", ["/", f"/heads/{HAPPY}"])
def test_the_dark_is_dark_and_charts_with_it(tab, service, path):
    """In a dark system the ground is dark, the text light, and charts change with the page."""
    page = tab.open(f"{service.url}{path}")
    page.emulate_media(color_scheme="light")
    light = colours(tab)
    page.emulate_media(color_scheme="dark")
    dark = colours(tab)
    tab.picture(f"dark-{'head' if 'heads' in path else 'overview'}")

    assert [part for part in light if light[part] == dark[part]] == []
    assert brightness(dark["ground"]) < 40
    assert brightness(light["ground"]) > 200
    assert brightness(dark["text"]) > 120


def brightness(colour: str) -> float:
    """From 0 to 255."""
    parts = colour.partition("(")[2].rstrip(")").split(",")[:3]
    return sum(map(float, parts)) / 3


def test_a_telephone_needs_no_sideways(chromium, service):
    """On a telephone's width no page is wider than the screen; tables scroll by themselves."""
    widths = {}
    with watched_tab(chromium, viewport=PHONE, is_mobile=True, has_touch=True) as tab:
        for path in PATHS:
            page = tab.open(f"{service.url}{path}")
            widths[path] = page.evaluate("document.documentElement.scrollWidth")
            tab.picture(f"phone-{path.strip('/').replace('/', '-') or 'overview'}")

    assert {path for path, width in widths.items() if width > PHONE["width"]} == set()


@pytest.mark.parametrize("width", [820, 1024, 1152, 1200, 1280])
def test_the_list_of_heads_fits_between_telephone_and_desk(tab, service, width):
    """On a tablet or a small laptop, too, the list ends where the page does, long names and all."""
    page = tab.open(f"{service.url}/")
    page.set_viewport_size({"width": width, "height": 800})
    row = page.locator("table.list tbody tr").first
    name = "essentia/effnet/a_name_of_thirty_letters_or_so"
    row.locator("th a").evaluate("(e, name) => {e.textContent = name}", name)
    long = "cells => cells.forEach(cell => {cell.firstChild.textContent = '0.009995 ✗'})"
    row.locator("td.m").evaluate_all(long)

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ends = "document.querySelector('{}').getBoundingClientRect().right"
    assert page.evaluate(ends.format("table.list")) <= page.evaluate(ends.format("main")) + 1


def test_print_is_dark_on_light(tab, service):
    """On paper the ground is white, also of a dark system, and what can be clicked is gone."""
    page = tab.open(f"{service.url}/")
    page.emulate_media(media="print", color_scheme="dark")

    assert brightness(colours(tab)["ground"]) > 250
    assert not page.get_by_role("button", name="Start a run").is_visible()


def test_hostile_names_do_nothing(chromium, tmp_path):
    """Markup in labels and names is read as text; no dialog opens and nothing is asked for."""
    head = Head("m/h", labels=(NASTY, "<img src=x onerror=alert(1)>"), display_name=NASTY)
    registry = Registry.open(make(tmp_path / "music", (head,), runs=2))
    observed = observe(registry)
    detail = detail_of(registry.at(), observed.by_name["m/h"])
    draw = easel().draw
    written = {
        "overview": overview_page(observed, top_place(is_served=True), draw=draw, can_run=True),
        "head": head_page(observed, detail, head_place(head.head, is_served=True), draw=draw),
    }
    dialogs: list[str] = []

    with watched_tab(chromium) as tab:
        tab.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        for name, raw in written.items():
            (tmp_path / f"{name}.html").write_bytes(raw)
            page = tab.open((tmp_path / f"{name}.html").as_uri())
            assert page.locator("img").count() == 0
            assert page.get_by_text(NASTY).count() >= 1
        tab.picture("hostile-head")

    assert dialogs == []
    check(tab, None)


def test_nothing_yet_is_a_page_too(tab, tmp_path):
    """A registry without a run has an overview that says what to do."""
    registry = Registry.open(make(tmp_path / "music", (), runs=0))
    raw = overview_page(observe(registry), top_place(is_served=False), draw=None)
    (tmp_path / "empty.html").write_bytes(raw)

    page = tab.open((tmp_path / "empty.html").as_uri())

    expect(page.get_by_role("heading", level=1)).to_have_text("No head has been calibrated yet.")
    check(tab, None)
    tab.picture("empty-overview")
