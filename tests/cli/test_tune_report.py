"""The table of a tuning, at the widths of real terminals."""

import numpy as np
import pytest

from calreg.calibrate.objectives import parse_objective
from calreg.labelled import LabelledColumn, LabelledScores
from calreg.report.tune import tune_lines
from calreg.tuning import Request, tune


def labelled(seed, *names):
    """Scores of 200 items, in full precision."""
    rng = np.random.default_rng(seed)
    truth = {name: rng.random(200) < 0.4 for name in names}
    return LabelledScores(
        {
            name: LabelledColumn(rng.beta(2, 4, 200) + 0.3 * true, true, np.arange(200))
            for name, true in truth.items()
        },
        is_logit=False,
        rows=200,
    )


def table_of(width, **asked):
    """The lines of the table itself."""
    names = ("scam", "topic_crypto", "clean")
    tuned = tune(labelled(1, *names), labelled(2, *names), Request(**asked))
    lines = [line.plain for line in tune_lines("forum/posts", tuned, width=width)]
    return lines[0], lines[2:9]


@pytest.mark.parametrize("width", [80, 100, 120, 160])
@pytest.mark.parametrize("method", [None, "platt"])
def test_the_table_fits_the_terminal(width, method):
    """No line of the table breaks, and the threshold stands in it with every digit."""
    objective = parse_objective("max-recall@fpr<=0.1")
    _, lines = table_of(width, objective=objective, map_method=method)

    assert max(map(len, lines)) <= width
    assert all(header in lines[0] for header in ("label", "fires if", "recall", "F1", "FPR"))


def test_an_objective_of_all_labels_stands_in_the_title():
    """What every label was tuned for is said once, and the counts keep their room."""
    title, lines = table_of(120, objective=parse_objective("max-recall@fpr<=0.1"))

    assert title == "forum/posts  threshold · max-recall@fpr<=0.1"
    assert "objective" not in lines[0]
    assert all(header in lines[0].split() for header in ("tp", "fp", "fn", "tn"))


def test_objectives_of_their_own_stand_in_the_table():
    """Labels that want different things say so in their rows."""
    title, lines = table_of(200, objectives={"scam": parse_objective("youden")})

    assert title == "forum/posts  threshold"
    assert "youden" in lines[1]
    assert "max-f1" in lines[3]


def test_a_pipe_has_every_column():
    """Without a width nothing is left out."""
    _, lines = table_of(None)

    for header in ("direction", "objective", "positives", "tp", "precision", "AUROC", "FPR 95 %"):
        assert header in lines[0]
