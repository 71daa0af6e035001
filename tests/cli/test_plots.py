"""`calreg tune --plot`: files that open anywhere, or one line before anything is done."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from calreg.cli.plots import check_plots
from calreg.errors import UsageError

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def labelled(tmp_path) -> Path:
    """60 items with scores and truth; the label's name would end a script."""
    rng = np.random.default_rng(0)
    truth = rng.random(60) < 0.4
    scores = np.where(truth, rng.beta(4, 2, 60), rng.beta(2, 4, 60))
    lines = ["item,score_</script><b>,y_</script><b>"]
    lines += [
        f"{row},{score!r},{int(is_positive)}"
        for row, (score, is_positive) in enumerate(zip(scores.tolist(), truth, strict=True))
    ]
    path = tmp_path / "labelled.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_tune_draws_what_it_found(cli, labelled, tmp_path):
    """--plot writes a picture and a page, and --json names both files."""
    picture, page = tmp_path / "new" / "tuned.png", tmp_path / "tuned.HTML"

    said = cli("tune", labelled, "--head", "m/spam", "--plot", picture, "--plot", page, "--json")

    assert said.code == 0
    assert said.json["files"] == [str(picture), str(page)]
    assert picture.read_bytes().startswith(PNG)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert "default-src 'none'" in text
    assert "src=" not in text.partition("<script")[0]
    assert text.count("</script>") == 2
    assert "&lt;/script&gt;&lt;b&gt;: fires at score" in text


def test_an_unknown_ending_is_refused_before_anything_is_read(cli, tmp_path):
    """A name that ends in no known format is refused although the scores are not there."""
    said = cli("tune", tmp_path / "none.csv", "--head", "m/spam", "--plot", tmp_path / "a.pdf")

    assert said.code == 2
    assert "--plot: expected a name that ends in .html, .png, .svg" in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a", "a.pdf", "a.png.txt"])
def test_only_names_that_can_be_served_pass(name):
    """check_plots lets html, png and svg pass, in any case of letters, and nothing else."""
    check_plots([Path("a.html"), Path("b.PNG"), Path("c.svg")])

    with pytest.raises(UsageError, match="expected a name that ends in"):
        check_plots([Path("a.html"), Path(name)])


def test_the_extra_is_named_where_it_is_missing(labelled, tmp_path):
    """Without the extra --plot says in one line what to install, and writes nothing."""
    without = "import sys; sys.modules['vl_convert'] = None\n"
    script = without + (
        "from calreg.cli import call\n"
        f"sys.exit(call(['tune', {str(labelled)!r}, '--head', 'm/s', '--plot', 'a.png']))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 2
    assert "pip install 'calreg[report]'" in ran.stderr
    assert not (tmp_path / "a.png").exists()
