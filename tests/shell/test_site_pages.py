"""A site's pages: what they say, and that they need neither a network nor a script."""

import hashlib
import re
from base64 import b64encode
from html.parser import HTMLParser
from pathlib import Path

import pytest
from published import HAPPY, RELAXED, Published
from stabletree import Key, Stable, new_key, withdrawal

from calreg.documents import (
    Calibration,
    Decision,
    Distribution,
    Entry,
    Histogram,
    Index,
    LabelCalibration,
    ModelEntry,
    Withdrawn,
)
from calreg.git import Repository
from calreg.names import HeadName
from calreg.pages.html import Html, joined, tag
from calreg.pages.picture import histogram_picture
from calreg.pages.published import head_page, index_page, model_page, row_of
from calreg.signatures import PublicKey
from calreg.site import build

NASTY = '<script>alert("x")</script> & \' p5'
QUANTILES = dict(
    zip(
        ("p1", "p5", "p25", "p50", "p75", "p95", "p99"),
        (0, 0.1, 0.2, 0.3, 0.4, 0.9, 1),
        strict=True,
    )
)


class Read(HTMLParser):
    """What a browser would make of a page: elements with their attributes, and text."""

    def __init__(self, raw: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.held: dict[str, str] = {}
        self.feed(raw.decode())
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "input", "br", "wbr"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Every element ends, in the order in which they began."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep style and script apart from what is read."""
        if self.open[-1:] and self.open[-1] in {"style", "script"}:
            self.held[self.open[-1]] = data
        else:
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of one name."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        """What is read, white space as one blank."""
        return re.sub(r"\s+", " ", " ".join(self.words))


def numbers(**changes: object) -> LabelCalibration:
    seen = Distribution(
        samples=1203, min=0.0, max=1.2, mean=0.4, std=0.2, quantiles=QUANTILES,
        histogram=Histogram(0.0, 1.0, (900, 200, 99, 1), 0, 3),
    )  # fmt: skip
    known = {"method": "minmax", "parameters": {"p5": 0.1, "p95": 0.9}, "distribution": seen}
    return LabelCalibration(**{**known, **changes})


def index(**changes: object) -> Index:
    known = {
        "registry": "nom-cal", "seq": 42, "issued": "2026-11-20T12:00:00Z",
        "expires": "2027-02-18T12:00:00Z", "commit": "a" * 40, "previous": None, "keys": None,
        "withdrawn": None, "models": {"essentia/effnet": ModelEntry("0" * 64, 1, 1)},
    }  # fmt: skip
    return Index(**{**known, **changes})


def of_head(label: str = "happy", *, withdrawn: Withdrawn | None = None, **changes: object) -> Read:
    found = Calibration(HeadName.parse(HAPPY), 3, {label: numbers(**changes)})
    return Read(
        head_page(
            index(), found, Entry(3, "d" * 64, 1234), date="2026-11-01T00:00:00Z",
            withdrawn=withdrawn or Withdrawn({}),
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return new_key(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def pages(tmp_path: Path, key: Key) -> dict[str, Read]:
    """Every page of a small signed site, by its path."""
    registry = Published(tmp_path / "registry")
    registry.publish(1)
    branch = Stable(registry)
    branch.trust([key])
    branch.withdrawn = Withdrawn({HAPPY: {3: withdrawal(NASTY[:60])}})
    branch.publish()
    build(Repository.find(registry.root), "", tmp_path / "site")
    return {
        path.relative_to(tmp_path / "site").as_posix(): Read(path.read_bytes())
        for path in (tmp_path / "site").rglob("*.html")
    }


# --- every page ------------------------------------------------------------------------------


def test_a_page_runs_and_fetches_nothing_of_others(pages):
    """The policy of each page names the digests of its own style and script, and nothing else."""
    for page in pages.values():
        policy = next(
            meta["content"] or ""
            for meta in page.all("meta")
            if meta.get("http-equiv") == "Content-Security-Policy"
        )
        assert policy.startswith("default-src 'none'; ")
        for held in page.held.values():
            digest = b64encode(hashlib.sha256(held.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy


def test_a_page_names_no_other_server(pages):
    """No address in any attribute leads away from the site."""
    for page in pages.values():
        for name, attributes in page.elements:
            for key in ("href", "src", "action", "srcset", "style", "onclick"):
                value = attributes.get(key) or ""
                assert not re.match(r"[a-z+.-]+:|//", value) or (name, value) == ("link", "data:,")


def test_every_link_leads_to_a_file(pages, tmp_path):
    """Each link of each page, but of the one for no address, leads to a file of the site."""
    for path, page in pages.items():
        for link in page.all("a"):
            href = link["href"] or ""
            target = (tmp_path / "site" / path).parent / href
            if href.startswith("#"):
                assert any(one.get("id") == href[1:] for _, one in page.elements), (path, link)
                continue
            assert target.is_file(), (path, link)


def test_every_picture_has_words(pages):
    """Whoever does not see a picture hears what it shows."""
    drawn = [svg for page in pages.values() for svg in page.all("svg")]

    assert all(svg.get("role") == "img" and svg.get("aria-label") for svg in drawn)


def test_pages_are_for_every_width_light_and_keyboard(pages):
    """Each page says how wide it is, follows the system's light, and names its language."""
    for page in pages.values():
        assert {"name": "viewport", "content": "width=device-width,initial-scale=1"} in page.all(
            "meta"
        )
        assert page.all("html") == [{"lang": "en"}]
        assert "prefers-color-scheme:dark" in page.held["style"]
        assert ":focus-visible" in page.held["style"]
        assert len(page.all("h1")) == 1


def test_without_a_script_nothing_is_promised(pages):
    """The search field and the buttons are hidden until the script is there to serve them."""
    for page in pages.values():
        assert all("hidden" in form for form in page.all("form"))
        assert all("hidden" in button for button in page.all("button"))


# --- what they say ---------------------------------------------------------------------------


def test_the_first_page_says_what_is_published(pages, key):
    """Registry, number, dates, keys, heads with version, labels and method, what is withdrawn."""
    text = pages["index.html"].text

    assert "3 references of 2 models. Index 1 was issued on 2026-05-31 12:00 UTC" in text
    assert "signed by 1 key" in text
    assert "until 2026-08-29 12:00 UTC" in text
    assert key.public.fingerprint in text
    assert "essentia/effnet/mood_happy v1 no, yes minmax" in text
    assert f"v3 2026-05-30 {NASTY[:60]} Ada" in text


def test_a_head_page_has_a_command_to_copy(pages):
    """The page of a head shows how to pull just that head."""
    page = pages["essentia/effnet/mood_happy-calibration.html"]

    assert f"calreg pull https://this-site/ models/ {HAPPY}" in page.text
    assert {"data-site": "../../"} in page.all("span")


def test_a_model_page_lists_its_heads(pages):
    """The page of a model lists its heads and no others, with its packed file."""
    page = pages["essentia/effnet/index.html"]

    assert HAPPY in page.text
    assert RELAXED in page.text
    assert "musicnn" not in page.text
    assert {"href": "./references.json"} in page.all("a")


def test_what_is_withdrawn_stands_on_its_heads_page_alone(pages):
    """A head's page lists its own withdrawn versions; another head's has no such table."""
    assert "Withdrawn" in pages["essentia/effnet/mood_happy-calibration.html"].text
    assert "Withdrawn" not in pages["essentia/effnet/mood_relaxed-calibration.html"].text


def test_numbers_are_said_in_words():
    """Percentiles, samples and the digest of a head are on its page."""
    text = of_head().text

    assert "Version 3, made on 2026-11-01 : 1 label by minmax, from 1,203 scores." in text
    assert "Scores from 0.1 (p5) to 0.9 (p95) become 0 to 1." in text
    assert "d" * 64 in text
    assert "1,234" in text


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        (Decision(0.61, ">=", "max-f1", "ok"), "It fires if the score >= 0.61."),
        (Decision(None, ">=", "max-f1", "infeasible"), "It never fires (infeasible)."),
    ],
)
def test_a_threshold_is_said_in_words(decision, words):
    """When a label fires, and when never, is a sentence."""
    assert words in of_head(method="threshold", parameters={}, decision=decision).text


