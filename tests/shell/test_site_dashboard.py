"""The dashboard as files: what it says, that it needs nobody, and what is drawn anew."""

import hashlib
import json
import re
import subprocess
import sys
from base64 import b64encode
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from warmth import at_home
from watched import NASTY, SETTLED, Head, copied, make, publish_run

from calreg import cli
from calreg.calibrate import describe
from calreg.documents import METRICS, Distribution, Histogram, LabelCalibration, RunInputs
from calreg.gate import Finding
from calreg.git import Repository
from calreg.names import HeadName
from calreg.pages.answers import overview_answer
from calreg.pages.board import Place, head_place, missing_page, top_place
from calreg.pages.drawing import drawer
from calreg.pages.findings import gate_page
from calreg.pages.marks import metric_cell, metric_text
from calreg.pages.observed import FoundByGate, Observed
from calreg.pages.one_head import head_page
from calreg.pages.overview import ROWS, listings, overview_page
from calreg.pages.runs import Tried, runs_page
from calreg.pages.specs import band_spec, distribution_spec, metric_spec, runs_spec
from calreg.plan import Computed, RegistryState, RunPlan, plan_run
from calreg.registry import Registry
from calreg.site import build
from calreg.site.observing import detail_of, observe

HAPPY = "essentia/effnet/mood_happy"
TOP = top_place(is_served=False)
VOID = {"meta", "link", "input", "br", "wbr"}


