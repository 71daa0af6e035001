from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from calreg.evaluate import average_precision, evidence_of

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/evaluate/evaluate.json").read_text())
NAMES = ("precision", "recall", "f1", "auroc", "average_precision", "brier", "nll")


def columns(case):
    return np.array(case["scores"]), np.array(case["truth"], dtype=bool)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["name"])
def test_figures_are_those_of_scikit_learn(case):
    """Every figure that scikit-learn has too is the same to 1e-12, ties and all."""
    scores, truth = columns(case)

    found = evidence_of(
        scores,
        truth,
        direction="higher",
        fires=scores >= case["figures"]["threshold"],
        probabilities=np.array(case["probabilities"]),
        digest="0" * 64,
    ).to_json()

    expected = case["figures"]
    assert {name: found[name] for name in NAMES} == pytest.approx(
        {name: expected[name] for name in NAMES}, rel=1e-12, abs=1e-12
    )
    assert {name: found[name] for name in expected["confusion"]} == expected["confusion"]


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["name"])
def test_a_lower_direction_is_the_score_with_its_sign_changed(case):
    """Where low scores speak for a label, average precision is scikit-learn's of −score."""
    scores, truth = columns(case)

    found = average_precision(scores, truth, "lower")

    assert found == pytest.approx(case["figures"]["average_precision_lower"], abs=1e-12)
