"""Pictures of the feedback loop as files."""

from pathlib import Path

import pytest

from calreg.cli.feedback_plots import check_plots, write_feedback_plots
from calreg.errors import UsageError

DOCUMENT = {
    "id": "20260301T101500Z-0123abcd",
    "timestamp": "2026-03-01T10:15:00Z",
    "price": {
        "n": 40,
        "bias": -1.4,
        "bias_interval": [-2.0, -0.9],
        "mae": 7.1,
        "mae_interval": [6.0, 8.0],
    },
    "groups": {"used</text><script>": {"n": 40, "bias": -1.4, "mae": 7.1}},
    "suggestions": {
        "used</text><script>": {
            "current_factor": 0.5,
            "suggested_factor": 0.52,
            "n": 40,
            "status": "ok",
            "median_ratio": 1.05,
            "interval": [0.51, 0.53],
        }
    },
}
HISTORY = [
    {
        "id": "a",
        "timestamp": "2026-02-01T10:00:00Z",
        "action": "apply",
        "before": {"used": 0.4},
        "after": {"used": 0.5},
    }
]


def test_a_picture_says_the_answer_in_its_title(tmp_path):
    """The SVG holds the answer as text, and a group's name as text and no element."""
    [picture] = write_feedback_plots([tmp_path / "new" / "a.svg"], DOCUMENT, HISTORY)

    text = picture.read_text(encoding="utf-8")
    assert text.startswith("<svg")
    assert (
        "Prices are predicted 1.4 too low on average; used&lt;/text&gt;&lt;script&gt; would" in text
    )
    assert "factor 4 % higher" in text
    assert "0.500 → 0.520, ok" in text
    assert "<script" not in text


def test_a_page_asks_nobody_for_anything(tmp_path):
    """The page forbids every request, and has its script and figures inside."""
    page = tmp_path / "a.html"
    picture = tmp_path / "a.PNG"

    assert write_feedback_plots([page, picture], DOCUMENT, HISTORY) == [page, picture]

    text = page.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert text.count("</script>") == 2
    assert "<td>0.510 to 0.530</td>" in text
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_nothing_at_all_is_a_picture_too(tmp_path):
    """Without a document and without a history there is a picture that says so."""
    [picture] = write_feedback_plots([tmp_path / "a.svg"], {}, [])

    assert "Nothing to compare yet" in picture.read_text(encoding="utf-8")


def test_names_are_checked_as_for_tuning():
    """A name that ends in no known format is refused."""
    with pytest.raises(UsageError, match="expected a name that ends in"):
        check_plots([Path("a.pdf")])