class Read(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, raw: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.held: list[tuple[str, str]] = []
        self.feed(raw.decode())
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Every element ends, in the order in which they began."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep style and script apart from what is read."""
        if self.open[-1:] and self.open[-1] in {"style", "script"}:
            self.held.append((self.open[-1], data))
        else:
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of one name."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        """What is read, white space as one blank."""
        return re.sub(r"\s+", " ", " ".join(self.words))

    @property
    def policy(self) -> str:
        """What the page allows itself."""
        named = (one for one in self.all("meta") if one.get("http-equiv"))
        return next(named)["content"] or ""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("watched")
    with at_home(place / "home"):
        folder = make(place / "music")
        assert cli.call(["--registry", str(folder), "stable", "publish"]) == 0
    return folder


@pytest.fixture(scope="module")
def observed(made: Path) -> Observed:
    return observe(Registry.open(made))


@pytest.fixture(scope="module")
def site(made: Path, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "site"
    build(Repository.find(made), "", folder)
    return folder


@pytest.fixture(scope="module")
def nasty(tmp_path_factory) -> Registry:
    head = Head("m/h", labels=(NASTY, "b & <img src=x onerror=alert(1)>"), display_name=NASTY)
    place = tmp_path_factory.mktemp("nasty")
    with at_home(place / "home"):
        return Registry.open(make(place / "music", (head,), runs=2))


def head_of(registry: Registry, name: str, *, is_drawn: bool = True, is_served: bool = False):
    snapshot = registry.at()
    seen = observe(registry, snapshot)
    head = seen.by_name[name]
    place = head_place(head.name, is_served=is_served)
    draw = drawer() if is_drawn else None
    return Read(head_page(seen, detail_of(snapshot, head), place, draw=draw))


def pages(site: Path) -> dict[str, Read]:
    folder = site / "_dashboard"
    return {
        path.relative_to(site).as_posix(): Read(path.read_bytes())
        for path in folder.rglob("*.html")
    }


# --- every page ---------------------------------------------------------------------------------


def test_a_page_runs_and_fetches_nothing_of_others(site):
    """A page's policy names its own style and scripts by digest, and no address anywhere."""
    found = pages(site)

    assert len(found) == 3 + len(SETTLED)
    for page in found.values():
        assert page.policy.startswith("default-src 'none'; ")
        assert "unsafe" not in page.policy
        assert "http" not in page.policy
        for _, text in page.held:
            digest = b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in page.policy


def test_every_link_leads_to_a_file(site):
    """Opened from a disk, every link of every page leads to a file of the site."""
    for path, page in pages(site).items():
        for link in page.all("a"):
            href = link["href"] or ""
            if not href.startswith("#"):
                assert ((site / path).parent / href).is_file(), (path, href)


def test_nothing_is_styled_or_run_in_place(site):
    """No element has a style or a handler of its own: the policy would stop it."""
    for page in pages(site).values():
        for _, attributes in page.elements:
            assert not [name for name in attributes if name == "style" or name.startswith("on")]


def test_every_chart_says_in_words_what_it_shows(site):
    """A picture is an image with words, and next to charts stand their numbers."""
    for page in pages(site).values():
        for picture in page.all("svg"):
            assert picture.get("aria-hidden") == "true" or (
                picture.get("role") == "img" and picture.get("aria-label")
            )
    head = pages(site)[f"_dashboard/heads/{HAPPY}.html"]
    assert len([one for one in head.all("svg") if one.get("class") == "chart"]) == 6 + 4
    assert len(head.all("details")) == 3


def test_fields_have_labels_and_tables_have_headers(site):
    """Every field has a label, every table column a header, and each page one main heading."""
    for page in pages(site).values():
        labels = {label.get("for") for label in page.all("label")}
        assert all(field.get("id") in labels for field in page.all("input"))
        assert len(page.all("h1")) == len(page.all("main")) == 1
        assert all(header.get("scope") in {"col", "row"} for header in page.all("th"))


def test_a_label_cannot_become_markup(nasty):
    """Names and labels with markup in them are shown as they are, also beside charts."""
    page = head_of(nasty, "m/h")

    assert page.text.count(NASTY) >= 4
    assert page.all("img") == []
    assert len(page.all("script")) == 1


def test_charts_have_the_colours_of_the_page(site):
    """Every colour in a chart is one of the page's variables: it turns dark with the page."""
    charts = {"path", "line", "text"}
    for page in pages(site).values():
        for tag, attributes in page.elements:
            for name in ("fill", "stroke"):
                colour = attributes.get(name)
                if tag in charts and colour is not None:
                    assert re.fullmatch(r"var\(--[a-z]+\)|none", colour)
        style = next(text for kind, text in page.held if kind == "style")
        used = set(re.findall(r"var\((--[a-z]+)\)", " ".join(map(str, page.elements)) + style))
        light, dark = style.split("@media (prefers-color-scheme:dark)")
        assert used <= set(re.findall(r"(--[a-z]+):", light))
        assert used - {"--x"} <= set(re.findall(r"(--[a-z]+):", dark.partition("}}")[0]))


def test_text_can_be_read_on_its_ground():
    """Light and dark, every colour of text has a contrast of 4.5 to the grounds it stands on."""
    from calreg.pages.look import STYLE

    light, dark = STYLE.split("@media (prefers-color-scheme:dark)")
    grounds = {"ink": ("ground", "raised"), "soft": ("ground", "raised"), "link": ("ground",),
               "bad": ("ground", "badground"), "warn": ("ground", "warnground"),
               "good": ("ground", "goodground"), "mark": ("ground",)}  # fmt: skip
    for part in (light, dark.partition("}}")[0]):
        colours = dict(re.findall(r"--([a-z]+):(#[0-9a-f]{3,6})", part))
        for text, below in grounds.items():
            for ground in below:
                assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours (WCAG 2.2)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


# --- what they say ------------------------------------------------------------------------------


def test_the_overview_has_every_head_worst_first(observed, site):
    """The list holds every head, in the order of who needs a look, each with its page."""
    page = pages(site)["_dashboard/index.html"]

    links = [link["href"] for link in page.all("a") if "/heads/" in (link["href"] or "")]
    assert links == [f"./heads/{head.name.full}.html" for head in observed.worst_first]
    assert "3 of 5 heads are settled" in page.text


def test_a_light_is_a_number_a_sign_and_words(observed):
    """A metric's cell holds its number and a sign, and says limit and noise in words."""
    row = observed.by_name["essentia/effnet/danceability"].points[-1].row
    failed = row.failed_metrics[0]

    cell = Read(metric_cell(row, failed, row.thresholds[failed]).encode())

    assert "≈" in cell.text
    assert cell.all("td")[0]["class"] == "m warn"
    assert "within sampling noise; limit 0.01" in (cell.all("td")[0]["title"] or "")


def test_a_number_is_never_rounded_onto_its_limit():
    """What is below its limit looks below it, and what is tiny is not written as a power."""
    assert metric_text(0.00999999, 0.01) != "0.010"
    assert metric_text(0.00021, 0.01) == "0.0002"
    assert metric_text(0.00001, 0.01) == "<0.0001"
    assert metric_text(0.0, 0.01) == "0.000"
    assert metric_text(None, 0.01) == "–"


def test_the_numbers_of_a_head_are_those_of_its_history(made, site):
    """Each version's items and reference on a head's page are those of `calreg history`."""
    page = pages(site)[f"_dashboard/heads/{HAPPY}.html"]

    for row in Registry.open(made).history(head=HAPPY):
        assert f"v{row['version']} {'20' if row['file_count'] == 20_000 else ''}" in page.text
        assert f"{row['file_count']:,}" in page.text
    assert "within every limit of the reference, v3" in page.text


def test_without_the_library_there_are_tables(made):
    """Where nothing can be drawn, the numbers that charts would show stand open in the page."""
    drawn = head_of(Registry.open(made), HAPPY)
    plain = head_of(Registry.open(made), HAPPY, is_drawn=False)

    assert [one for one in plain.all("svg") if one.get("class") == "chart"] == []
    assert [one for one in plain.all("details") if "open" in one]
    assert not [one for one in drawn.all("details") if "open" in one]


def test_the_gate_page_shows_findings_worst_first(observed):
    """Findings stand with their rule, place, problem and hint; what blocks is the answer."""
    findings = (
        Finding(
            "f1-floor", "error", "essentia/effnet/x.json", HAPPY, f"too low {NASTY}", 3, "Tune."
        ),
        Finding("timestamp", "note", None, None, "a year old"),
    )
    found = FoundByGate("index 3", "a" * 40, findings, 2, "2026-11-20T00:00:00.000Z")

    page = Read(gate_page(observed, found, TOP))

    assert "No: 1 finding blocks what has changed since index 3." in page.text
    assert f"too low {NASTY}" in page.text
    assert page.text.index("f1-floor") < page.text.index("timestamp")
    assert {"href": f"./heads/{HAPPY}.html"} in page.all("a")
    assert "x.json:3" in page.text


def test_a_gate_without_findings_says_yes(observed):
    """No finding is a yes in words, and no answer yet is said as such."""
    assert (
        "Yes: the gate has nothing to say"
        in Read(gate_page(observed, FoundByGate("index 3", "a" * 40, (), 0), TOP)).text
    )
    assert "not been asked yet" in Read(gate_page(observed, None, TOP)).text


def test_the_runs_page_has_runs_and_what_was_tried(observed):
    """The registry's runs stand with their counts, and the service's with what went wrong."""
    tried = [Tried("20261122T1-ab", "api", "2026-11-22T09:00:00.000Z", "failed", None, NASTY)]

    page = Read(runs_page(observed, top_place(is_served=True), draw=None, tried=tried))

    assert "Run 4, of 988 scores, found 3 stable, 1 within noise, 1 new" in page.text
    assert "20261122T1-ab" in page.text
    assert NASTY in page.text


def test_a_run_that_was_made_before_is_told_from_a_new_one(observed):
    """Asked for twice, of the same scores, a run is one run, and the page says so."""
    tried = [
        Tried("b", "automatic", "2026-11-22T09:05:00.000Z", "ok", version=4, is_known=True),
        Tried("a", "api", "2026-11-22T09:00:00.000Z", "ok", version=4),
    ]

    page = Read(runs_page(observed, top_place(is_served=True), draw=None, tried=tried))

    assert "automatic nothing new: run 4" in page.text
    assert "api ok: run 4" in page.text


def test_one_head_and_one_run_are_said_as_one(tmp_path):
    """A registry of one head says so in words for one, and lists no numbers of no chart."""
    registry = Registry.open(make(tmp_path / "music", SETTLED[:1], runs=1))
    observed = observe(registry)

    said = overview_answer(observed)
    page = overview_page(observed, top_place(is_served=True), draw=drawer()).decode()

    assert said.startswith("The one head is not settled yet; ")
    assert "<summary>Heads after each run</summary>" in page
    assert "<summary>The numbers</summary>" not in page


def test_an_option_of_a_command_is_not_broken(observed):
    """A command to be copied may break between words, never behind the dashes of an option."""
    found = FoundByGate("index 3", "a" * 40, (Finding("timestamp", "note", None, None, "old"),), 1)

    page = gate_page(observed, found, TOP).decode()

    assert '<code>calreg gate <span class="opt">--explain</span> RULE</code>' in page
    assert ".opt{white-space:nowrap}" in page


def test_a_run_can_be_started_only_where_one_is_served(observed):
    """The form stands on pages of a service that may calibrate; a key is asked of strangers."""
    served = top_place(is_served=True)
    strange = Read(overview_page(observed, served, draw=None, can_run=True))
    known = Read(overview_page(observed, served, draw=None, can_run=True, is_signed_in=True))
    static = Read(overview_page(observed, TOP, draw=None))

    assert [field.get("type") for field in strange.all("input")] == ["password", "search"]
    assert [field.get("type") for field in known.all("input")] == ["search"]
    assert "connect-src 'none'" in static.policy
    assert "Start a run" not in static.text


def test_many_heads_are_listed_in_parts(tmp_path):
    """Beyond what one page holds, further parts follow, and every head is in exactly one."""
    heads = tuple(Head(f"m/h{number:04}", items=200) for number in range(ROWS + 2))
    seen = observe(Registry.open(make(tmp_path / "music", heads, runs=1)))

    parts = [Read(overview_page(seen, TOP, draw=None, number=number)) for number in (1, 2)]

    assert listings(seen) == 2
    links = [link["href"] for part in parts for link in part.all("a") if "heads/m/" in str(link)]
    assert sorted(links) == [f"./heads/m/h{number:04}.html" for number in range(ROWS + 2)]
    assert {"href": "./heads-2.html"} in parts[0].all("a")


def test_nothing_there_has_a_page():
    """An address of no head gets a page that leads back, from any depth."""
    page = Read(missing_page("music", Place("../../", is_served=True)))

    assert "Nothing is here." in page.text
    assert {"href": "../../"} in page.all("a")


def test_an_empty_registry_has_an_overview(tmp_path):
    """Without a head the page says what to do first."""
    seen = observe(Registry.open(make(tmp_path / "music", (), runs=0)))

    page = Read(overview_page(seen, TOP, draw=drawer()))

    assert "No head has been calibrated yet." in page.text
    assert "calreg run scores/*.parquet" in page.text


# --- charts -------------------------------------------------------------------------------------


def test_a_chart_holds_the_very_numbers(made, observed):
    """Specifications hold the metrics, limits, bounds and counts that were observed."""
    registry = Registry.open(made)
    head = observed.by_name[HAPPY]
    label = detail_of(registry.at(), head).labels[0]

    metric = metric_spec(head.points[1:], "jsd")
    bounds = distribution_spec(label)
    band = band_spec(label.trend, {})
    runs = runs_spec(observed.runs)

    assert metric is not None
    assert [row["value"] for row in metric["data"]["values"]] == [
        point.row.metrics["jsd"] for point in head.points[1:]
    ]
    assert bounds is not None
    assert label.new is not None
    assert [row["score"] for row in bounds["layer"][-1]["data"]["values"]] == [*label.new.bounds]
    assert band is not None
    assert [row["p95"] for row in band["data"]["values"]] == [point.p95 for point in label.trend]
    assert runs is not None
    assert max(row["to"] for row in runs["data"]["values"]) == 5


def test_a_specification_holds_no_text_of_others(nasty):
    """No label or name gets into what the drawing library reads."""
    snapshot = nasty.at()
    head = observe(nasty, snapshot).by_name["m/h"]
    specs = [metric_spec(head.points[1:], name) for name in METRICS]
    specs += [distribution_spec(label) for label in detail_of(snapshot, head).labels]

    assert "alert" not in json.dumps(specs)


def test_unequal_grids_are_drawn_to_one_scale(made, observed):
    """Densities of two histograms on different grids each sum to one over their width."""
    label = detail_of(Registry.open(made).at(), observed.by_name[HAPPY]).labels[0]
    assert label.new is not None
    histogram = label.new.distribution.histogram
    assert isinstance(histogram, Histogram)

    spec = distribution_spec(label)

    assert spec is not None
    cells = spec["layer"][1]["data"]["values"][:-1]
    width = (histogram.hi - histogram.lo) / len(histogram.counts)
    assert sum(cell["density"] for cell in cells) * width == pytest.approx(1.0)


def test_there_is_no_chart_of_nothing(observed):
    """Without a number there is no chart, and so no empty frame."""
    newest = observed.by_name["essentia/musicnn/valence"].points

    assert metric_spec(newest, "jsd") is None
    assert runs_spec(()) is None
    assert band_spec((), {}) is None


# --- building -----------------------------------------------------------------------------------


def test_only_changed_heads_are_drawn_again(made, tmp_path):
    """After a run of one head, its page alone is made anew; without one, none."""
    folder = copied(made, tmp_path / "music")
    repository = Repository.find(folder)
    first = build(repository, "", tmp_path / "site")
    again = build(repository, "", tmp_path / "site")
    publish_run(Registry.open(folder), SETTLED[:1], 5)
    third = build(Repository.find(folder), "", tmp_path / "site", dashboard="branch")

    assert (first.drawn, again.drawn, again.written) == (5, 0, 0)
    assert third.drawn == 1
    assert third.dashboard != first.dashboard


def test_a_page_that_somebody_changed_is_put_back(made, tmp_path):
    """A head's page that was edited is made anew, although its head did not change."""
    site = tmp_path / "site"
    build(Repository.find(made), "", site)
    page = site / "_dashboard" / "heads" / f"{HAPPY}.html"
    right = page.read_bytes()
    page.write_bytes(right.replace(b"Settled", b"Spoiled"))

    found = build(Repository.find(made), "", site)

    assert found.drawn == 1
    assert page.read_bytes() == right


def test_what_is_published_is_shown_unless_asked(made, tmp_path):
    """What is on the branch and not published is on no page, unless the branch is asked for."""
    folder = copied(made, tmp_path / "music")
    publish_run(Registry.open(folder), SETTLED, 5)

    build(Repository.find(folder), "", tmp_path / "published")
    build(Repository.find(folder), "", tmp_path / "branch", dashboard="branch")
    built = build(Repository.find(folder), "", tmp_path / "none", dashboard="none")

    assert "Run 4" in pages(tmp_path / "published")["_dashboard/runs.html"].text
    assert "Run 5" in pages(tmp_path / "branch")["_dashboard/runs.html"].text
    gate = pages(tmp_path / "branch")["_dashboard/gate.html"].text
    assert "what has changed since index 1" in gate
    assert built.dashboard is None
    assert not (tmp_path / "none" / "_dashboard").exists()
    assert "_dashboard" not in (tmp_path / "none" / "index.html").read_text(encoding="utf-8")


def test_charts_are_drawn_of_those_that_need_a_look(made, tmp_path):
    """With room for charts of one head only, it is the worst one that has them."""
    build(Repository.find(made), "", tmp_path / "site", charts=1)

    drawn = [
        path
        for path, page in pages(tmp_path / "site").items()
        if "/heads/" in path and [one for one in page.all("svg") if one.get("class") == "chart"]
    ]
    assert drawn == ["_dashboard/heads/essentia/effnet/danceability.html"]


def test_the_command_says_what_was_drawn(made, tmp_path, capsys):
    """The command names the commit of the dashboard and how many heads were drawn."""
    assert cli.call(["--registry", str(made), "site", "build", str(tmp_path / "site")]) == 0

    assert re.search(r"dashboard of [0-9a-f]{12}: 5 heads drawn anew", capsys.readouterr().out)


def test_the_command_says_that_charts_are_missing(made, tmp_path, capsys, monkeypatch):
    """Without the drawing library the site is built, and one line says what would draw charts."""
    monkeypatch.setitem(sys.modules, "vl_convert", None)

    assert cli.call(["--registry", str(made), "site", "build", str(tmp_path / "site")]) == 0

    assert "without charts: pip install 'calreg[report]'" in capsys.readouterr().out
    overview = pages(tmp_path / "site")["_dashboard/index.html"]
    assert "3 of 5 heads are settled" in overview.text


def test_a_clone_without_the_commit_has_no_dashboard(made, tmp_path):
    """A clone of the published branch alone builds the site, and says why without a dashboard."""
    clone = tmp_path / "clone"
    command = ["git", "clone", "--quiet", "--single-branch", "--branch", "stable"]
    subprocess.run([*command, made.as_uri(), str(clone)], check=True)
    (clone / "registry.yaml").write_bytes((made / "registry.yaml").read_bytes())

    found = build(Repository.find(clone), "", tmp_path / "site")

    assert found.dashboard is None
    assert not (tmp_path / "site" / "_dashboard").exists()


def test_factors_and_maps_have_pages_too(tmp_path):
    """A head of factors has its factors before and now, one with a map its parameters."""
    registry = Registry.open(make(tmp_path / "music", (), runs=0))
    for run in (1, 2):
        publish_odd(registry, run)

    factors = head_of(registry, "price/ratio").text
    mapped = head_of(registry, "m/platt").text

    assert "factor shift 0.039 (limit 0.01) of v2 against v1" in factors
    assert "B 1.020 1.060 +3.9 % 400" in factors
    assert "slope 1.100 → 1.200" in mapped
    said = overview_answer(observe(registry))
    assert said == "None of 2 heads is settled yet; platt and ratio are unstable."


def publish_odd(registry: Registry, run: int) -> None:
    """A run of a head of factors and one of a map, as `tune` and `feedback` publish them."""
    scores = describe(np.random.default_rng(run).normal(0, 2, 3000), grid=(-10.0, 10.0))
    slope = {"slope": 1.0 + 0.1 * run, "intercept": 0.2}
    brings = Computed(
        {
            HeadName("price", "ratio"): {
                "B": LabelCalibration(
                    "factor", {"factor": 0.98 + 0.04 * run}, Distribution(samples=400)
                )
            },
            HeadName("m", "platt"): {
                "yes": LabelCalibration("platt", slope, scores, direction="higher", is_logit=True)
            },
        },
        {},
        {},
        RunInputs(f"{run:064x}", "labelled", 3000, 3000, {}, ("a.csv",)),
    )

    def plan_of(state: RegistryState) -> RunPlan:
        return plan_run(state, brings, timestamp=f"2026-09-0{run}T00:00:00.000Z", tool="calreg 0")

    registry.publish(plan_of)
