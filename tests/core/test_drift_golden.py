from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from calreg.calibrate import describe, minmax
from calreg.documents.calibration import METRICS
from calreg.drift import drift_between

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/drift/drift.json").read_text())


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["name"])
def test_metrics_are_those_of_other_software(case):
    """The six metrics are what scipy and the standard library compute from the same scores."""
    new, reference = (
        {"a": minmax(describe(np.array(case[side]), grid=(0.0, 1.0)))}
        for side in ("new", "reference")
    )

    found = drift_between(new, reference, thresholds=dict.fromkeys(METRICS, 1.0)).metrics

    assert dict(found) == pytest.approx(case["metrics"], rel=1e-10, abs=1e-12)
