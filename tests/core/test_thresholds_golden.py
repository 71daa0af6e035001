from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from calreg.calibrate.objectives import parse_objective
from calreg.calibrate.thresholds import best_cut

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/thresholds/thresholds.json").read_text())


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["name"])
@pytest.mark.parametrize("text", GOLDEN["cases"][0]["thresholds"])
def test_thresholds_are_those_of_scikit_learn(case, text):
    """Each threshold and its counts are what scikit-learn's curves give, to the last digit."""
    scores, truth = np.array(case["scores"]), np.array(case["truth"], dtype=bool)

    cut = best_cut(scores, truth, parse_objective(text))

    assert cut.threshold == case["thresholds"][text]
    counts = cut.confusion
    assert [counts.tn, counts.fp, counts.fn, counts.tp] == case["tn_fp_fn_tp"][text]