def test_a_probability_is_said_with_its_score():
    """A threshold on a probability comes with the raw score that it stands for."""
    decision = Decision(0.5, ">=", "max-f1", "ok", score_threshold=0.37)

    page = of_head(method="platt", parameters={"slope": 2.0, "intercept": -1.0}, decision=decision)

    assert "become probabilities by platt" in page.text
    assert "It fires if the output >= 0.5, which is a score of 0.37." in page.text
    assert "slope 2" in page.text


def test_a_curve_is_summed_up():
    """Of a curve with many knots, their number and ends are said."""
    page = of_head(method="isotonic", parameters={"x": (0.0, 0.5, 1.0), "y": (0.1, 0.2, 0.9)})

    assert "3 knots, 0 to 1" in page.text


def test_a_factor_is_said_in_words():
    """A factor is what predictions are multiplied by."""
    nothing = Distribution(samples=40)

    page = of_head(method="factor", parameters={"factor": 0.87}, distribution=nothing)

    assert "Predictions are multiplied by 0.87." in page.text
    assert page.all("svg") == []


def test_many_labels_are_cut_and_counted():
    """Beyond two hundred labels a page says how many more there are."""
    labels = {f"label {n:03}": numbers() for n in range(203)}
    page = Read(
        head_page(
            index(), Calibration(HeadName.parse(HAPPY), 1, labels), Entry(1, "0" * 64, 1),
            date=None, withdrawn=Withdrawn({}),
        )
    )  # fmt: skip

    assert "3 more labels are in the document." in page.text
    assert len(page.all("svg")) == 200


def test_a_large_registry_lists_models_first():
    """Without a list of heads the first page lists the models, each with a link."""
    page = Read(index_page(index(), rows=[], signed_by=[], threshold=0, withdrawn=Withdrawn({})))

    assert {"href": "./essentia/effnet/index.html"} in page.all("a")
    assert "not signed" in page.text
    assert "Nobody signed this index" in page.text


def test_dates_that_are_not_known_take_no_room():
    """A list without any date has no column for them."""
    row = row_of(Calibration(HeadName.parse(HAPPY), 3, {"happy": numbers()}), None)

    page = Read(model_page(index(), "essentia/effnet", [row], is_packed=False))

    assert "Made on" not in page.text
    assert "references.json" not in page.text


def test_every_label_can_be_searched_for():
    """A list names four labels of a head, and holds the others for the search."""
    labels = {name: numbers() for name in "abcdefg"}
    row = row_of(Calibration(HeadName.parse(HAPPY), 3, labels), None)

    page = Read(model_page(index(), "essentia/effnet", [row], is_packed=False))

    assert "a, b, c, d and 3 more" in page.text
    assert {"data-words": "e f g"} in page.all("tr")


# --- the picture -----------------------------------------------------------------------------


def test_a_picture_says_what_it_shows():
    """The words of a picture have its numbers: how many, from where to where, the marks."""
    decision = Decision(0.61, ">=", "max-f1", "ok")
    picture = histogram_picture(
        "happy", numbers(method="threshold", parameters={}, decision=decision)
    )

    assert picture is not None
    assert (
        "Histogram of 1,203 scores of happy from 0 to 1; 90 % lie between 0.1 and 0.9; most are "
        "near 0.125; the threshold is 0.61."
    ) in picture
    assert "outside of the picture: 3 above" in picture
    assert picture.count('class="threshold"') == 1


def test_bars_stand_on_the_ground_and_inside():
    """The outline begins and ends on the ground, the highest cell touches the top."""
    picture = histogram_picture("happy", numbers())

    assert picture is not None
    outline = re.search(r'd="(M0 96[^"]+)" class="bars"', picture)
    assert outline is not None
    assert outline[1].startswith("M0 96V0.0H100")
    assert outline[1].endswith("H400V96Z")


def test_marks_outside_the_picture_stand_at_its_edge():
    """A percentile beyond the grid is drawn at the edge, and said as it is."""
    picture = histogram_picture("x", numbers(parameters={"p5": -5.0, "p95": 7.0}))

    assert picture is not None
    assert "M0.0 0V96" in picture
    assert "M400.0 0V96" in picture
    assert "p95 7" in picture


def test_no_counts_no_picture():
    """A label without a histogram, or with an empty one, has no picture."""
    empty = Distribution(samples=0, histogram=Histogram(0.0, 1.0, (0, 0), 0, 0))

    assert histogram_picture("x", numbers(distribution=empty)) is None
    assert histogram_picture("x", numbers(distribution=Distribution(samples=1))) is None


# --- markup ----------------------------------------------------------------------------------


def test_no_text_of_a_registry_becomes_markup(key):
    """A label, a reason, a comment and a name that look like markup are text on every page."""
    reason = Withdrawn({HAPPY: {2: withdrawal(NASTY)}})
    row = row_of(Calibration(HeadName.parse(HAPPY), 3, {NASTY: numbers()}, NASTY), None)
    signer = PublicKey(key.public.raw, NASTY)

    head = of_head(NASTY, withdrawn=reason)
    first = Read(
        index_page(index(keys=1), rows=[row], signed_by=[signer], threshold=1, withdrawn=reason)
    )

    for page in (head, first):
        assert len(page.all("script")) == 1
        assert "alert" not in page.held["script"]
        assert NASTY in page.text
    assert NASTY in (head.all("svg")[0]["aria-label"] or "")


def test_text_is_escaped_and_markup_is_not():
    """Only what `tag` made is markup; everything else is text, in elements and attributes."""
    assert (
        tag("p", "<b>", tag("b", "&"), None, title='"')
        == '<p title="&quot;">&lt;b&gt;<b>&amp;</b></p>'
    )
    assert isinstance(joined(["a", Html("<br>")]), Html)
    assert tag("input", hidden=True, value=None, checked=False) == "<input hidden>"
